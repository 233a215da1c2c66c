"""Windows of one length, for recordings without pauses to cut at, or for a plain baseline."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from lanser_bench import PluginOptions, Segmenter, Span, Speech

# Starts are products of floats: a window that ends with its recording must count as whole.
ROUNDING_S = 1e-6


class Options(PluginOptions):
    """Options of `windows`."""

    length_s: float = Field(default=10.0, gt=0)
    """Length of a window in seconds."""
    hop_s: float | None = Field(default=None, gt=0)
    """From one window's start to the next one's; None for windows that touch."""
    tail: Literal["keep", "drop", "merge"] = "keep"
    """What becomes of a rest shorter than a window: its own utterance, nothing, or a part of the
    last window. A recording shorter than one window is kept by ``keep`` and ``merge``."""
    min_tail_s: float = Field(default=0.5, ge=0)
    """A rest shorter than this is dropped where rests are kept."""

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
