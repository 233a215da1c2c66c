"""Scores of weak labels as sums over speakers, and their paired differences."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from sklearn.metrics import cohen_kappa_score, recall_score

from lanser_bench.evaluation import label_quality as quality
from lanser_bench.evaluation.agreement import GROUPS
from lanser_bench.evaluation.label_quality import LabelRows, QualitySums

GOLD = ("calm", "glad", "sad")
K = len(GOLD)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(3)


def rows(rng: np.random.Generator, n: int, right: float = 0.6) -> LabelRows:
    gold = np.arange(n) // 20 % K
    answer = np.where(rng.random(n) < right, gold, rng.integers(0, K, n))
    answer[rng.random(n) < 0.1] = -1
    scores = rng.dirichlet(np.ones(K), n)
    shares = np.eye(K)[gold]
    return LabelRows(answer, gold, answer, quality.distances(scores, None, answer >= 0, shares))


def sums(own: LabelRows, units: list[str]) -> QualitySums:
    return quality.label_sums(own, units, GOLD, GOLD)


def values(found: QualitySums) -> dict[str, float]:
    return {n: float(s.value(s.sums.sum(0))) for n, s in quality.statistics(found).items()}


def test_scores_equal_their_references(rng: np.random.Generator) -> None:
    own = rows(rng, 500)
    units = quality.units_of([f"s{i % 9}" for i in range(500)])
    found = values(sums(own, units))
    wrong = np.where(own.answer < 0, K, own.answer)
    assert found["uar"] == pytest.approx(
        recall_score(own.gold, wrong, average="macro", labels=range(K))
    )
    assert found["kappa"] == pytest.approx(cohen_kappa_score(own.gold, wrong))
    assert found["coverage"] == pytest.approx((own.given >= 0).mean())


def test_distances_equal_scipy_and_an_abstention_is_uniform(rng: np.random.Generator) -> None:
    scores, shares = rng.dirichlet(np.ones(2), 6), rng.dirichlet(np.ones(K), 6)
    shares[5] = 0
    matrix = np.array([[1.0, 0, 0], [0, 0.5, 0.5]])
    answered = np.array([True, True, True, True, False, True])
    found = quality.distances(scores, matrix, answered, shares)
    p = scores @ matrix
    p[4] = 1 / K
    for i in range(5):
        assert found[i, 0] == pytest.approx(jensenshannon(p[i], shares[i], base=2) ** 2)
        assert found[i, 1] == pytest.approx(((p[i] - shares[i]) ** 2).sum())
    assert np.isnan(found[5]).all()


def test_rows_without_speakers_are_independent_groups(rng: np.random.Generator) -> None:
    units = quality.units_of(["s1", *[None] * 4999])
    assert len(set(units)) == GROUPS
    # The error over groups is that over rows.
    right = rng.random(5000) < 0.3
    own = LabelRows(np.where(right, 0, -1), np.zeros(5000, int), right - 1, np.full((5000, 2), 0.5))
    coverage = quality.statistics(sums(own, units))["coverage"]
    error = quality.Contrast([quality.Side([coverage], drawn=False)], [1.0]).error
    assert error == pytest.approx((0.3 * 0.7 / 5000) ** 0.5, rel=0.15)


def test_differences_are_paired_by_unit_and_the_sign_is_new_minus_old(
    rng: np.random.Generator,
) -> None:
    units = [f"s{i % 20:02d}" for i in range(1000)]
    old = rows(rng, 1000, 0.7)
    new = replace(old, answer=np.where(rng.random(1000) < 0.1, 0, old.answer))
    found = quality.quality_differences(sums(new, units), sums(old, units))
    before, after = values(sums(old, units)), values(sums(new, units))
    assert list(found) == ["uar", "kappa", "coverage", "never_given", "jsd", "brier"]
    for name in ("uar", "kappa", "jsd"):
        assert found[name].value == pytest.approx(after[name] - before[name])
    assert found["uar"].value < 0
    assert found["jsd"].value == 0
    # Pairing removes what speakers have in common.
    alone = [quality.Contrast([side], [1.0]).error for side in found["uar"].sides]
    assert found["uar"].error < 0.7 * float(np.hypot(*alone))


def test_a_label_that_is_never_given_any_more_is_a_loss_with_its_share(
    rng: np.random.Generator,
) -> None:
    units = [f"s{i % 10}" for i in range(400)]
    old = rows(rng, 400)
    given = np.where(old.given == 2, 1, old.given)
    a, b = sums(replace(old, given=given), units), sums(old, units)
    assert quality.never_given(a) == ["sad"]
    assert quality.never_given(b) == []
    lost = quality.quality_differences(a, b)["never_given"]
    assert lost.value == pytest.approx(-(old.given == 2).mean())
    assert (lost.p_value() or 1) < 0.001
    assert quality.quality_differences(b, a)["never_given"].value == pytest.approx(-lost.value)


def test_what_cannot_be_paired_is_said(rng: np.random.Generator) -> None:
    units = [f"s{i % 10}" for i in range(100)]
    own = rows(rng, 100)
    a = sums(own, units)
    assert quality.unpaired(a, sums(replace(own, answer=own.answer * 0), units)) is None
    other = sums(own, [u.replace("s0", "x0") for u in units])
    assert "10 and 10, 9 of them in both" in str(quality.unpaired(a, other))
    moved = sums(replace(own, gold=(own.gold + 1) % K), units)
    assert "gold labels" in str(quality.unpaired(a, moved))
    renamed = replace(a, gold=("a", "b", "c"))
    assert "calm, glad, sad and a, b, c" in str(quality.unpaired(renamed, a))


def test_word_errors_are_summed_over_speakers() -> None:
    words = np.array([[1, 4], [0, 6], [3, 5]])
    found = quality.error_sums(["a", "b", "a"], words, 2 * words)
    assert found.parts["words"].tolist() == [[4, 9], [0, 6]]
    assert values(found) == pytest.approx({"wer": 4 / 15, "cer": 4 / 15})


def test_null_pairs_of_labelings_raise_few_alarms() -> None:
    """`tests/benchmarks/gate_simulation.py --labels` prints more pairs and all scores."""
    rng = np.random.default_rng(5)
    units = [f"s{i % 12:02d}" for i in range(480)]
    alarms = dict.fromkeys(quality.SCALES, 0)
    for _ in range(60):
        pair = [sums(rows(rng, 480), units) for _ in range(2)]
        for name, contrast in quality.quality_differences(*pair).items():
            alarms[name] += (contrast.p_value() or 1.0) <= 0.05
    assert max(alarms.values()) <= 8  # of 60 at 5 %: P(> 8) = 0.003
