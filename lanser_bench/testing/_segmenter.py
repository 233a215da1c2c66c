"""Tests of the contract of a segmenter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from ..kinds.segmenter import Span
from ..kinds.speech import SAMPLE_RATE, Speech
from ._asr import tone
from ._base import PluginSuite

ROUNDING_S = 1e-3
"""How far a span may exceed its recording or overlap its neighbour, as in the segment stage."""


class SegmenterSuite(PluginSuite):
    """Inherit and write `make`; override `recordings` with real speech to check cuts."""

    recordings: ClassVar[Sequence[Speech]] = (tone(3.0), tone(0.5, 440.0), tone(21.0, 110.0))

    def use(self, plugin: Any) -> list[list[Span]]:
        """Cuts the recordings."""
        return [plugin.segment(recording) for recording in self.recordings]

    def spans(self, recording: Speech) -> list[Span]:
        """Cuts a recording and checks that spans are in order, inside and apart."""
        before, spans = 0.0, list(self.plugin.segment(recording))
        for span in spans:
            assert isinstance(span, Span)
            assert before - ROUNDING_S <= span.start < span.end, "in order and without overlap"
            assert span.end <= recording.seconds + ROUNDING_S, "inside the recording"
            before = span.end
        return spans

    def test_spans_are_in_order_inside_and_apart(self) -> None:
        """The segment stage refuses other spans."""
        for recording in self.recordings:
            self.spans(recording)

    def test_it_is_deterministic(self) -> None:
        """Cutting a recording again gives the same spans, even after other recordings."""
        first = [self.spans(recording) for recording in self.recordings]
        assert [self.spans(recording) for recording in self.recordings] == first

    def test_silence_and_shortness_survive(self) -> None:
        """Silence, a clip of 10 ms, a single sample and an empty clip raise no exception."""
        for size in (SAMPLE_RATE, SAMPLE_RATE // 100, 1, 0):
            self.spans(Speech(np.zeros(size, np.float32), language="en"))

    def test_a_long_recording_survives(self) -> None:
        """Ten minutes of alternating sound and silence raise no exception."""
        sound = np.tile(np.pad(tone(4.0).samples, (0, SAMPLE_RATE)), 120)
        assert sum(s.end - s.start for s in self.spans(Speech(sound))) <= len(sound) / SAMPLE_RATE

    def test_one_that_is_trivial_returns_the_whole(self) -> None:
        """The stage is skipped for a trivial segmenter, so it must not cut."""
        if self.plugin.trivial:
            for recording in self.recordings:
                assert self.spans(recording) == [Span(0.0, recording.seconds)]
