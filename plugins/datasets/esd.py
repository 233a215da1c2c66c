"""ESD: ten Mandarin and ten English speakers say 350 parallel sentences in five emotions."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from lanser_bench import Card, DataError, Dataset, PluginOptions, Utterance

from ._files import counted, named

_NAME = re.compile(r"(00[012]\d)_(\d{6})")
_EMOTIONS = ("neutral", "angry", "happy", "sad", "surprise")
"""In the order of the numbers: 350 sentences each."""
_SENTENCES = 350
_FIRST_ENGLISH = 11
_SPLITS = {"train": "train", "evaluation": "validation", "test": "test"}
_WORDS = (*_EMOTIONS, "中立", "生气", "快乐", "开心", "伤心", "惊喜", "惊讶")
"""What the last column of a speaker's table may say."""
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
        notes="Acted; 35,000 clips, each of 350 sentences in every emotion, so that the words "
        "carry none. Its own train, evaluation and test parts share all speakers, so the protocol "
        "'split' is refused. Tested on generated sound with the true names; the real corpus was "
        "not at hand.",
    )

    def utterances(self, root: Path) -> Iterator[Utterance]:
        """Yields the clips sorted by path."""
        found = False
        texts: dict[str, dict[str, str]] = {}
        silent: Counter[str] = Counter()
        for path, match in named(root, _NAME, self.notes):
            speaker, number = match[1], int(match[2])
            language = "en" if int(speaker) >= _FIRST_ENGLISH else "zh"
            if self.options.language not in ("all", language):
                continue
            found = True
            if speaker not in texts:
                texts[speaker] = self._texts(path, speaker, root)
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
        for speaker, count in sorted(silent.items()):
            if count:
                self.notes.append(
                    f"{counted(count, 'clip')} of speaker {speaker} without transcript: "
                    f"{speaker}.txt is missing or does not list them."
                )
        if not found:
            raise DataError(
                f"{root} holds no ESD file such as 0011/Angry/0011_000351.wav"
                f"{'' if self.options.language == 'all' else ' of ' + self.options.language}. Get "
                f"the corpus from {self.card.url} and name the folder that holds 0001 … 0020."
            )

    def _texts(self, clip: Path, speaker: str, root: Path) -> dict[str, str]:
        """Reads the speaker's table in the clip's folder or above it."""
        for folder in clip.parents:
            file = folder / f"{speaker}.txt"
            if file.is_file():
                return _texts(file, int(speaker) >= _FIRST_ENGLISH)
            if folder == root.parent:
                break
        return {}


def _emotion(path: Path, number: int) -> str:
    """The folder names it; where a copy has no such folder, the number does."""
    for folder in (path.parent.name.lower(), path.parent.parent.name.lower()):
        if folder in _EMOTIONS:
            return folder
    block = (number - 1) // _SENTENCES
    if not 0 <= block < len(_EMOTIONS):
        raise DataError(f"{path}: number {number} is beyond ESD's 1,750 clips of a speaker.")
    return _EMOTIONS[block]


def _texts(file: Path, english: bool) -> dict[str, str]:
    """Returns clip → text of a speaker's table: clip, text and emotion, parted by tabs or blanks.

    Raises:
        DataError: the encoding is unknown, or no line is of that form.
    """
    lines = (_LINE.match(line.strip()) for line in _decoded(file, english).splitlines())
    texts = {match[1]: match[2].strip() for match in lines if match}
    if any("\t" in text for text in texts.values()):
        texts = {name: text.partition("\t")[0].strip() for name, text in texts.items()}
    elif all(text.split(" ")[-1].lower() in _WORDS for text in texts.values()):
        texts = {name: text.rpartition(" ")[0].strip() for name, text in texts.items()}
    texts = {name: text for name, text in texts.items() if text}
    if not texts:
        raise DataError(
            f"{file}: no line is of the form '{file.stem}_000001, tab, text, tab, emotion'. Mend "
            "it, or move it away to read the speaker without transcripts."
        )
    return texts


def _decoded(file: Path, english: bool) -> str:
    """Finds out the encoding, since the speakers' files of the release do not share one."""
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror}.") from None
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
