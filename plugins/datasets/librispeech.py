"""LibriSpeech: read English books; natural reading, no emotion labels."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from lanser_bench import Card, DataError, Dataset, PluginOptions, Utterance

from ._files import clips_of, near
from ._text_files import lines, table_beside

_NAME = re.compile(r"(\d+)-(\d+)-(\d+)")
_SUBSET = re.compile(r"(?:train|dev|test)-(?:clean|other)(?:-\d+)?")


class LibriSpeechOptions(PluginOptions):
    """Options of `librispeech`."""

    subsets: tuple[str, ...] = ()
    """Such as ``[train-clean-100, dev-clean]``; empty for all in the folder."""


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
        chapters: dict[Path, list[Path]] = {}
        for path in self._clips(root):
            chapters.setdefault(path.parent, []).append(path)
        existing = {path.stem for clips in chapters.values() for path in clips}
        beside = table_beside(root)
        sexes = _sexes(root)
        for folder, clips in sorted(chapters.items()):
            texts = _transcripts(folder)
            missing = [folder / f"{name}.flac" for name in texts if name not in existing]
            for path in [*clips, *missing]:
                row = beside.get(path.stem, {})
                speaker, chapter, _ = path.stem.split("-")
                sex = sexes.get(speaker) or row.get("sex")
                yield Utterance(
                    id=path.stem,
                    audio=path,
                    speaker=speaker,
                    language="en",
                    split=_subset(path),
                    transcript=texts.get(path.stem) or row.get("transcript") or None,
                    extras={"chapter": chapter} | ({"sex": sex} if sex else {}),
                )

    def _clips(self, root: Path) -> Iterator[Path]:
        """Yields the clips of the wanted subsets."""
        wanted = self.options.subsets
        seen: set[str] = set()
        example = "LibriSpeech file such as dev-clean/84/121123/84-121123-0000.flac"
        for path, _ in clips_of(self, root, _NAME, example, "the folder LibriSpeech"):
            subset = _subset(path)
            seen.add(subset or "(none)")
            if not wanted or subset in wanted:
                yield path
        if wanted and not seen & set(wanted):
            raise DataError(
                f"{root} contains none of the LibriSpeech subsets {', '.join(wanted)}; it contains "
                f"{', '.join(sorted(seen))}. Change the option `subsets`."
            )


def _subset(path: Path) -> str | None:
    """Returns the folder above speaker and chapter, if it has the name of a subset."""
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
    """Returns speaker → sex from the corpus's own ``SPEAKERS.TXT``, if the folder has it."""
    file = near(root, "SPEAKERS.TXT")
    rows = [line.split("|") for _, line in lines(file) if not line.startswith(";")] if file else []
    codes = {row[0].strip(): row[1].strip() for row in rows if len(row) > 1}
    names = {"M": "male", "F": "female"}
    return {speaker: names[code] for speaker, code in codes.items() if code in names}
