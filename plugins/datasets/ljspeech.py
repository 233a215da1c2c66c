"""LJ Speech: one reader, public-domain books; no emotion labels."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from lanser_bench import Card, DataError, Dataset, PluginOptions, Utterance

from ._files import lines, named, near, table_beside

_NAME = re.compile(r"(LJ\d{3}-\d{4})", re.IGNORECASE)


class LJSpeech(Dataset[PluginOptions]):
    """Reads ``metadata.csv`` and ``wavs/LJ001-0001.wav`` (or .flac).

    Transcripts are the normalised ones of ``metadata.csv``, else those of a ``manifest.csv`` with
    the columns id and transcript in the folder.
    """

    version = "1"
    card = Card(
        title="LJ Speech",
        licence="Public domain",
        citation="Ito and Johnson (2017), The LJ Speech Dataset",
        url="https://keithito.com/LJ-Speech-Dataset/",
        language="en",
        notes="One speaker: good for pre-training, but it cannot be split by speaker.",
    )

    def utterances(self, root: Path) -> Iterator[Utterance]:
        """Yields the clips sorted by path; those of ``metadata.csv`` without a file come last."""
        table = near(root, "metadata.csv", above=root.name == "wavs")
        texts = _metadata(table)
        beside = {} if texts else table_beside(root)
        found = set()
        for path, match in named(root, _NAME, self.notes):
            name = match[1].upper()
            found.add(name)
            text = texts.get(name) or beside.get(name, {}).get("transcript")
            yield _utterance(name, path, text)
        if not found:
            raise DataError(
                f"{root} holds no LJ Speech file such as wavs/LJ001-0001.wav. Get the corpus from "
                f"{self.card.url} and name the folder LJSpeech-1.1."
            )
        for name, text in texts.items():
            if name not in found:
                folder = table.parent if table else root
                yield _utterance(name, folder / "wavs" / f"{name}.wav", text)


def _metadata(file: Path | None) -> dict[str, str]:
    """Returns id → text. The file has no header and no quoting: ``id|text|normalised text``."""
    if file is None:
        return {}
    texts = {}
    for number, line in lines(file):
        cells = line.split("|")
        if len(cells) < 2:
            raise DataError(f"{file}, line {number}: expected id|text|normalised text.")
        texts[cells[0]] = cells[-1].strip()
    return texts


def _utterance(name: str, path: Path, text: str | None) -> Utterance:
    return Utterance(
        id=name,
        audio=path,
        speaker="lj",
        language="en",
        transcript=text or None,
        extras={"sex": "female"},
    )
