"""Labels saved: the ratio of labels at equal scores, with its interval."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import t as student

from lanser_bench.evaluation.contrast import Side, difference
from lanser_bench.evaluation.savings import Curve, labels_saved
from lanser_bench.evaluation.statistics import Statistic, ratio_mean

LABELS = [10.0, 20.0, 40.0, 80.0, 160.0]
GROWTH = 0.05
"""Score per doubling of the labels."""


def score(hits: np.ndarray) -> Statistic:
    """A score whose speakers have these shares right, of 100 utterances each."""
    right = 100 * np.asarray(hits, float)[:, None]
    return ratio_mean(right, np.full_like(right, 100), np.ones(1))


def cell(rng: np.random.Generator, means: list[float], speakers: np.ndarray, seeds: int) -> Curve:
    """A curve: speakers and seeds differ in level and, a little, in each cell."""
    levels = 0.01 * rng.standard_normal(seeds)
    sides = [
        Side(
            [score(m + speakers + up + 0.03 * rng.standard_normal(len(speakers))) for up in levels]
        )
        for m in means
    ]
    return Curve(LABELS, sides)


def line(labels: float, factor: float = 1.0) -> float:
    return float(0.3 + GROWTH * np.log2(factor * labels / 10))


def exact(scores: list[float]) -> Curve:
    """A curve without any spread between speakers."""
    return Curve(LABELS[: len(scores)], [Side([score(np.full(6, s))], False) for s in scores])


def test_the_ratio_equals_the_case_computed_by_hand() -> None:
    other = exact([0.30, 0.38, 0.50])
    found = labels_saved(Side([score(np.full(6, 0.44))], False), 10, other)
    # 0.44 is halfway from 20 to 40 labels: 20 · √2 labels for 10.
    assert found.ratio == pytest.approx(2 * 2**0.5, abs=1e-9)
    assert found.interval == pytest.approx((found.ratio, found.ratio), abs=1e-9)
    assert (found.least, found.most) == (1, 4)


def test_a_curve_shifted_by_two_saves_half_the_labels() -> None:
    ours, theirs = (exact([line(n, factor) for n in LABELS]) for factor in (2.0, 1.0))
    ratios = [
        labels_saved(s, n, theirs).ratio for s, n in zip(ours.sides, ours.labels, strict=True)
    ]
    assert ratios[:4] == pytest.approx([2.0] * 4, abs=1e-9)
    assert ratios[4] is None
    back = [
        labels_saved(s, n, ours).ratio for s, n in zip(theirs.sides, theirs.labels, strict=True)
    ]
    assert back[0] is None
    assert back[1:] == pytest.approx([0.5] * 4, abs=1e-9)
    same = [labels_saved(s, n, ours).ratio for s, n in zip(ours.sides, ours.labels, strict=True)]
    assert same == pytest.approx([1.0] * 5, abs=1e-9)


def test_a_ratio_beyond_the_budgets_is_censored() -> None:
    other = exact([0.30, 0.38, 0.50])
    above = labels_saved(Side([score(np.full(6, 0.6))], False), 10, other)
    assert (above.ratio, above.beyond, above.interval) == (None, True, (4.0, None))
    below = labels_saved(Side([score(np.full(6, 0.2))], False), 10, other)
    assert below.interval is not None
    assert below.interval[1] == pytest.approx(1.0)
    assert (below.ratio, below.beyond, below.interval[0]) == (None, False, None)


def test_the_first_crossing_counts_where_the_curve_falls() -> None:
    other = exact([0.30, 0.40, 0.30, 0.50])
    found = labels_saved(Side([score(np.full(6, 0.35))], False), 10, other)
    assert found.ratio == pytest.approx(2**0.5, abs=1e-9)
    assert found.interval is not None
    assert found.interval[1] == pytest.approx(4 * 2**0.25, abs=1e-9)  # the last crossing


def test_the_ends_are_where_the_difference_is_just_significant() -> None:
    rng = np.random.default_rng(1)
    speakers = 0.05 * rng.standard_normal(16)
    other = cell(rng, [line(n) for n in LABELS], speakers, 4)
    mine = cell(rng, [line(n, 2) for n in LABELS], speakers, 4).sides[1]
    found = labels_saved(mine, 20, other)
    assert found.interval is not None

    def end(log_labels: float, sign: int) -> float:
        contrast = difference(mine, other.at(log_labels))
        return contrast.value + sign * contrast.half_width(0.05)

    for got, sign in zip(found.interval, (-1, 1), strict=True):
        wanted = brentq(end, np.log(10), np.log(160), args=(sign,), xtol=1e-13)
        assert got == pytest.approx(np.exp(wanted) / 20, rel=1e-9)


def test_fieller_s_interval_of_one_segment_is_the_closed_form() -> None:
    """With t's quantile instead of the bootstrap's: roots of a quadratic in the share."""
    rng = np.random.default_rng(5)
    a, low, high = (m + 0.02 * rng.standard_normal(400) for m in (0.40, 0.35, 0.45))
    other = Curve([10, 20], [Side([score(low)], False), Side([score(high)], False)])
    found = labels_saved(Side([score(a)], False), 10, other)
    d, e = a - low, high - low  # the lead is d − share · e
    cov = np.cov(d, e) / 400
    q = student.ppf(0.975, 399) ** 2
    terms = [
        e.mean() ** 2 - q * cov[1, 1],
        -2 * (d.mean() * e.mean() - q * cov[0, 1]),
        d.mean() ** 2 - q * cov[0, 0],
    ]
    assert found.interval == pytest.approx(2 ** np.sort(np.roots(terms)), rel=2e-3)
    assert found.ratio == pytest.approx(2 ** (d.mean() / e.mean()), rel=1e-9)


@pytest.mark.slow
def test_the_interval_covers_over_speakers_and_seeds() -> None:
    """True ratio 2; 60 repetitions. A large one: tests/benchmarks/savings_simulation.py."""
    covered = 0
    for trial in range(60):
        rng = np.random.default_rng(trial)
        speakers = 0.06 * rng.standard_normal(10)
        other = cell(rng, [line(n) for n in LABELS], speakers, 3)
        mine = cell(rng, [line(n, 2) for n in LABELS], speakers, 3)
        low, high = labels_saved(mine.sides[1], LABELS[1], other).interval or (9, 0)
        covered += (low or 0) <= 2 <= (high or np.inf)
    assert 0.91 <= covered / 60 <= 0.995


def test_few_speakers_get_no_interval_and_one_seed_is_marked() -> None:
    other = Curve(LABELS[:2], [Side([score(np.full(4, s))]) for s in (0.3, 0.5)])
    found = labels_saved(Side([score(np.full(4, 0.4))]), 10, other)
    assert found.interval is None
    assert found.ratio == pytest.approx(2**0.5)
    assert not found.seeds_known
