from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from lanser_bench import DataError
from lanser_bench.evaluation import metrics
from lanser_bench.evaluation.contrast import Contrast, Side
from lanser_bench.evaluation.curves import area_axis, area_weights, labels_needed
from lanser_bench.evaluation.predictions import (
    Classified,
    Predicted,
    by_budget,
    classification,
    classification_score,
    difference_statistic,
    paired_difference,
    regression,
    regression_metrics,
    tallied,
)
from lanser_bench.evaluation.statistics import combine, estimate, interval, metric, ratio_mean


def classified(seed: int = 0, n_speakers: int = 10, hit: float = 0.5, draws: int = 2) -> Classified:
    rng = np.random.default_rng(seed)
    speakers = [f"s{i:02d}" for i in range(n_speakers) for _ in range(12)]
    gold = np.random.default_rng(99).integers(0, 4, len(speakers))
    gold[:4] = range(4)
    chance = rng.beta(8 * hit, 8 * (1 - hit), n_speakers).repeat(12)
    guess = rng.integers(0, 4, (draws, len(gold)))
    predicted = np.where(rng.random((draws, len(gold))) < chance, gold, guess)
    return Classified([f"u{i}" for i in range(len(gold))], speakers, gold, predicted, 4)


def predicted(seed: int = 0, n_speakers: int = 10, noise: float = 1.0) -> Predicted:
    rng = np.random.default_rng(seed)
    speakers = [f"s{i:02d}" for i in range(n_speakers) for _ in range(20)]
    truth = np.random.default_rng(99).standard_normal(len(speakers)) + 100
    guess = truth + noise * rng.standard_normal(len(speakers))
    ids = [f"u{i}" for i in range(len(speakers))]
    return Predicted(ids, speakers, truth, guess, np.full(len(speakers), truth.mean() + 0.1))


def test_sums_over_speakers_give_the_plain_scores() -> None:
    data = classified()
    found = classification(data)
    each = [metrics.scores(metrics.confusion_matrix(data.gold, row, 4)) for row in data.predicted]
    for name in ("uar", "wa", "macro_f1"):
        value = float(found[name].value(found[name].sums.sum(0)))
        assert value == pytest.approx(np.mean([getattr(s, name) for s in each]), abs=1e-12)
    values = predicted()
    truth, guess = values.truth, values.predicted
    apart = float(truth.mean() - guess.mean()) ** 2
    plain = {
        "r2": metrics.r_squared(truth, guess, values.baseline),
        "pearson": np.corrcoef(truth, guess)[0, 1],
        # Lin (1989), with population moments.
        "ccc": 2 * np.cov(truth, guess, ddof=0)[0, 1] / (truth.var() + guess.var() + apart),
    }
    for name, statistic in regression(values).items():
        assert metric(statistic).value == pytest.approx(plain[name], abs=1e-10)


def test_gradients_equal_finite_differences() -> None:
    statistics = [*classification(classified()).values(), *regression(predicted()).values()]
    statistics.append(difference_statistic(classified(1), classified(2), "macro_f1"))
    for statistic in statistics:
        totals = statistic.sums.sum(0)
        gradient = statistic.gradient(totals)
        for at in range(len(totals)):
            step = np.zeros_like(totals)
            step[at] = 1e-5 * max(1.0, abs(totals[at]))
            slope = (statistic.value(totals + step) - statistic.value(totals - step)) / (
                2 * step[at]
            )
            assert gradient[at] == pytest.approx(float(slope), rel=1e-4, abs=1e-8)


def test_no_interval_below_five_speakers() -> None:
    assert metric(classification(classified(n_speakers=4))["uar"]).interval is None
    found = metric(classification(classified(n_speakers=5))["uar"])
    assert found.interval is not None
    assert 0 <= found.interval.low < found.value < found.interval.high <= 1


