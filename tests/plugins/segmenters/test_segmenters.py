"""Segmenters cut where their options say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lanser_bench.errors import SettingsError
from lanser_bench.kinds import Speech
from lanser_bench.plugins.discovery import registry
from lanser_bench.testing import SegmenterSuite


class TestNone(SegmenterSuite):
    def make(self) -> Any:
        return registry().create("segmenter", "none")


class TestWindows(SegmenterSuite):
    def make(self) -> Any:
        return registry().create("segmenter", "windows", {"length_s": 7.0, "hop_s": 8.0})


class TestMergedWindows(SegmenterSuite):
    def make(self) -> Any:
        return registry().create("segmenter", "windows", {"length_s": 7.0, "tail": "merge"})


@pytest.mark.slow
class TestVAD(SegmenterSuite):
    def make(self) -> Any:
        return registry().create("segmenter", "vad")


def spans(seconds: float, **options: Any) -> list[tuple[float, float]]:
    segmenter = registry().create("segmenter", "windows", options)
    speech = Speech(np.zeros(round(seconds * 16_000), np.float32))
    return [(pytest.approx(s.start), pytest.approx(s.end)) for s in segmenter.segment(speech)]


@pytest.mark.parametrize(
    ("tail", "expected"),
    [
        ("keep", [(0, 10), (10, 20), (20, 23)]),
        ("drop", [(0, 10), (10, 20)]),
        ("merge", [(0, 10), (10, 23)]),
    ],
)
def test_the_tail_follows_its_rule(tail: str, expected: list[tuple[float, float]]) -> None:
    assert spans(23.0, length_s=10.0, tail=tail) == expected


@pytest.mark.parametrize(("tail", "count"), [("keep", 1), ("drop", 0), ("merge", 1)])
def test_a_recording_shorter_than_a_window(tail: str, count: int) -> None:
    assert spans(3.0, length_s=10.0, tail=tail) == [(0, 3)] * count


def test_a_tiny_rest_is_dropped() -> None:
    assert spans(20.3, length_s=10.0) == [(0, 10), (10, 20)]


def test_whole_windows_survive_rounding() -> None:
    assert len(spans(2.1, length_s=0.7, tail="drop")) == 3


def test_windows_may_leave_gaps_but_not_overlap() -> None:
    assert spans(9.0, length_s=2.0, hop_s=4.0) == [(0, 2), (4, 6), (8, 9)]
    with pytest.raises(SettingsError, match="utterances do not overlap"):
        spans(9.0, length_s=4.0, hop_s=2.0)


def test_none_is_trivial_and_returns_the_whole() -> None:
    segmenter = registry().create("segmenter", "none")
    assert segmenter.trivial
    (span,) = segmenter.segment(Speech(np.zeros(8_000, np.float32)))
    assert (span.start, span.end) == (0.0, 0.5)
