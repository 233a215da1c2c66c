"""LibriSpeech: read English books; natural reading, no emotion labels."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from lanser_bench import Card, DataError, Dataset, PluginOptions, Utterance

from ._files import lines, named, near, table_beside

_NAME = re.compile(r"((\d+)-(\d+)-(\d+))")
_SUBSET = re.compile(r"(?:train|dev|test)-(?:clean|other)(?:-\d+)?")


class LibriSpeechOptions(PluginOptions):
    """Options of `librispeech`."""

    subsets: tuple[str, ...] = ()
    """Such as ``[train-clean-100, dev-clean]``; empty for all that lie in the folder."""


class LibriSpeech(Dataset[LibriSpeechOptions]):
    """Reads ``[subset/]speaker/chapter/speaker-chapter-number.flac`` anywhere under the folder.

    Transcripts come from the ``.trans.txt`` of each chapter, else from a ``manifest.csv`` with the
    columns id and transcript in the folder; an utterance in neither has none.
    """

    Options = LibriSpeechOptions
    version = "1"
    card = Card(
        title="LibriSpeech",
        licence="CC BY 4.0",
        citation="Panayotov, Chen, Povey and Khudanpur (2015), ICASSP",
        url="https://www.openslr.org/12",
        language="en",
        notes="Read audiobooks. Most public recognisers and encoders were trained on its training "
        "parts, so their error rates there are too good.",
    )

    def utterances(self, root: Path) -> Iterator[Utterance]:
        """Yields the utterances sorted by path; those without a file follow their chapter."""
        paths: dict[str, list[Path]] = {}
        chapters: dict[Path, list[tuple[str, Path]]] = {}
        seen: set[str] = set()
        for path, match in named(root, _NAME, self.notes):
            if self._wanted(path, seen):
                chapters.setdefault(path.parent, []).append((match[1], path))
                paths.setdefault(match[1], []).append(path)
        if not chapters:
            raise DataError(self._nothing(root, seen))
        beside = table_beside(root)
        sexes = _sexes(root)
        for folder, clips in sorted(chapters.items()):
            texts = _transcripts(folder)
            missing = [(name, folder / f"{name}.flac") for name in texts if name not in paths]
            for name, path in [*clips, *missing]:
                text = texts.get(name) or beside.get(name, {}).get("transcript")
                yield _utterance(name, path, text or None, sexes, beside.get(name, {}))

    def _wanted(self, path: Path, seen: set[str]) -> bool:
        subset = _subset(path)
        seen.add(subset or "(none)")
        return not self.options.subsets or subset in self.options.subsets

    def _nothing(self, root: Path, seen: set[str]) -> str:
        if seen:
            return (
                f"{root} holds none of the LibriSpeech subsets {', '.join(self.options.subsets)}; "
                f"it holds {', '.join(sorted(seen))}. Change the option `subsets`."
            )
        return (
            f"{root} holds no LibriSpeech file such as dev-clean/84/121123/84-121123-0000.flac. "
            f"Get a subset from {self.card.url} and name the folder LibriSpeech."
        )


def _subset(path: Path) -> str | None:
    """Returns the subset's name: the folder above speaker and chapter, if it is named like one."""
    name = path.parents[2].name if len(path.parents) > 2 else ""
    return name if _SUBSET.fullmatch(name) else None


def _transcripts(folder: Path) -> dict[str, str]:
    texts = {}
    for file in sorted(folder.glob("*.trans.txt")):
        for number, line in lines(file):
            name, _, text = line.partition(" ")
            if not _NAME.fullmatch(name):
                raise DataError(f"{file}, line {number}: expected an utterance id and its text.")
            texts[name] = text.strip()
    return texts


def _sexes(root: Path) -> dict[str, str]:
    """Returns speaker → sex from ``SPEAKERS.TXT``, where the corpus's own file is there."""
    sexes = {}
    file = near(root, "SPEAKERS.TXT")
    for _, line in lines(file) if file else ():
        cells = [cell.strip() for cell in line.split("|")]
        if not line.startswith(";") and len(cells) > 1 and cells[1] in ("M", "F"):
            sexes[cells[0]] = "male" if cells[1] == "M" else "female"
    return sexes


def _utterance(
    name: str, path: Path, text: str | None, sexes: dict[str, str], row: dict[str, str]
) -> Utterance:
    speaker, chapter, _ = name.split("-")
    sex = sexes.get(speaker) or row.get("sex")
    return Utterance(
        id=name,
        audio=path,
        speaker=speaker,
        language="en",
        split=_subset(path),
        transcript=text,
        extras={"chapter": chapter, **({"sex": sex} if sex else {})},
    )
