from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lanser_bench.evaluation import metrics


@settings(deadline=None, max_examples=40)  # a loaded machine is not a failure
@given(st.integers(2, 9), st.integers(1, 300), st.integers(0, 10**6))
def test_scores_equal_scikit_learn(K: int, n: int, seed: int) -> None:
    from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score
    from sklearn.metrics import confusion_matrix as sklearn_confusion

    rng = np.random.default_rng(seed)
    # Every class occurs, because scikit-learn warns about predicted classes without gold.
    gold = np.concatenate([np.arange(K), rng.integers(0, K, n)])
    predicted = np.where(rng.random(len(gold)) < 0.4, gold, rng.integers(0, K, len(gold)))
    counts = metrics.confusion_matrix(gold, predicted, K)
    assert np.array_equal(counts, sklearn_confusion(gold, predicted, labels=range(K)))
    found = metrics.scores(counts)
    assert found.uar == pytest.approx(balanced_accuracy_score(gold, predicted), abs=1e-12)
    assert found.wa == pytest.approx(accuracy_score(gold, predicted), abs=1e-12)
    expected = f1_score(gold, predicted, labels=range(K), average="macro", zero_division=0)
    assert found.macro_f1 == pytest.approx(expected, abs=1e-12)


def test_a_class_without_gold_has_no_recall_but_counts_in_macro_f1() -> None:
    from sklearn.metrics import f1_score

    counts = metrics.confusion_matrix([0, 0, 1, 1], [0, 0, 1, 0], 3)
    assert metrics.uar(counts) == pytest.approx((1.0 + 0.5) / 2)
    expected = f1_score(
        [0, 0, 1, 1], [0, 0, 1, 0], labels=range(3), average="macro", zero_division=0
    )
    assert metrics.macro_f1(counts) == pytest.approx(expected, abs=1e-12)


def test_labels_outside_the_set_are_refused() -> None:
    with pytest.raises(ValueError, match="0…2"):
        metrics.confusion_matrix([0, 3], [0, 0], 3)
    with pytest.raises(ValueError, match="0…2"):
        metrics.confusion_matrix([0, 1], [-1, 0], 3)


def test_r_squared_against_the_mean_equals_scikit_learn() -> None:
    from sklearn.metrics import r2_score

    rng = np.random.default_rng(0)
    truth = rng.standard_normal(50)
    predicted = truth + rng.standard_normal(50)
    baseline = np.full(50, truth.mean())
    found = metrics.r_squared(truth, predicted, baseline)
    assert found == pytest.approx(r2_score(truth, predicted), abs=1e-12)
