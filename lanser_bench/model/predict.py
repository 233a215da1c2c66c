"""Labels of recordings of any length: cut, decoded and scored piece by piece."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..errors import DataError
from ..kinds.segmenter import Segmenter, Span
from ..kinds.speech import Speech
from ..plugins import registry

if TYPE_CHECKING:
    from .loaded import SERModel

WHOLE_S = 30.0
"""A recording up to this long is one segment, unless a segmenter is named."""
WINDOW_S = 10.0
"""Windows that a longer one is cut into."""
CHUNK_S = 120.0
"""Seconds of sound that a segmenter hears at a time."""
BATCH_S = 60.0
"""Seconds of segments that are decoded before they are scored."""
SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".mp3"})


@dataclass(frozen=True)
class SegmentScores:
    """One segment of a recording."""

    start: float
    """Seconds from the recording's start."""
    end: float
    label: str
    scores: dict[str, float]


@dataclass(frozen=True)
class Prediction:
    """What a model says of one recording."""

    path: Path
    seconds: float
    label: str | None
    """Best of `scores`; None where a segmenter found no speech."""
    scores: dict[str, float]
    """Mean of the segments' scores, each weighted by its length; empty without segments."""
    segments: list[SegmentScores]

    def as_json(self) -> dict[str, Any]:
        """Returns plain JSON values; scores rounded to 6 digits."""
        return {
            "file": str(self.path),
            "seconds": round(self.seconds, 3),
            "label": self.label,
            "scores": _rounded(self.scores),
            "segments": [
                {"start": round(s.start, 3), "end": round(s.end, 3), "label": s.label,
                 "scores": _rounded(s.scores)}
                for s in self.segments
            ],
        }  # fmt: skip


def predict_file(
    model: SERModel, path: Path, segmenter: Segmenter[Any] | str | None = None
) -> Prediction:
    """Labels one recording; see `SERModel.predict`."""
    from ..audio import decode

    seconds = duration(path)
    cutter = registry().create("segmenter", segmenter) if isinstance(segmenter, str) else segmenter
    segments: list[SegmentScores] = []
    spans = _spans(path, seconds, cutter)
    while batch := _take(spans):
        sounds = [decode(path, span.start, span.end) for span in batch]
        segments += _named(model, batch, model.scores(sounds))
    if not segments:
        return Prediction(path, seconds, None, {}, [])
    weights = np.array([s.end - s.start for s in segments])
    values = np.array([list(s.scores.values()) for s in segments])
    mean = (values * weights[:, None]).sum(0) / weights.sum()
    scores = dict(zip(model.labels, mean.tolist(), strict=True))
    return Prediction(path, seconds, model.labels[int(mean.argmax())], scores, segments)


def duration(path: Path) -> float:
    """Returns a recording's length in seconds, by its header.

    Raises:
        DataError: the file cannot be read as audio.
    """
    from ..audio.container import SoundError, open_sound

    try:
        with open_sound(path) as sound:
            return float(sound.frames / sound.samplerate)
    except SoundError as error:
        raise DataError(f"{path} {error}.") from None


def find_audio(names: Sequence[str]) -> list[Path]:
    """Returns the recordings that a user names: files, folders and patterns, in order, once each.

    A file that does not exist is kept, so that reading it says so.

    Raises:
        DataError: nothing at all is found.
    """
    found: dict[Path, None] = {}
    for name in names:
        path = Path(name)
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES)
            found |= dict.fromkeys(inside)
        elif not path.exists() and any(sign in name for sign in "*?["):
            base = Path(path.anchor) if path.is_absolute() else Path()
            pattern = str(path.relative_to(path.anchor)) if path.is_absolute() else name
            found |= dict.fromkeys(sorted(p for p in base.glob(pattern) if p.is_file()))
        else:
            found[path] = None
    if not found:
        raise DataError(
            f"No recording is found in {', '.join(names)}: name wav, flac, ogg or mp3 files, "
            "folders of them, or patterns such as 'calls/*.wav'."
        )
    return list(found)


def _take(spans: Iterator[Span]) -> list[Span]:
    """Returns the next spans, as many as fit `BATCH_S`; at least one if any is left."""
    found: list[Span] = []
    length = 0.0
    for span in spans:
        found.append(span)
        length += span.end - span.start
        if length >= BATCH_S:
            break
    return found


def _spans(path: Path, seconds: float, segmenter: Segmenter[Any] | None) -> Iterator[Span]:
    if segmenter is None:
        if seconds <= WHOLE_S:
            return iter([Span(0.0, seconds)])
        segmenter = registry().create("segmenter", "windows", {"length_s": WINDOW_S})
    if segmenter.trivial:
        return iter([Span(0.0, seconds)])
    return _cut(path, seconds, segmenter)


def _cut(path: Path, seconds: float, segmenter: Segmenter[Any]) -> Iterator[Span]:
    """Yields a segmenter's spans, letting it hear a bounded stretch at a time.

    A span that touches the end of a stretch may go on: the next stretch begins where it began,
    unless it is the only one, which is then longer than a stretch and cut there.
    """
    from ..audio import decode

    begin = 0.0
    while begin < seconds - 1e-3:
        end = min(begin + CHUNK_S, seconds)
        last = end >= seconds - 1e-3
        found = segmenter.segment(Speech(decode(path, begin, end)))
        spans = [Span(begin + s.start, min(begin + s.end, seconds)) for s in found]
        begin = end
        if spans and not last and spans[-1].end > end - 1.0 and len(spans) > 1:
            begin = spans.pop().start
        yield from spans


def _named(
    model: SERModel, spans: Sequence[Span], scores: npt.NDArray[np.float32]
) -> list[SegmentScores]:
    return [
        SegmentScores(
            span.start, span.end, model.labels[int(row.argmax())],
            dict(zip(model.labels, row.tolist(), strict=True)),
        )
        for span, row in zip(spans, scores, strict=True)
    ]  # fmt: skip


def _rounded(scores: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 6) for name, value in scores.items()}
