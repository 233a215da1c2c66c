"""ESD: ten Mandarin and ten English speakers say 350 parallel sentences in five emotions."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from lanser_bench import Card, DataError, Dataset, PluginOptions, Utterance

from ._files import UNTRIED, clips_of, counted
from ._text_files import read_bytes

_NAME = re.compile(r"(00[012]\d)_(\d{6})")
_EMOTIONS = ("neutral", "angry", "happy", "sad", "surprise")
"""In the order of the numbers: 350 sentences each."""
_SENTENCES = 350
_FIRST_ENGLISH = 11
_SPLITS = {"train": "train", "evaluation": "validation", "test": "test"}
_WORDS = (*_EMOTIONS, "中立", "生气", "快乐", "开心", "伤心", "惊喜", "惊讶")
"""Emotions in the last column of a speaker's table."""
_LINE = re.compile(r"\ufeff?(00[012]\d_\d{6})(?:\.\w+)?[\t ]+(.+)")
_HAN = re.compile(r"[\u3400-\u9fff]")


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
        notes="Acted; 35,000 clips, each of 350 sentences in every emotion, so the words carry "
        "none. Its own train, evaluation and test parts share all speakers, so the protocol "
        f"'split' is refused. {UNTRIED}",
    )

    def utterances(self, root: Path) -> Iterator[Utterance]:
        """Yields the clips sorted by path."""
        wanted = self.options.language
        texts: dict[str, dict[str, str]] = {}
        silent: Counter[str] = Counter()
        for path, match in clips_of(
            self,
            root,
            _NAME,
            f"ESD file{'' if wanted == 'all' else f' of {wanted}'} such as "
            "0011/Angry/0011_000351.wav",
            "the folder that contains 0001 … 0020",
            wanted=lambda _, match: wanted in ("all", _language(match[1])),
        ):
            speaker, number = match[1], int(match[2])
            language = _language(speaker)
            if speaker not in texts:
                texts[speaker] = _texts_near(path, speaker, root)
            silent[speaker] += path.stem not in texts[speaker]
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
        self.notes += [
            f"{counted(count, 'clip')} of speaker {speaker} without transcript: {speaker}.txt is "
            "missing or does not list them."
            for speaker, count in sorted((+silent).items())
        ]


def _language(speaker: str) -> str:
    return "en" if int(speaker) >= _FIRST_ENGLISH else "zh"


def _emotion(path: Path, number: int) -> str:
    """Returns the emotion of the folder's name; in a copy without such a folder, of the number."""
    for folder in (path.parent.name.lower(), path.parent.parent.name.lower()):
        if folder in _EMOTIONS:
            return folder
    block = (number - 1) // _SENTENCES
    if not 0 <= block < len(_EMOTIONS):
        raise DataError(f"{path}: number {number} exceeds ESD's 1,750 clips per speaker.")
    return _EMOTIONS[block]


def _texts_near(clip: Path, speaker: str, root: Path) -> dict[str, str]:
    """Reads the speaker's table in the clip's folder or above it."""
    for folder in clip.parents:
        file = folder / f"{speaker}.txt"
        if file.is_file():
            return _texts(file, _language(speaker) == "en")
        if folder == root.parent:
            break
    return {}


def _texts(file: Path, english: bool) -> dict[str, str]:
    """Returns clip → text of a speaker's table: clip, text and emotion, split by tabs or blanks."""
    lines = (_LINE.match(line.strip()) for line in _decoded(file, english).splitlines())
    texts = {match[1]: match[2].strip() for match in lines if match}
    if any("\t" in text for text in texts.values()):
        texts = {name: text.partition("\t")[0].strip() for name, text in texts.items()}
    elif all(text.split(" ")[-1].lower() in _WORDS for text in texts.values()):
        texts = {name: text.rpartition(" ")[0].strip() for name, text in texts.items()}
    texts = {name: text for name, text in texts.items() if text}
    if not texts:
        raise DataError(
            f"{file}: no line is of the form '{file.stem}_000001, tab, text, tab, emotion'. Fix "
            "it, or move it away to read the speaker without transcripts."
        )
    return texts


def _decoded(file: Path, english: bool) -> str:
    """Detects the encoding, since the speakers' files of the release do not share one."""
    raw = read_bytes(file)
    # UTF-16 without a mark: the digits of the first name have a zero byte each.
    utf16 = {b"0\0": "utf-16-le", b"\0" + b"0": "utf-16-be"}.get(raw[:2])
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        utf16 = "utf-16"
    encodings = (utf16,) if utf16 else ("utf-8-sig", "gb18030", *("cp1252",) * english)
    for encoding in encodings:
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        # cp1252's quotation marks are also valid halves of Chinese characters.
        if not (english and encoding == "gb18030" and _HAN.search(text)):
            return text
    raise DataError(f"{file} is in none of the encodings {', '.join(encodings)}. Save it as UTF-8.")
