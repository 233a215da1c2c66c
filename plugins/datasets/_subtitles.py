"""Subtitles: the cues of WebVTT and SubRip files."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lanser_bench import DataError

_TIME = r"(?:(\d+):)?(\d{1,2}):(\d{2})[.,](\d{1,3})"
_CUE = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}(?:\s.*)?")
_TAG = re.compile(r"<[^>]*>|\{\\[^}]*\}")
_SOUND = re.compile(r"\[[^\]]*\]|\([^)]*\)|♪[^♪]*♪?|#[^#]+#")
_SPEAKER = re.compile(r"^\s*(?:-\s*|>>\s*)?([A-Z][A-Z .'’\-]{1,30}):\s+")


@dataclass(frozen=True)
class Cue:
    """One subtitle."""

    start: float
    """Seconds."""
    end: float
    text: str
    """What is said; empty where the cue only names a sound or music."""
    line: int
    """Line of its times in the file."""


def read_cues(path: Path) -> list[Cue]:
    """Returns the cues of a ``.vtt`` or ``.srt`` file by time, without tags, sounds and names.

    Automatic captions of YouTube roll: each cue says the line of the one before again. A line that
    the cue before ended with is left out.

    Raises:
        DataError: the file cannot be read, is not UTF-8, or a cue ends before it begins.
    """
    found: list[Cue] = []
    before: list[str] = []
    for number, start, end, said in _blocks(path):
        if end < start:
            raise DataError(f"{path}, line {number}: the cue ends before it begins.")
        fresh = said[1:] if before and said and said[0] == before[-1] else said
        before = said or before
        found.append(Cue(start, end, plain_words(" ".join(fresh)), number))
    return sorted(found, key=lambda cue: (cue.start, cue.end))


def plain_words(text: str) -> str:
    """Returns what is said: no markup, no [door slams], no ♪ song ♪, no NAME: before the words."""
    text = _SOUND.sub(" ", html.unescape(_TAG.sub("", text)))
    text = _SPEAKER.sub("", text)
    return re.sub(r"\s+", " ", text.replace("♪", " ")).strip(" -")


def utterances_of(cues: list[Cue], gap: float, longest: float) -> Iterator[Cue]:
    """Joins cues into utterances: a sentence is often cut over several.

    A cue is joined to the one before if that does not end a sentence, the pause between them is at
    most `gap` seconds and both together last at most `longest` seconds. Cues without words end an
    utterance and are left out.
    """
    held: Cue | None = None
    for cue in cues:
        if not cue.text:
            if held is not None:
                yield held
            held = None
            continue
        if held is not None and _goes_on(held, cue, gap, longest):
            held = Cue(held.start, max(held.end, cue.end), f"{held.text} {cue.text}", held.line)
            continue
        if held is not None:
            yield held
        held = cue
    if held is not None:
        yield held


def _goes_on(held: Cue, cue: Cue, gap: float, longest: float) -> bool:
    ended = held.text.rstrip("\"'”’").endswith((".", "!", "?", "…"))
    return not ended and cue.start - held.end <= gap and cue.end - held.start <= longest


def _blocks(path: Path) -> Iterator[tuple[int, float, float, list[str]]]:
    """Yields line number, start, end and the lines of text of each cue."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 (byte {error.start}). Save it as UTF-8.") from None
    rows = text.split("\n")
    position = 0
    while position < len(rows):
        match = _CUE.fullmatch(rows[position])
        position += 1
        if match is None:
            continue
        number, said = position, []
        while position < len(rows) and rows[position].strip() and "-->" not in rows[position]:
            said.append(_TAG.sub("", rows[position]).strip())
            position += 1
        times = match.groups()
        yield number, _seconds(times[:4]), _seconds(times[4:]), [line for line in said if line]


def _seconds(parts: tuple[str | None, ...]) -> float:
    hours, minutes, seconds, fraction = (part or "0" for part in parts)
    return int(hours) * 3600 + int(minutes) * 60 + int(seconds) + int(fraction.ljust(3, "0")) / 1000
