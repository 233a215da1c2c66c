"""Labels recordings of any length: cuts, decodes and scores them piece by piece."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
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
"""Longest recording that is a single segment, unless a segmenter is named."""
WINDOW_S = 10.0
"""Length of the windows of longer recordings."""
CHUNK_S = 120.0
"""Seconds of sound that a segmenter gets at a time."""
BATCH_S = 60.0
"""Seconds of segments that are decoded before they are scored."""


class Scorer(Protocol):
    """The part of a model that labelling a recording needs."""

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
    """Best of `scores`; None if the segment is silent or too short."""
    scores: dict[str, float]
    """Empty without a label."""
    reason: str = ""
    """Why there is no label."""


@dataclass(frozen=True)
class Prediction:
    """The labels of one recording."""

    path: Path
    seconds: float
    label: str | None
    """Best of `scores`; None if no segment has a label."""
    scores: dict[str, float]
    """Mean of the segments' scores, weighted by their lengths; empty without a label."""
    segments: list[SegmentScores]
    reason: str = ""
    """Why there is no label, as a predicate such as ``is silent``."""

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
    from ..audio.media import readable

    with readable(path) as sound:
        return replace(_predicted(model, sound, segmenter), path=path)


def _predicted(model: Scorer, path: Path, segmenter: Segmenter[Any] | str | None) -> Prediction:
    from ..audio import decode

    facts = readable_facts(path)
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
        scored = [span for span, why in zip(batch, reasons, strict=True) if not why]
        sounds = [decode(path, span.start, span.end) for span in scored]
        rows = iter(model.scores(sounds).tolist() if sounds else [])
        for span, why in zip(batch, reasons, strict=True):
            scores = {} if why else dict(zip(model.labels, next(rows), strict=True))
            best = max(scores, key=scores.__getitem__, default=None)
            segments.append(SegmentScores(span.start, span.end, best, scores, why))
    labelled = [s for s in segments if s.label is not None]
    if not labelled:
        reason = "has silent segments only" if segments else "has no speech for the segmenter"
        return Prediction(path, seconds, None, {}, segments, reason)
    weights = np.array([s.end - s.start for s in labelled])
    values = np.array([list(s.scores.values()) for s in labelled])
    mean = (values * weights[:, None]).sum(0) / weights.sum()
    scores = dict(zip(model.labels, mean.tolist(), strict=True))
    return Prediction(path, seconds, model.labels[int(mean.argmax())], scores, segments)


def readable_facts(path: Path) -> AudioFacts:
    """Returns the facts of a recording; raises `DataError` if it cannot be read as audio."""
    from ..audio import inspect

    facts = inspect(path)
    if facts.problem:
        raise DataError(f"{path} {facts.problem}.")
    return facts


def _too_short(start: float, end: float) -> str:
    """Returns why a span is too short for a label; empty if it is not."""
    from ..audio.check import SHORTEST

    length = end - start
    return f"lasts {length:.3f} s, shorter than {SHORTEST} s" if length < SHORTEST else ""


def find_audio(names: Sequence[str]) -> list[Path]:
    """Returns the recordings of files, folders and patterns, in order and without duplicates.

    A missing file is kept, so that reading it raises the error.

    Raises:
        DataError: there is no recording, or a pattern is invalid.
    """
    paths: list[Path] = []
    for name in names:
        path = Path(name)
        if path.is_dir():
            # Not `rglob`, which fails if a folder is removed meanwhile.
            found = (Path(folder, file) for folder, _, files in os.walk(path) for file in files)
            paths += sorted(file for file in found if file.suffix.lower() in SOUND_SUFFIXES)
        elif not path.exists() and any(sign in name for sign in "*?["):
            base = Path(path.anchor)
            try:
                paths += sorted(p for p in base.glob(str(path.relative_to(base))) if p.is_file())
            except ValueError as error:
                why = f"{error}. For all folders below write 'calls/**/*.wav'"
                raise DataError(f"The pattern '{name}' cannot be used: {why}.") from None
        else:
            paths.append(path)
    if not paths:
        raise DataError(
            f"No recordings in {', '.join(names)}. Name wav, flac, ogg or mp3 files, folders of "
            "them, or patterns such as 'calls/*.wav'."
        )
    return list(dict.fromkeys(paths))


def _take(spans: Iterator[Span]) -> list[Span]:
    """Returns the next spans until they last `BATCH_S` or none remains."""
    batch: list[Span] = []
    length = 0.0
    while length < BATCH_S and (span := next(spans, None)) is not None:
        batch.append(span)
        length += span.end - span.start
    return batch


def _spans(path: Path, seconds: float, segmenter: Segmenter[Any] | None) -> Iterator[Span]:
    is_whole = seconds <= WHOLE_S if segmenter is None else segmenter.trivial
    if is_whole:
        return iter([Span(0.0, seconds)])
    windows = {"length_s": WINDOW_S}
    return _cut(path, seconds, segmenter or registry().create("segmenter", "windows", windows))


def _cut(path: Path, seconds: float, segmenter: Segmenter[Any]) -> Iterator[Span]:
    """Yields a segmenter's spans, which gets one bounded chunk of sound at a time.

    A span that touches the end of a chunk may continue after it, so the next chunk begins where the
    span begins. A span that fills its chunk is cut at the end of the chunk.
    """
    from ..audio import decode

    begin = 0.0
    while begin < seconds - 1e-3:
        end = min(begin + CHUNK_S, seconds)
        last = end >= seconds - 1e-3
        cuts = segmenter.segment(Speech(decode(path, begin, end)))
        spans = [Span(begin + s.start, min(begin + s.end, seconds)) for s in cuts]
        begin = end
        if spans and not last and spans[-1].end > end - 1.0 and len(spans) > 1:
            begin = spans.pop().start
        yield from spans


def _rounded(scores: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 6) for name, value in scores.items()}
