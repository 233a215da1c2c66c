"""LJ Speech: one reader, public-domain books; no emotion labels."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from lanser_bench import Card, DataError, Dataset, PluginOptions, Utterance

from ._files import clips_of, near
from ._text_files import lines, table_beside

_NAME = re.compile(r"LJ\d{3}-\d{4}", re.IGNORECASE)


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
        texts = _metadata(table) if table else {}
        example = "LJ Speech file such as wavs/LJ001-0001.wav"
        clips = [
            path for path, _ in clips_of(self, root, _NAME, example, "the folder LJSpeech-1.1")
        ]
        if table:
            existing = {path.stem.upper() for path in clips}
            wavs = table.parent / "wavs"
            clips += [wavs / f"{name}.wav" for name in texts if name not in existing]
        if not texts:
            texts = {name: row.get("transcript", "") for name, row in table_beside(root).items()}
        for path in clips:
            name = path.stem.upper()
            yield Utterance(
                id=name,
                audio=path,
                speaker="lj",
                language="en",
                transcript=texts.get(name) or None,
                extras={"sex": "female"},
            )


def _metadata(file: Path) -> dict[str, str]:
    """Returns id → text. The file has no header and no quoting: ``id|text|normalised text``."""
    texts = {}
    for number, line in lines(file):
        cells = line.split("|")
        if len(cells) < 2:
            raise DataError(f"{file}, line {number}: expected id|text|normalised text.")
        texts[cells[0]] = cells[-1].strip()
    return texts
