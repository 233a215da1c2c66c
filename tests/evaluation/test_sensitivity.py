from __future__ import annotations

import numpy as np
import pytest

from lanser_bench.evaluation.sensitivity import MARGIN, Variances, degrees, smallest


def test_without_seeds_it_is_the_power_of_a_t_test() -> None:
    from scipy.stats import ttest_1samp

    size = smallest(Variances(speakers=1.0, n_speakers=12), 0.05, 1.0, 0.9)
    drawn = np.random.default_rng(0).normal(size, 12**0.5, (12, 4000))
    found = ttest_1samp(drawn, 0.0).pvalue <= 0.05
    assert found.mean() == pytest.approx(0.9 + 0.1 * MARGIN, abs=0.015)


def test_seeds_that_vary_make_it_larger_and_more_of_them_smaller() -> None:
    plain = smallest(Variances(1.0, 18), 0.05, 1.0, 0.9)
    found = [
        smallest(Variances(1.0, 18, 1.5, (n - 1.0, n - 1.0), 2 * n - 2.0, 0.5), 0.05, 1.0, 0.9)
        for n in (2, 3, 10)
    ]
    assert found == sorted(found, reverse=True)
    assert found[-1] > plain
    assert smallest(Variances(0.0, 18), 0.05, 1.0, 0.9) == 0


def test_degrees_of_freedom_lie_between_those_of_their_parts() -> None:
    from scipy.stats import t

    one = np.ones(1)
    assert degrees(one, 18, 0 * one, 2.0, 0 * one) == pytest.approx([17])
    assert degrees(0 * one, 18, one, 2.0, 0 * one) == pytest.approx([2])
    both = degrees(one, 18, one, 2.0, 0 * one)
    assert 2 < float(both[0]) < 19
    assert degrees(0.01 * one, 18, one, 2.0, 0.99 * one) == pytest.approx([2])
    assert float(t.isf(0.025, 2)) > float(t.isf(0.025, 17))
