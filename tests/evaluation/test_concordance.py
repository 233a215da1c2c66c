from __future__ import annotations

import numpy as np
import pytest

from lanser_bench.evaluation.budgets import Budget
from lanser_bench.evaluation.contrast import Side, difference
from lanser_bench.evaluation.dimensions import (
    Rated,
    blocks,
    ccc,
    curve_parts,
    dimension_scores,
    mean_ccc,
    mean_ratings,
    rated,
    run_ratings,
    strata,
)
from lanser_bench.evaluation.efficiency import Design, Labelled
from lanser_bench.evaluation.folds import make_folds
from lanser_bench.evaluation.statistics import metric

BUDGETS = [Budget(fraction=0.1), Budget(fraction=1.0)]
MIDDLE = np.array([4.0, 4.0])


def lin(x: np.ndarray, y: np.ndarray) -> float:
    """Lin (1989), equation 5, with the moments divided by n."""
    cross = ((x - x.mean()) * (y - y.mean())).mean()
    return float(2 * cross / (x.var() + y.var() + (x.mean() - y.mean()) ** 2))


def ratings(n: int = 90, speakers: int = 9, draws: int = 2, seed: int = 0) -> Rated:
    rng = np.random.default_rng(seed)
    truth = rng.uniform(1, 7, (n, 2))
    predicted = np.stack([0.5 * truth + rng.normal(1.5, 0.8, (n, 2)) for _ in range(draws)])
    truth[::11, 1] = np.nan
    return Rated([f"s{k % speakers}" for k in range(n)], truth, predicted.astype(np.float32))


def test_scores_equal_the_formula_of_lin_scipy_and_scikit_learn() -> None:
    from scipy.stats import pearsonr
    from sklearn.metrics import root_mean_squared_error

    data = ratings()
    for k in range(2):
        own = ~np.isnan(data.truth[:, k])
        x = data.truth[own, k]
        draws = [np.asarray(one[own, k], np.float64) for one in data.predicted]
        found = dimension_scores(data, k)
        assert found.ccc.value == pytest.approx(np.mean([lin(x, y) for y in draws]), abs=1e-9)
        r = np.mean([pearsonr(x, y).statistic for y in draws])
        assert found.pearson.value == pytest.approx(r, abs=1e-9)
        error = np.mean([root_mean_squared_error(x, y) for y in draws])
        assert found.rmse.value == pytest.approx(error, abs=1e-9)
        assert found.ccc.interval is not None
        assert found.rmse.interval is not None
        assert found.rmse.interval.low < error < found.rmse.interval.high


def test_the_mean_and_the_area_are_weighted_means_of_the_formula() -> None:
    small, large = ratings(seed=1), ratings(seed=2, draws=1)
    parts = curve_parts({"10%": 0.1, "30%": 0.3, "k=5": None}, {"10%": small, "30%": large}, "30%")

    def value(data: Rated, k: int) -> float:
        own = ~np.isnan(data.truth[:, k])
        scores = [lin(data.truth[own, k], one[own, k].astype(float)) for one in data.predicted]
        return float(np.mean(scores))

    expected = np.mean([[value(data, k) for k in range(2)] for data in (small, large)])
    assert ccc(parts, [0, 1]).value == pytest.approx(expected, abs=1e-9)
    sums = blocks(parts, [0, 1])
    again = mean_ccc(sums)
    assert float(again.value(again.sums.sum(0))) == pytest.approx(expected, abs=1e-9)
    # The weights are sums too, and a resample of as many speakers keeps them.
    drawn = np.array([3, 0, 1, 1, 0, 2, 0, 1, 1]) @ again.sums
    resampled = mean_ccc(sums[np.repeat(np.arange(9), [3, 0, 1, 1, 0, 2, 0, 1, 1])])
    assert float(again.value(drawn)) == pytest.approx(
        float(resampled.value(resampled.sums.sum(0))), abs=1e-9
    )


def test_the_gradient_of_the_error_equals_differences() -> None:
    from lanser_bench.evaluation.dimensions import _error, moments

    statistic = _error(list(moments(ratings(), 0)))
    totals = statistic.sums.sum(0)
    steps = 1e-4 * np.eye(len(totals))
    numeric = [(statistic.value(totals + s) - statistic.value(totals - s)) / 2e-4 for s in steps]
    assert statistic.gradient(totals) == pytest.approx(np.array(numeric), abs=1e-7)


def test_strata_are_the_halves_of_each_dimension() -> None:
    values = np.array([[1, 7], [2, 6], [6, 2], [7, np.nan]], float)
    assert strata(values).tolist() == [2, 0, 1, 1]


