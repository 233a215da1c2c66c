"""Scores of predicted distributions equal their references, and their intervals cover."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from sklearn.metrics import balanced_accuracy_score, brier_score_loss, f1_score

from lanser_bench.evaluation import soft
from lanser_bench.evaluation.calibration import (
    brier,
    calibration_error,
    calibration_metric,
    equal_mass,
    gap_sums,
    jensen_shannon,
)

K, RATERS = 5, 9


def world(n: int = 240, speakers: int = 12, odds: float = 1.0, seed: int = 0) -> soft.Distributions:
    """Votes are drawn from what the head knows; it states the odds to the power of `odds`."""
    rng = np.random.default_rng(seed)
    logits = 1.5 * rng.standard_normal((n, K))
    votes = rng.multinomial(RATERS, softmax(logits)) / RATERS
    names = [f"s{i % speakers:02d}" for i in range(n)]
    return soft.Distributions(names, votes, softmax(odds * logits)[None])


def softmax(logits: np.ndarray) -> np.ndarray:
    weights = np.exp(logits - logits.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True)


def test_divergence_is_scipys_squared_in_bits() -> None:
    data = world()
    p, t = data.predicted[0], data.votes
    theirs = [jensenshannon(a, b, base=2) ** 2 for a, b in zip(p, t, strict=True)]
    assert jensen_shannon(p, t) == pytest.approx(theirs, abs=1e-12)
    one = np.eye(3)
    assert jensen_shannon(one[:1], one[1:2]) == pytest.approx(1.0, abs=1e-15)
    assert jensen_shannon(one, one).tolist() == [0, 0, 0]


def test_brier_is_scikit_learns_on_rows_repeated_for_each_vote() -> None:
    data = world()
    p, t = data.predicted[0], data.votes
    rows = np.repeat(np.arange(len(t)), K)
    labels = np.tile(np.arange(K), len(t))
    theirs = brier_score_loss(
        labels, p[rows], sample_weight=t.ravel(), labels=range(K), scale_by_half=False
    )
    # A vote's distance includes what the votes differ among themselves.
    disagreement = float((1 - np.square(t).sum(1)).mean())
    assert float(brier(p, t).mean()) == pytest.approx(theirs - disagreement, abs=1e-12)
    certain = np.eye(K)[t.argmax(1)]
    hard = brier_score_loss(t.argmax(1), p, labels=range(K), scale_by_half=False)
    assert float(brier(p, certain).mean()) == pytest.approx(hard, abs=1e-12)


def test_scores_equal_their_references_over_several_draws() -> None:
    draws = [world(odds=odds) for odds in (0.7, 1.6)]
    votes = draws[0].votes
    data = soft.Distributions(
        draws[0].speakers, votes, np.concatenate([one.predicted for one in draws])
    )
    found = soft.soft_scores(data, 8)
    sets, errors, recalls, distances = [], [], [], []
    clear = (np.sort(votes, 1)[:, -1] - np.sort(votes, 1)[:, -2]) > 1e-9
    for p in data.predicted:
        sets.append(f1_score(votes > 1 / K, p > 1 / K, average="macro", zero_division=0))
        recalls.append(balanced_accuracy_score(votes[clear].argmax(1), p[clear].argmax(1)))
        distances.append(
            np.mean([jensenshannon(a, b, base=2) ** 2 for a, b in zip(p, votes, strict=True)])
        )
        order = np.argsort(p.max(1))  # no ties, so equal mass is eight groups of thirty
        error = 0.0
        for own in np.split(order, 8):
            share = np.mean([votes[i, p[i].argmax()] for i in own])
            error += len(own) / len(p) * abs(p[own].max(1).mean() - share)
        errors.append(error)
    assert found.set_f1.value == pytest.approx(np.mean(sets), abs=1e-12)
    assert found.ece.value == pytest.approx(np.mean(errors), abs=1e-12)
    assert found.uar.value == pytest.approx(np.mean(recalls), abs=1e-12)
    assert found.jsd.value == pytest.approx(np.mean(distances), abs=1e-12)


def test_a_hand_computed_calibration_error() -> None:
    confidence = np.array([[0.5, 0.5, 0.9, 0.9]])
    share = np.array([[0.25, 0.5, 1.0, 0.5]])
    sums = gap_sums(confidence, share, np.array([0, 1, 0, 1]), 2)
    # Bins {0.5, 0.5} and {0.9, 0.9}: |0.5 − 0.375| / 2 + |0.9 − 0.75| / 2.
    assert float(calibration_error(sums).value(sums.sum(0))) == pytest.approx(0.1375, abs=1e-15)
    assert calibration_metric(sums).interval is None  # two speakers


def test_equal_confidence_is_one_bin() -> None:
    assert equal_mass(np.full(50, 0.4), 10).tolist() == [0] * 50
    assert np.bincount(equal_mass(np.arange(100) / 100, 10)).tolist() == [10] * 10


def test_a_head_that_is_calibrated_by_construction_has_an_error_near_zero() -> None:
    data = world(n=6000, speakers=30)
    found = soft.soft_scores(data, 10)
    assert found.ece.value < 0.02
    assert found.ece.interval is not None
    assert found.ece.interval.low == 0
    exact = soft.soft_scores(soft.Distributions(data.speakers, data.votes, data.votes[None]), 10)
    assert (exact.jsd.value, exact.brier.value, exact.ece.value) == (0, 0, 0)
    assert exact.set_f1.value == exact.uar.value == 1


def test_an_overconfident_head_has_the_known_error() -> None:
    """It says .9 of a label that has .6 of the votes."""
    rng = np.random.default_rng(3)
    n = 4000
    votes = np.zeros((n, 2))
    votes[:, 0] = rng.binomial(RATERS, 0.6, n) / RATERS
    votes[:, 1] = 1 - votes[:, 0]
    names = [f"s{i % 20:02d}" for i in range(n)]
    data = soft.Distributions(names, votes, np.tile([0.9, 0.1], (1, n, 1)))
    found = soft.soft_scores(data, 10).ece
    assert found.value == pytest.approx(0.9 - votes[:, 0].mean(), abs=1e-12)
    assert found.interval is not None
    assert found.interval.low < 0.3 < found.interval.high
    assert found.interval.high - found.interval.low < 0.03


@pytest.mark.slow
@pytest.mark.parametrize("odds", [1.0, 1.8])
def test_intervals_of_the_calibration_error_cover(odds: float) -> None:
    """The benchmark `calibration_coverage.py` has more worlds and trials."""
    truth = soft.statistics(world(200_000, 2000, odds, seed=99), 10)["ece"]
    right = float(truth.value(truth.sums.sum(0)))
    hits = 0
    for seed in range(100):
        sums = soft.statistics(world(200, 8, odds, seed), 10)["ece"].sums
        interval = calibration_metric(sums).interval
        assert interval is not None
        hits += interval.low <= right + 1e-3 and right <= interval.high
    assert hits >= 90


def test_annotators_against_each_other_equal_an_enumeration() -> None:
    rng = np.random.default_rng(1)
    counts = rng.multinomial([2, 3, 5, 7] * 5, np.ones(3) / 3)
    votes, totals = counts / counts.sum(1, keepdims=True), counts.sum(1).astype(float)
    speakers = [f"s{i % 5}" for i in range(20)]
    found = soft.ceiling(votes, totals, speakers)
    assert found is not None
    agreement, divergence = [], []
    for row in counts:
        single = np.repeat(np.arange(3), row)
        mine = []
        for held in range(len(single)):
            rest = np.bincount(np.delete(single, held), minlength=3) / (len(single) - 1)
            one = np.eye(3)[single[held]]
            mine.append((rest[single[held]], jensenshannon(one, rest, base=2) ** 2))
        agreement.append(np.mean(mine, axis=0)[0])
        divergence.append(np.mean(mine, axis=0)[1])
    assert found.agreement.value == pytest.approx(np.mean(agreement), abs=1e-12)
    assert found.one_jsd.value == pytest.approx(np.mean(divergence), abs=1e-12)
    assert found.n_votes == pytest.approx(counts.sum() / 20)
    assert 0 < found.halves_jsd.value < found.one_jsd.value


def test_without_counts_there_is_no_ceiling() -> None:
    votes = np.array([[0.5, 0.5], [0.3, 0.7]])
    assert soft.ceiling(votes, np.array([np.nan, np.nan]), ["a", "b"]) is None
    assert soft.ceiling(votes, np.array([3.0, 1.0]), ["a", "b"]) is None  # 0.5 of 3 votes