def test_more_draws_are_no_more_evidence() -> None:
    one = classified(draws=1)
    copied = Classified(one.ids, one.speakers, one.gold, one.predicted.repeat(5, axis=0), 4)
    for name in ("uar", "wa", "macro_f1"):
        single, many = (metric(classification(data)[name]) for data in (one, copied))
        assert single.interval is not None
        assert many.interval is not None
        assert many.interval.low == pytest.approx(single.interval.low, abs=1e-9)


@pytest.mark.parametrize(("speakers", "low", "high"), [(5, 0.91, 0.99), (10, 0.91, 0.985)])
def test_intervals_cover_with_few_speakers(speakers: int, low: float, high: float) -> None:
    # Loose bounds for few trials; tests/benchmarks/coverage_simulation.py is the full simulation.
    rng = np.random.default_rng(0)
    hits = trials = 0
    for _ in range(400):
        chance = rng.beta(4, 3, speakers)
        sums = np.stack([rng.binomial(40, chance), np.full(speakers, 40)], axis=1).astype(float)
        from lanser_bench.evaluation.statistics import ratio_mean

        made = interval(ratio_mean(sums[:, :1], sums[:, 1:], np.ones(1)), resamples=300)
        assert made is not None
        hits += made.low <= 4 / 7 <= made.high
        trials += 1
    assert low <= hits / trials <= high


def test_pairing_sees_what_single_intervals_hide() -> None:
    a = classified(draws=1)
    better = a.predicted.copy()
    rows = np.flatnonzero(better[0] != a.gold)[::3]
    better[0, rows] = a.gold[rows]
    b = Classified(a.ids, a.speakers, a.gold, better, 4)
    difference = paired_difference(b, a)
    assert difference.interval is not None
    assert difference.value > 0
    assert difference.interval.low > 0
    single = [metric(classification(data)["uar"]).interval for data in (a, b)]
    assert single[0].high > single[1].low  # type: ignore[union-attr]
    assert paired_difference(a, b).value == pytest.approx(-difference.value)
    assert paired_difference(a, a).value == 0


def test_pairing_matches_by_id_and_compares_what_both_have() -> None:
    a, b = predicted(1, noise=0.5), predicted(2, noise=1.0)
    plain = paired_difference(a, b)
    assert plain.value > 0.2
    order = np.random.default_rng(0).permutation(len(a.ids))
    mixed = Predicted(
        [a.ids[i] for i in order],
        [a.speakers[i] for i in order],
        a.truth[order],
        a.predicted[order],
        a.baseline[order],
    )
    assert paired_difference(mixed, b).value == pytest.approx(plain.value)
    assert paired_difference(mixed, b, "pearson").value > 0


def test_unlike_predictions_are_refused() -> None:
    a, b = classified(), predicted()
    with pytest.raises(DataError, match="labels cannot be compared with predicted values"):
        paired_difference(a, b)
    with pytest.raises(DataError, match="different gold"):
        paired_difference(a, Classified(a.ids, a.speakers, (a.gold + 1) % 4, a.predicted, 4))
    other = Classified(["x"] * len(a.ids), a.speakers, a.gold, a.predicted, 4)
    with pytest.raises(DataError, match="share no utterance"):
        paired_difference(a, other)


def test_seeds_add_their_own_uncertainty() -> None:
    alike = [classification(classified(0, draws=1))["uar"]] * 3
    apart = [classification(classified(0, hit=hit, draws=1))["uar"] for hit in (0.3, 0.5, 0.7)]
    widths = []
    for statistics in (alike, apart):
        found = Contrast([Side(statistics)], [1.0]).metric()
        assert found.interval is not None
        widths.append(found.interval.high - found.interval.low)
        mean = metric(combine(statistics, [1 / 3] * 3)).value
        assert found.value == pytest.approx(mean)
    assert widths[1] > 2 * widths[0]


def test_constant_predictions_have_no_correlation() -> None:
    data = predicted()
    flat = Predicted(data.ids, data.speakers, data.truth, data.baseline, data.baseline)
    found = regression_metrics(flat)
    assert found["r2"].value == 0
    assert found["pearson"].value == 0


