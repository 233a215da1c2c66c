"""Windows of equal length, for recordings without pauses, or as a plain baseline."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from lanser_bench import PluginOptions, Segmenter, Span, Speech

# Starts are products of floats: a window that ends with its recording must count as complete.
ROUNDING_S = 1e-6


class Options(PluginOptions):
    """Options of `windows`."""

    length_s: float = Field(default=10.0, gt=0)
    """Length of a window in seconds."""
    hop_s: float | None = Field(default=None, gt=0)
    """Distance between the starts of windows; null for adjacent windows."""
    tail: Literal["keep", "drop", "merge"] = "keep"
    """What to do with a remainder shorter than a window: keep it as an utterance, drop it, or merge
    it into the last window. ``keep`` and ``merge`` keep a recording shorter than a window."""
    min_tail_s: float = Field(default=0.5, ge=0)
    """With ``keep``, a shorter remainder is dropped."""

    @model_validator(mode="after")
    def _without_overlap(self) -> Options:
        if self.hop_s is not None and self.hop_s < self.length_s:
            raise ValueError("hop_s must not be below length_s: utterances do not overlap")
        return self


class Windows(Segmenter[Options]):
    """Cuts a recording into windows of a fixed length."""

    Options = Options
    version = "1"

    def segment(self, recording: Speech) -> list[Span]:
        """Returns the windows in order; the last one follows the option `tail`."""
        length, total = self.options.length_s, recording.seconds
        hop = self.options.hop_s or length
        spans: list[Span] = []
        number = 0
        while (start := number * hop) < total:
            end = min(start + length, total)
            whole = start + length <= total + ROUNDING_S
            if whole or (self.options.tail == "keep" and end - start >= self.options.min_tail_s):
                spans.append(Span(start, end))
            elif self.options.tail == "merge":
                spans[-1:] = [Span(spans[-1].start if spans else start, end)]
            number += 1
        return spans
