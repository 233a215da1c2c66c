"""The risk–coverage curve: a useful confidence lies below the flat line, a useless one on it."""

from __future__ import annotations

import numpy as np
import pytest

from lanser_bench.evaluation.agreement import Units
from lanser_bench.evaluation.risk_coverage import risk_coverage

ROWS = Units("rows", None)


def test_points_and_area_are_counted_by_hand() -> None:
    right = np.array([True, False, True, False])
    found = risk_coverage(right, np.array([0.9, 0.2, 0.6, 0.4]), 5, ROWS)
    assert found.coverage == pytest.approx([0.2, 0.4, 0.6, 0.8])
    assert found.risk == pytest.approx([0, 0, 1 / 3, 0.5])
    assert found.thresholds == pytest.approx([0.9, 0.6, 0.4, 0.2])
    assert found.area.value == pytest.approx((1 / 3 + 0.5) / 4)
    assert found.overall == 0.5


def test_rows_of_equal_confidence_are_one_point() -> None:
    found = risk_coverage(np.array([True, False]), np.array([0.5, 0.5]), 2, ROWS)
    assert (found.coverage, found.risk) == ([1.0], [0.5])


@pytest.mark.parametrize("speakers", [None, 30])
def test_only_a_useful_confidence_lowers_the_area(speakers: int | None) -> None:
    rng = np.random.default_rng(0)
    sure = rng.random(3000)
    right = rng.random(3000) < sure
    units = ROWS if speakers is None else Units.of([f"s{i % speakers}" for i in range(3000)])
    useful = risk_coverage(right, sure, 3000, units).area.interval
    useless = risk_coverage(right, rng.random(3000), 3000, units).area.interval
    assert useful is not None
    assert useless is not None
    assert useful.high < 0.4 < useless.low < 0.5 < useless.high
