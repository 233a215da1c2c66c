"""Labels of recordings of any length: cut, decoded and scored piece by piece."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from ..errors import DataError
from ..kinds.segmenter import Segmenter, Span
from ..kinds.speech import SOUND_SUFFIXES, Speech, Waveform
from ..plugins.discovery import registry

if TYPE_CHECKING:
    from ..audio import AudioFacts

WHOLE_S = 30.0
"""A recording up to this long is one segment, unless a segmenter is named."""
WINDOW_S = 10.0
"""Windows that a longer one is cut into."""
CHUNK_S = 120.0
"""Seconds of sound that a segmenter hears at a time."""
BATCH_S = 60.0
"""Seconds of segments that are decoded before they are scored."""


class Scorer(Protocol):
    """What labelling a recording needs of a model."""

    @property
    def labels(self) -> list[str]:
        """Columns of the scores."""

    def scores(self, waveforms: Sequence[Waveform]) -> npt.NDArray[np.float32]:
        """Returns the probability of each label, shape (recordings, labels)."""


@dataclass(frozen=True)
class SegmentScores:
    """One segment of a recording."""

    start: float
    """Seconds from the recording's start."""
    end: float
    label: str | None
    """Best of `scores`; None where the model would get silence or too little sound."""
    scores: dict[str, float]
    """Empty without a label."""
    reason: str = ""
    """Why there is no label."""


@dataclass(frozen=True)
class Prediction:
    """What a model says of one recording."""

    path: Path
    seconds: float
    label: str | None
    """Best of `scores`; None where no segment has a label."""
    scores: dict[str, float]
    """Mean of the segments' scores, each weighted by its length; empty without a label."""
    segments: list[SegmentScores]
    reason: str = ""
    """Why there is no label, as the end of a sentence that begins with the path."""

    def as_json(self) -> dict[str, Any]:
        """Returns plain JSON values; scores rounded to 6 digits."""
        return {
            "file": str(self.path),
            "seconds": round(self.seconds, 3),
            "label": self.label,
            "reason": self.reason or None,
            "scores": _rounded(self.scores),
            "segments": [
                {
                    "start": round(s.start, 3),
                    "end": round(s.end, 3),
                    "label": s.label,
                    "reason": s.reason or None,
                    "scores": _rounded(s.scores),
                }
                for s in self.segments
            ],
        }


def predict_file(
    model: Scorer, path: Path, segmenter: Segmenter[Any] | str | None = None
) -> Prediction:
    """Labels one recording; see `SERModel.predict`."""
    from ..audio import decode

    facts = _facts(path)
    seconds = facts.seconds
    reason = _too_short(0.0, seconds) or facts.silent
    if reason:
        return Prediction(path, seconds, None, {}, [], reason)
    cutter = registry().create("segmenter", segmenter) if isinstance(segmenter, str) else segmenter
    segments: list[SegmentScores] = []
    spans = _spans(path, seconds, cutter)
    while batch := _take(spans):
        reasons = [
            "is silent" * facts.silent_in(span.start, span.end) or _too_short(span.start, span.end)
            for span in batch
        ]
        heard = [span for span, why in zip(batch, reasons, strict=True) if not why]
        sounds = [decode(path, span.start, span.end) for span in heard]
        named = iter(_named(model, heard, model.scores(sounds)) if heard else [])
        segments += [
            SegmentScores(span.start, span.end, None, {}, why) if why else next(named)
            for span, why in zip(batch, reasons, strict=True)
        ]
    labelled = [s for s in segments if s.label is not None]
    if not labelled:
        reason = "has silent segments only" if segments else "has no speech for the segmenter"
        return Prediction(path, seconds, None, {}, segments, reason)
    weights = np.array([s.end - s.start for s in labelled])
    values = np.array([list(s.scores.values()) for s in labelled])
    mean = (values * weights[:, None]).sum(0) / weights.sum()
    scores = dict(zip(model.labels, mean.tolist(), strict=True))
    return Prediction(path, seconds, model.labels[int(mean.argmax())], scores, segments)


def duration(path: Path) -> float:
    """Returns a recording's length in seconds, as `inspect` and `decode` find it.

    Raises:
        DataError: the file cannot be read as audio.
    """
    return _facts(path).seconds


def _facts(path: Path) -> AudioFacts:
    from ..audio import inspect

    facts = inspect(path)
    if facts.problem:
        raise DataError(f"{path} {facts.problem}.")
    return facts


def _too_short(start: float, end: float) -> str:
    """Says that a span is too short for a label; empty if it is not."""
    from ..audio.check import SHORTEST

    length = end - start
    return f"lasts {length:.3f} s, shorter than {SHORTEST} s" if length < SHORTEST else ""


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
            inside = sorted(p for p in path.rglob("*") if p.suffix.lower() in SOUND_SUFFIXES)
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
    model: Scorer, spans: Sequence[Span], scores: npt.NDArray[np.float32]
) -> list[SegmentScores]:
    return [
        SegmentScores(
            span.start,
            span.end,
            model.labels[int(row.argmax())],
            dict(zip(model.labels, row.tolist(), strict=True)),
        )
        for span, row in zip(spans, scores, strict=True)
    ]


def _rounded(scores: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 6) for name, value in scores.items()}
