"""ESD: ten Mandarin and ten English speakers say 350 parallel sentences in five emotions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from lanser_bench import Card, DataError, Dataset, PluginOptions, Utterance

from ._files import walk

_NAME = re.compile(r"(00[012]\d)_(\d{6})\.(?:wav|flac)", re.IGNORECASE)
_EMOTIONS = ("neutral", "angry", "happy", "sad", "surprise")
"""In the order of the numbers: 350 sentences each."""
_SENTENCES = 350
_FIRST_ENGLISH = 11
_SPLITS = {"train": "train", "evaluation": "validation", "test": "test"}
_ENCODINGS = ("utf-8-sig", "utf-16", "gb18030")
"""The speakers' text files of the release do not share one encoding."""


class ESDOptions(PluginOptions):
    """Options of `esd`."""

    language: Literal["all", "en", "zh"] = "all"
    """Speakers 0001-0010 are Mandarin, 0011-0020 English."""


class ESD(Dataset[ESDOptions]):
    """Reads ``0011/Angry/[train/]0011_000351.wav`` and the texts in ``0011/0011.txt``."""

    Options = ESDOptions
    version = "1"
    card = Card(
        title="ESD, the Emotional Speech Dataset",
        licence="research only, after signing",
        citation="Zhou, Sisman, Liu and Li (2022), Speech Communication 137: 1-18",
        url="https://github.com/HLTSingapore/Emotional-Speech-Data",
        taxonomy="esd-5",
        fixed_sentences=True,
        notes="Acted; 35,000 clips, each of 350 sentences in every emotion, so that the words "
        "carry none. Its own train, evaluation and test parts share all speakers, so the protocol "
        "'split' is refused. Tested on generated sound with the true names; the real corpus was "
        "not at hand.",
    )

    def utterances(self, root: Path) -> Iterator[Utterance]:
        """Yields the clips sorted by path."""
        found = False
        texts: dict[str, dict[str, str]] = {}
        for path in walk(root):
            match = _NAME.fullmatch(path.name)
            if match is None:
                continue
            speaker, number = match[1], int(match[2])
            language = "en" if int(speaker) >= _FIRST_ENGLISH else "zh"
            if self.options.language not in ("all", language):
                continue
            found = True
            if speaker not in texts:
                texts[speaker] = _texts(path, speaker, root)
            yield Utterance(
                id=path.stem,
                audio=path,
                speaker=speaker,
                sentence_id=f"{language}-{(number - 1) % _SENTENCES + 1:03d}",
                language=language,
                split=_SPLITS.get(path.parent.name.lower()),
                transcript=texts[speaker].get(path.stem),
                gold={_emotion(path, number): 1.0},
            )
        if not found:
            raise DataError(
                f"{root} holds no ESD file such as 0011/Angry/0011_000351.wav"
                f"{'' if self.options.language == 'all' else ' of ' + self.options.language}. Get "
                f"the corpus from {self.card.url} and name the folder that holds 0001 … 0020."
            )


def _emotion(path: Path, number: int) -> str:
    """The folder names it; where a copy has no such folder, the number does."""
    for folder in (path.parent.name.lower(), path.parent.parent.name.lower()):
        if folder in _EMOTIONS:
            return folder
    block = (number - 1) // _SENTENCES
    if not 0 <= block < len(_EMOTIONS):
        raise DataError(f"{path}: number {number} is beyond ESD's 1,750 clips of a speaker.")
    return _EMOTIONS[block]


def _texts(clip: Path, speaker: str, root: Path) -> dict[str, str]:
    """Returns clip → text from the speaker's table, a tab between clip, text and emotion."""
    for folder in clip.parents:
        file = folder / f"{speaker}.txt"
        if file.is_file():
            rows = (line.split("\t") for line in _decoded(file).splitlines())
            return {cells[0].strip(): cells[1].strip() for cells in rows if len(cells) > 1}
        if folder == root:
            break
    return {}


def _decoded(file: Path) -> str:
    raw = file.read_bytes()
    for encoding in _ENCODINGS:
        # Bytes of another encoding may by chance be valid UTF-16; only a mark says that they are.
        if encoding == "utf-16" and not raw.startswith((b"\xff\xfe", b"\xfe\xff")):
            continue
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise DataError(
        f"{file} is in none of the encodings {', '.join(_ENCODINGS)}. Save it as UTF-8."
    )