def study(noise: float, *, permute: bool = False, seed: int = 0) -> tuple[float, float]:
    """CCC at 10 % and at all labels of embeddings that are the ratings plus noise."""
    rng = np.random.default_rng(seed)
    speakers = [f"s{i}" for i in range(12) for _ in range(25)]
    truth = rng.normal(4, 1, (len(speakers), 2))
    rows = truth @ rng.standard_normal((2, 2)) * 1.0
    rows = np.hstack([truth + noise * rng.standard_normal(truth.shape), np.zeros((len(rows), 3))])
    rows[:, 2:] = rng.standard_normal((len(rows), 3))
    ids = [f"u{k}" for k in range(len(speakers))]
    groups = strata(truth)
    data = Labelled(ids, speakers, groups, int(groups.max()) + 1)
    folds = make_folds("k-speaker-folds", ids=ids, speakers=speakers, labels=groups, seed=seed, k=4)
    design = Design(BUDGETS, 2, (1e-3, 1e-1, 10.0), 3, False, permute, seed)
    noises = rng.standard_normal(rows.shape)
    done = run_ratings(data, truth, MIDDLE, {"noise": noises, "own": rows}, folds, design)
    base = dimension_scores(mean_ratings(done, truth), 0)
    assert abs(base.ccc.value) < 0.02
    scores = [ccc([(rated(done, truth, budget), 1.0)], [0, 1]) for budget in BUDGETS]
    return scores[0].value, scores[1].value


def test_planted_ratings_are_found_with_their_concordance() -> None:
    few, every = study(0.5)
    # The best linear prediction has r² = 1 / (1 + noise²), and its CCC is 2 r² / (1 + r²).
    r2 = 1 / 1.25
    assert every == pytest.approx(2 * r2 / (1 + r2), abs=0.03)
    assert few > 0.7
    assert study(0.0)[1] > 0.999


def test_ratings_permuted_within_speakers_are_not_found() -> None:
    few, every = study(0.5, permute=True)
    assert abs(few) < 0.1
    assert abs(every) < 0.05


def test_a_budget_without_ratings_of_a_dimension_predicts_the_middle() -> None:
    speakers = [f"s{i // 4}" for i in range(24)]
    truth = np.full((24, 2), np.nan)
    truth[:, 0] = np.tile([1.0, 7.0], 12)
    truth[20:, 1] = 3.0
    ids = [str(k) for k in range(24)]
    data = Labelled(ids, speakers, strata(truth), 2)
    folds = make_folds("leave-one-speaker-out", ids=ids, speakers=speakers, labels=data.labels)
    design = Design([Budget(per_class=1)], 1, (1.0,), 2, False, False, 0)
    done = run_ratings(data, truth, MIDDLE, {"x": truth[:, :1] + 0.0}, folds, design)
    last = next(cell for cell in done.cells if 20 in folds[cell.fold].test)
    assert last.answer.predicted[:, 1].tolist() == [4.0] * 4


@pytest.mark.slow
@pytest.mark.parametrize("speakers", [6, 12])
def test_intervals_of_the_mean_ccc_cover(speakers: int) -> None:
    rng = np.random.default_rng(speakers)

    def sample(n: int, each: int = 12) -> Rated:
        bias = rng.normal(0, 0.4, (n, 1, 2))
        truth = rng.normal(0, 1, (n, each, 2)) + 0.5 * bias
        predicted = 0.6 * truth + bias + rng.normal(0, 0.6, truth.shape)
        names = [f"s{k:05d}" for k in range(n) for _ in range(each)]
        return Rated(names, truth.reshape(-1, 2), predicted.reshape(1, -1, 2))

    true = ccc([(sample(20_000), 1.0)], [0, 1]).value
    hits = 0
    for _ in range(300):
        statistic = mean_ccc(blocks([(sample(speakers), 1.0)], [0, 1]))
        interval = metric(statistic, resamples=400).interval
        assert interval is not None
        hits += interval.low <= true <= interval.high
    assert 0.915 <= hits / 300 <= 0.99


def test_two_encoders_are_paired_by_speaker() -> None:
    good, same = ratings(seed=3), ratings(seed=3)
    worse = Rated(good.speakers, good.truth, good.predicted[:, ::-1].copy())
    sides = [Side([mean_ccc(blocks([(one, 1.0)], [0]))], False) for one in (good, same, worse)]
    assert difference(sides[0], sides[1]).p_value() == 1.0
    assert difference(sides[0], sides[2]).metric().value > 0.5
    p = difference(sides[0], sides[2]).p_value()
    assert p is not None
    assert p < 0.001
