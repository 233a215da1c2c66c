"""Subtitles: the cues of WebVTT and SubRip files."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lanser_bench import DataError

from ._text_files import all_lines

_TIME = r"(?:(\d+):)?(\d{1,2}):(\d{2})[.,](\d{1,3})"
_CUE = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}(?:\s.*)?")
_TAG = re.compile(r"<[^>]*>|\{\\[^}]*\}")
_SOUND = re.compile(r"\[[^\]]*\]|\([^)]*\)|♪[^♪]*♪?|#[^#]+#")
_SPEAKER = re.compile(r"^\s*(?:-\s*|>>\s*)?([A-Z][A-Z .'’\-]{1,30}):\s+")
_SENTENCE_ENDS = (".", "!", "?", "…")


@dataclass(frozen=True)
class Cue:
    """One subtitle."""

    start: float
    """Seconds."""
    end: float
    text: str
    """The words; empty if the cue only names a sound or music."""
    line: int
    """Line of its times in the file."""


def read_cues(path: Path) -> list[Cue]:
    """Returns the cues of a ``.vtt`` or ``.srt`` file by time, without tags, sounds and names.

    YouTube's automatic captions roll: each cue repeats the last line of the previous one. Such a
    line is dropped.

    Raises:
        DataError: the file cannot be read, is not UTF-8, or a cue ends before it begins.
    """
    cues: list[Cue] = []
    before: list[str] = []
    for number, start, end, words in _blocks(path):
        if end < start:
            raise DataError(f"{path}, line {number}: the cue ends before it begins.")
        fresh = words[1:] if before and words and words[0] == before[-1] else words
        before = words or before
        cues.append(Cue(start, end, plain_words(" ".join(fresh)), number))
    return sorted(cues, key=lambda cue: (cue.start, cue.end))


def plain_words(text: str) -> str:
    """Returns the words: no markup, no [door slams], no ♪ song ♪, no NAME: before the words."""
    text = _SOUND.sub(" ", html.unescape(_TAG.sub("", text)))
    text = _SPEAKER.sub("", text)
    return re.sub(r"\s+", " ", text.replace("♪", " ")).strip(" -")


def utterances_of(cues: list[Cue], gap: float, longest: float) -> Iterator[Cue]:
    """Joins cues into utterances, since subtitles often split a sentence.

    A cue joins the previous one if that does not end a sentence, the pause between them is at most
    `gap` seconds and both together last at most `longest` seconds. Cues without words end an
    utterance and are dropped.
    """
    last: Cue | None = None
    for cue in cues:
        if last is not None and cue.text and _continues(last, cue, gap, longest):
            last = Cue(last.start, max(last.end, cue.end), f"{last.text} {cue.text}", last.line)
            continue
        if last is not None:
            yield last
        last = cue if cue.text else None
    if last is not None:
        yield last


def _continues(last: Cue, cue: Cue, gap: float, longest: float) -> bool:
    ended = last.text.rstrip("\"'”’").endswith(_SENTENCE_ENDS)
    return not ended and cue.start - last.end <= gap and cue.end - last.start <= longest


def _blocks(path: Path) -> Iterator[tuple[int, float, float, list[str]]]:
    """Yields line number, start, end and the lines of text of each cue."""
    rows = all_lines(path)
    position = 0
    while position < len(rows):
        match = _CUE.fullmatch(rows[position])
        position += 1
        if match is None:
            continue
        number, words = position, []
        while position < len(rows) and rows[position].strip() and "-->" not in rows[position]:
            words.append(_TAG.sub("", rows[position]).strip())
            position += 1
        times = match.groups()
        yield number, _seconds(times[:4]), _seconds(times[4:]), list(filter(None, words))


def _seconds(parts: tuple[str | None, ...]) -> float:
    hours, minutes, seconds, fraction = (part or "0" for part in parts)
    return int(hours) * 3600 + int(minutes) * 60 + int(seconds) + int(fraction.ljust(3, "0")) / 1000
