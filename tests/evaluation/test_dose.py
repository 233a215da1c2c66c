"""Slopes over doses as contrasts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lanser_bench.evaluation.contrast import Contrast, Side
from lanser_bench.evaluation.dose import predicted, slope_weights, trend
from lanser_bench.evaluation.statistics import Statistic, ratio_mean

SPEAKERS = 0.5 + 0.1 * np.random.default_rng(0).standard_normal(12)
DOSES = [0.0, 0.25, 0.5, 1.0]


def side(shift: float, tilt: float = 0.0, seeds: int = 3) -> Side:
    """A cell whose seeds vary by 0.004 and whose speakers differ in what the dose does to them."""
    wobble = np.linspace(-0.004, 0.004, seeds)
    each = tilt * np.linspace(-1, 1, 12)
    return Side([score(SPEAKERS + shift + each + w) for w in wobble])


def score(hits: np.ndarray[Any, np.dtype[np.float64]]) -> Statistic:
    """The share right, of speakers with 100 utterances each."""
    right = 100 * hits[:, None]
    return ratio_mean(right, np.full_like(right, 100), np.ones(1))


def test_the_slope_is_that_of_least_squares() -> None:
    values = [0.3, 0.5, 0.45, 0.9]
    assert np.dot(slope_weights(DOSES), values) == pytest.approx(np.polyfit(DOSES, values, 1)[0])
    found = trend(DOSES, [side(v) for v in (0.0, 0.02, 0.06, 0.07)])
    assert found.value == pytest.approx(np.polyfit(DOSES, [0.0, 0.02, 0.06, 0.07], 1)[0])


def test_a_rise_of_every_speaker_is_found_and_one_of_a_few_is_not() -> None:
    alike = trend(DOSES, [side(0.1 * dose) for dose in DOSES])
    apart = trend(DOSES, [side(0.1 * dose, tilt=0.4 * dose) for dose in DOSES])
    assert alike.value == pytest.approx(apart.value)
    sure, unsure = alike.p_value(), apart.p_value()
    assert sure is not None
    assert unsure is not None
    assert sure < 0.01
    assert unsure > 0.05


def test_what_controls_gain_as_well_is_taken_away() -> None:
    ours = [side(0.1 * dose) for dose in DOSES]
    theirs = [side(0.1 * dose - 0.02) for dose in DOSES]
    assert trend(DOSES, ours, theirs).value == pytest.approx(0, abs=1e-9)
    # A control that knows no dose moves the curve and not its slope.
    fixed = trend(DOSES, ours, [side(-0.1)] * 4)
    assert fixed.value == pytest.approx(trend(DOSES, ours).value)
    assert isinstance(fixed, Contrast)


def test_doses_that_are_no_range_are_refused() -> None:
    with pytest.raises(ValueError, match="two doses"):
        slope_weights([0.5, 0.5])
    with pytest.raises(ValueError, match="to subtract"):
        trend(DOSES, [side(0)] * 4, [side(0)])


def test_the_extrapolated_score_is_that_of_closed_form_least_squares() -> None:
    logs, at = np.log2([0.5, 1.0, 2.0, 4.0]), float(np.log2(32.0))
    rng = np.random.default_rng(3)
    hits = 0.5 + 0.03 * logs[:, None] + 0.05 * rng.standard_normal((4, 12))
    controls = 0.4 + 0.05 * rng.standard_normal((4, 12))
    sides, others = ([Side([score(h)], False) for h in rows] for rows in (hits, controls))
    design = np.stack([np.ones(4), logs], axis=1)
    line = np.array([1.0, at]) @ np.linalg.inv(design.T @ design) @ design.T
    for minus, each in (((), line @ hits), (others, line @ (hits - controls))):
        found = predicted(list(logs), sides, at, minus)
        assert found.value == pytest.approx(each.mean(), abs=1e-9)
        assert found.error == pytest.approx(each.std(ddof=1) / 12**0.5, abs=1e-9)
    # A control without a dose is subtracted once.
    found = predicted(list(logs), sides, at, others[:1])
    assert found.value == pytest.approx((line @ hits - controls[0]).mean(), abs=1e-9)
    assert found.error == pytest.approx((line @ hits - controls[0]).std(ddof=1) / 12**0.5, abs=1e-9)


@pytest.mark.slow
def test_intervals_of_extrapolated_scores_grow_with_distance_and_cover() -> None:
    logs, covered, wider = [0.0, 1.0, 2.0, 3.0], 0, []
    for trial in range(200):
        rng = np.random.default_rng(trial)
        people = 0.06 * rng.standard_normal(10)
        tilts = 0.01 * rng.standard_normal(10)
        sides = []
        for x in logs:
            seeds = 0.4 + 0.03 * x + 0.01 * rng.standard_normal((3, 1))
            noise = 0.03 * rng.standard_normal((3, 10))
            sides.append(Side([score(h) for h in seeds + people + tilts * x + noise]))
        near, far = (predicted(logs, sides, at).metric().interval for at in (3.0, 7.0))
        assert near is not None
        assert far is not None
        wider.append((far.high - far.low) / (near.high - near.low))
        covered += far.low <= 0.4 + 0.03 * 7 <= far.high
    assert 0.91 <= covered / 200 <= 0.99
    assert np.mean(wider) > 1.5


def test_extrapolation_refuses_controls_at_other_doses() -> None:
    with pytest.raises(ValueError, match="4 cells and 2 to subtract"):
        predicted(DOSES, [side(0.0)] * 4, 2.0, [side(0.0)] * 2)