def test_the_area_is_the_mean_height_over_the_stated_axis() -> None:
    fractions = [0.01, 0.1, 1.0]
    assert area_weights(fractions) == pytest.approx([0.25, 0.5, 0.25])
    assert area_weights([0.01, 0.05, 0.5, 1]).sum() == pytest.approx(1)
    assert area_weights([0.5]) == pytest.approx([1])
    assert "log10" in area_axis(fractions)
    assert "0.01 to 1" in area_axis(fractions)


def test_labels_needed_is_right_censored() -> None:
    scores, labels, fractions = [0.2, 0.4, 0.6], [10, 100, 1000], [0.01, 0.1, 1.0]
    found = labels_needed(0.5, scores, labels, fractions)
    assert found.n_labels == pytest.approx(10**2.5)
    assert found.fraction == pytest.approx(10**-0.5)
    never = labels_needed(0.7, scores, labels, fractions)
    assert never.n_labels is None
    assert never.censored_at == 1000
    assert labels_needed(0.1, scores, labels, fractions).n_labels == 10


def test_a_class_without_gold_has_no_part_in_uar() -> None:
    data = classified()
    gold = np.where(data.gold == 2, 1, data.gold)
    found = classification(replace(data, gold=gold))
    each = [metrics.scores(metrics.confusion_matrix(gold, row, 4)) for row in data.predicted]
    for name in ("uar", "wa", "macro_f1"):
        value = float(found[name].value(found[name].sums.sum(0)))
        assert value == pytest.approx(np.mean([getattr(s, name) for s in each]), abs=1e-12)


def test_the_error_of_a_plain_mean_is_that_of_the_textbook() -> None:
    values = np.random.default_rng(0).standard_normal((9, 1))
    mean = ratio_mean(values, np.ones((9, 1)), np.ones(1))
    _, error = estimate(mean, np.ones((1, 9)))
    assert error[0] / 9 == pytest.approx(values.std(ddof=1) / 3 / 9)


def test_ratios_over_the_same_denominators_are_added_up_and_nothing_changes() -> None:
    rng = np.random.default_rng(5)
    bottom, other = rng.integers(0, 6, (2, 9, 4)).astype(float)
    shares = np.array([0.5, 0.25, 0.25, 0.0])
    parts = [ratio_mean(bottom * rng.random((9, 4)), bottom, shares) for _ in range(3)]
    parts.append(ratio_mean(other * rng.random((9, 4)), other, shares))
    weights = [0.5, 0.25, 0.25, -1.0]
    merged = combine(parts, weights)
    plain = combine([replace(part, ratios=None) for part in parts], weights)
    assert (merged.sums.shape[1], plain.sums.shape[1]) == (16, 32)
    drawn = rng.multinomial(9, np.full(9, 1 / 9), size=50).astype(float)
    for ours, theirs in zip(estimate(merged, drawn), estimate(plain, drawn), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)
    assert merged.bounds == plain.bounds


def test_counts_of_rows_give_the_scores_of_their_predictions() -> None:
    rng = np.random.default_rng(2)
    n, draws, k = 60, 3, 4
    ids, speakers = [f"u{i:02d}" for i in range(n)], [f"s{i % 7}" for i in range(n)]
    gold, predicted = rng.integers(k, size=n), rng.integers(k, size=(draws, n))
    table = pa.table(
        {
            "speaker": speakers * draws,
            "seed": np.repeat(np.arange(draws), n),
            "budget": ["100%"] * (n * draws),
            "gold": np.tile(gold, draws),
            "predicted": predicted.ravel(),
        }
    )
    (counted,) = by_budget(*tallied(table, k)).values()
    whole = classification(Classified(ids, speakers, gold, predicted, k))
    for name, expected in whole.items():
        assert metric(classification_score(counted, name)) == metric(expected)
