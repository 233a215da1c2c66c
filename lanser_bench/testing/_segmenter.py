"""Tests of the contract of a segmenter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from ..kinds.segmenter import Span
from ..kinds.speech import SAMPLE_RATE, Speech
from ._batches import BatchSuite
from ._speech import only, tone

ROUNDING_S = 1e-3
"""How far a span may exceed its recording or overlap its neighbour, as in the segment stage."""


class SegmenterSuite(BatchSuite):
    """Inherit and write `make`; override `recordings` with real speech to check cuts."""

    anchor: ClassVar[str] = "docs/plugins/segmenter.md#rules"
    recordings: ClassVar[Sequence[Speech]] = (tone(3.0), tone(0.5, 440.0), tone(21.0, 110.0))

    def items(self) -> list[Speech]:
        """Returns the recordings, with sound and language."""
        return [only(recording, {"audio", "language"}) for recording in self.recordings]

    def full_items(self) -> Sequence[Speech]:
        """Returns the recordings with the manifest's texts and labels."""
        return self.recordings

    def run(self, plugin: Any, items: Sequence[Speech]) -> list[list[Span]]:
        """Cuts recordings; spans must be in order, inside and apart."""
        return [self._spans(plugin, recording) for recording in items]

    def _spans(self, plugin: Any, recording: Speech) -> list[Span]:
        before, seconds = 0.0, recording.seconds
        spans: Any = plugin.segment(recording)
        self.require(
            isinstance(spans, list) and all(isinstance(span, Span) for span in spans),
            f"segment() gave {spans!r:.80}.",
            "Return a list of lanser_bench.Span; an empty list where there is no speech.",
        )
        for span in spans:
            self.require(
                before - ROUNDING_S <= span.start < span.end <= seconds + ROUNDING_S,
                f"The span {span.start:g}–{span.end:g} of a recording of {seconds:g} s is empty, "
                f"outside of it, or begins before the previous span ends ({before:g}).",
                "Return spans in seconds, sorted, without overlap, cut at the recording's end.",
            )
            before = span.end
        return list(spans)

    def test_silence_and_shortness_survive(self) -> None:
        """Silence, a clip of 10 ms, a single sample and an empty clip raise no exception."""
        sizes = (SAMPLE_RATE, SAMPLE_RATE // 100, 1, 0)
        self.run(self.plugin, [Speech(np.zeros(n, np.float32), language="en") for n in sizes])

    def test_a_long_recording_survives(self) -> None:
        """Ten minutes of alternating sound and silence raise no exception."""
        sound = np.tile(np.pad(tone(4.0).samples, (0, SAMPLE_RATE)), 120)
        self.run(self.plugin, [Speech(sound)])

    def test_one_that_is_trivial_returns_the_whole(self) -> None:
        """The stage is skipped for a trivial segmenter, so it must not cut."""
        if self.plugin.trivial:
            cut = [
                number
                for number, (recording, spans) in enumerate(
                    zip(self.recordings, self._first(), strict=True)
                )
                if spans != [Span(0.0, recording.seconds)]
            ]
            self.require(
                not cut, f"It cuts recording {cut[:1]}.", "Set `trivial = False`, or do not cut."
            )
