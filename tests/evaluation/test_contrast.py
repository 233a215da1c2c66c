from __future__ import annotations

import numpy as np
import pytest

from lanser_bench.evaluation.contrast import Contrast, Side, averaged, difference, holm
from lanser_bench.evaluation.results import Interval, Metric
from lanser_bench.evaluation.statistics import Statistic, combine, interval, ratio_mean


def score(hits: list[float] | np.ndarray, each: int = 100) -> Statistic:
    """A score whose speakers have these shares right."""
    hits = np.asarray(hits, float)[:, None] * each
    return ratio_mean(hits, np.full_like(hits, each), np.ones(1))


def speakers(seed: int, n: int = 12, mean: float = 0.5, spread: float = 0.1) -> np.ndarray:
    return mean + spread * np.random.default_rng(seed).standard_normal(n)


def test_one_seed_gives_the_interval_over_speakers() -> None:
    one = score(speakers(0))
    found = Contrast([Side([one])], [1.0]).metric().interval
    plain = interval(one)
    assert found is not None
    assert plain is not None
    assert (found.low, found.high) == pytest.approx((plain.low, plain.high))


def test_a_difference_is_paired_by_speaker() -> None:
    base = speakers(1, spread=0.3)
    lifted = base + 0.05 + 0.01 * np.random.default_rng(2).standard_normal(12)
    found = difference(Side([score(lifted)], drawn=False), Side([score(base)], drawn=False))
    p = found.p_value()
    assert found.value == pytest.approx(float(np.mean(lifted - base)))
    assert p is not None
    assert p < 1e-3
    apart = difference(Side([score(lifted)]), Side([score(base[::-1])])).p_value()
    assert apart is not None
    assert apart > 0.05


def test_what_differs_no_more_than_seeds_do_is_no_effect() -> None:
    base = speakers(3)
    shifts = ([0.0, 0.06, 0.12], [0.02, -0.06, -0.08])
    sides = [Side([score(base + shift) for shift in seeds]) for seeds in shifts]
    one = difference(Side(sides[0].seeds[2:]), Side(sides[1].seeds[2:]))
    assert one.p_value() == pytest.approx(1e-6)
    assert not one.seeds_known
    both = difference(*sides)
    assert both.seeds_known
    p = both.p_value()
    assert p is not None
    assert p > 0.05
    assert both.variances.seeds == pytest.approx(sum(np.var(s, ddof=1) / 3 for s in shifts))
    assert both.variances.shared == pytest.approx(0, abs=1e-12)


def test_what_speakers_and_seeds_share_is_counted_once() -> None:
    rng = np.random.default_rng(5)
    seeds = [score(0.5 + 0.1 * rng.standard_normal(4000)) for _ in range(3)]
    found = Contrast([Side(seeds)], [1.0])
    # Nothing but interaction: every speaker is drawn anew for every seed.
    assert found.variances.shared == pytest.approx(0.01 / 3 / 4000, rel=0.05)
    assert found.variances.speakers == pytest.approx(0.01 / 3 / 4000, rel=0.05)
    assert found.error**2 < 0.01 / 3 / 4000 * 4


def test_the_p_value_is_where_the_interval_touches_nought() -> None:
    a, b = score(speakers(4, mean=0.58)), score(speakers(5))
    found = difference(Side([a]), Side([b]))
    p = found.p_value()
    assert p is not None
    assert 1e-6 < p < 1
    assert found.half_width(p) == pytest.approx(abs(found.value), rel=0.01)
    same = difference(Side([a]), Side([a]))
    assert same.p_value() == 1.0
    assert same.detectable() is None


def test_rare_quantiles_grow_beyond_what_the_bootstrap_can_show() -> None:
    found = difference(Side([score(speakers(6))]), Side([score(speakers(7))]))
    widths = [found.half_width(alpha) for alpha in (0.05, 0.01, 1e-3, 1e-5)]
    assert widths == sorted(widths)
    assert widths[3] > 1.5 * widths[1]


def test_few_speakers_have_no_interval_and_no_test() -> None:
    found = difference(Side([score([0.5, 0.6, 0.7])]), Side([score([0.1, 0.2, 0.4])]))
    assert found.metric().interval is None
    assert found.p_value() is None
    assert found.detectable() is None


def test_a_stricter_family_needs_a_larger_difference() -> None:
    found = difference(Side([score(speakers(8))]), Side([score(speakers(9))]))
    one, many = found.detectable(), found.detectable(alpha=0.05 / 20)
    assert one is not None
    assert many is not None
    assert found.half_width(0.05) < one < many


def test_holm_steps_down() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_intervals_alone_are_averaged_by_the_same_rule() -> None:
    made = [
        Metric(value=v, interval=Interval(low=v - 0.05, high=v + 0.05, method="m"))
        for v in (0.4, 0.5, 0.6)
    ]
    found = averaged(made).interval
    assert found is not None
    half = (0.05**2 + (4.302653 * 0.1 / 3**0.5) ** 2) ** 0.5
    assert found.high - 0.5 == pytest.approx(half, rel=1e-6)


def test_an_interval_ends_where_the_score_does() -> None:
    high = Interval(low=0.9, high=1.0, method="m")
    found = averaged([Metric(value=v, interval=high) for v in (0.91, 0.99)]).interval
    assert found is not None
    assert found.high == 1.0
    wide = averaged([Metric(value=v, interval=high) for v in (0.91, 0.99)], (-np.inf, np.inf))
    assert wide.interval is not None
    assert wide.interval.high > 1


def test_a_mean_keeps_the_bounds_of_its_parts_and_a_difference_has_both() -> None:
    sums = np.ones((6, 1))
    part = Statistic(sums, lambda t: t[..., 0], np.ones_like, bounds=(0.0, 1.0))
    assert combine([part, part], [0.5, 0.5]).bounds == (0.0, 1.0)
    assert combine([part, part], [1.0, -1.0]).bounds == (-1.0, 1.0)
    unbounded = Statistic(sums, part.value, part.gradient)
    assert combine([part, unbounded], [1.0, 0.0]).bounds == (0.0, 1.0)


def test_a_loss_is_as_significant_as_a_gain() -> None:
    high, low = (Side([score(speakers(seed, mean=m))]) for seed, m in ((0, 0.7), (1, 0.5)))
    gain, loss = difference(high, low), difference(low, high)
    assert gain.value == -loss.value > 0.1
    assert gain.p_value() == pytest.approx(loss.p_value())
    assert gain.p_value() < 0.01
