"""Scores of sets with different speakers are combined with one interval over all of them."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from lanser_bench.evaluation.statistics import among, combine, estimate, ratio_mean

FILE = Path(__file__).parents[1] / "benchmarks" / "transfer_coverage.py"


def test_speakers_of_other_sets_change_no_score_and_add_no_variance() -> None:
    rng = np.random.default_rng(0)
    counts = np.full((6, 3), 10.0)
    one, two = (
        ratio_mean(rng.binomial(10, 0.6, (6, 3)) * 1.0, counts, np.ones(3) / 3) for _ in "ab"
    )
    every = [f"{name}{i}" for name in "ab" for i in range(6)]
    wide = [among(s, every[at : at + 6], every) for s, at in ((one, 0), (two, 6))]
    for narrow, wider in zip((one, two), wide, strict=True):
        value, error = (x[0] for x in estimate(narrow, np.ones((1, 6))))
        again, wide_error = (x[0] for x in estimate(wider, np.ones((1, 12))))
        assert again == pytest.approx(value, abs=1e-12)
        # Both divide by n - 1, so that more speakers change the factor and nothing else.
        assert wide_error**2 * 11 / 12 == pytest.approx(error**2 * 5 / 6, abs=1e-12)
    both = combine(wide, (0.5, 0.5))
    value, error = (x[0] for x in estimate(both, np.ones((1, 12))))
    values, errors = zip(
        *((x[0] for x in estimate(s, np.ones((1, 12)))) for s in wide), strict=True
    )
    assert value == pytest.approx(np.mean(values), abs=1e-12)
    assert error == pytest.approx(np.hypot(*errors) / 2, abs=1e-12)


@pytest.mark.slow
def test_intervals_of_a_pair_and_of_the_mean_cover() -> None:
    """Loose bounds for few trials; tests/benchmarks/transfer_coverage.py is the full simulation."""
    spec = importlib.util.spec_from_file_location("transfer_coverage", FILE)
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up by name.
    import sys

    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    pair, mean, alarms = module.simulate(module.WORLDS[1], [5, 9, 12], trials=150)
    assert pair >= 0.89
    assert mean >= 0.89
    assert alarms <= 0.11
