from __future__ import annotations

import numpy as np
import pytest

from lanser_bench.evaluation.efficiency import softmax
from lanser_bench.evaluation.linear import Regressions, principal_axes
from lanser_bench.evaluation.selection import class_weights


def problem(n: int, d: int, K: int, seed: int = 0, signal: float = 0.7):
    rng = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(K), rng.integers(0, K, n - K)])
    mixing = rng.standard_normal((d, d)) * np.exp(-np.arange(d) / 20)[:, None]
    rows = rng.standard_normal((n, d)) + signal * rng.standard_normal((K, d))[labels]
    rows = rows @ mixing
    return (rows - rows.mean(0)) / rows.std(0), labels


@pytest.mark.parametrize(("n", "d", "K"), [(200, 20, 4), (60, 120, 6), (30, 40, 8)])
@pytest.mark.parametrize("balanced", [False, True])
def test_coefficients_equal_scikit_learn_at_equal_strength(n, d, K, balanced) -> None:
    from sklearn.linear_model import LogisticRegression

    rows, labels = problem(n, d, K)
    strengths = [1e-3, 1e-2, 1e-1, 1.0]
    axes = principal_axes(rows)
    weights = class_weights(labels, np.ones(n, bool), K, balanced)
    fit = Regressions((rows @ axes)[None], labels, weights[:, None], K).fit(strengths)
    assert fit.converged.all()
    for index, strength in enumerate(strengths):
        other = LogisticRegression(
            C=strength, tol=1e-9, max_iter=10_000, class_weight="balanced" if balanced else None
        ).fit(rows, labels)
        ours = (axes @ fit.coef[0, 0, index]).T
        assert np.abs(ours - other.coef_).max() <= 1e-3 * np.abs(other.coef_).max()
        logits = rows @ ours.T + fit.intercept[0, 0, index]
        assert (logits.argmax(1) == other.predict(rows)).mean() > 0.995
        assert np.abs(fit.intercept[0, 0, index] - other.intercept_).max() < 1e-3 * max(
            1.0, np.abs(other.intercept_).max()
        )


def test_with_two_labels_the_strength_is_half_of_scikit_learns() -> None:
    from sklearn.linear_model import LogisticRegression

    rows, labels = problem(80, 10, 2)
    fit = Regressions(rows[None], labels, np.ones((80, 1)), 2).fit([0.05])
    other = LogisticRegression(C=0.1, tol=1e-9, max_iter=10_000).fit(rows, labels)
    difference = fit.coef[0, 0, 0, :, 1] - fit.coef[0, 0, 0, :, 0]
    assert difference == pytest.approx(other.coef_[0], rel=1e-3, abs=1e-5)


def test_problems_of_a_batch_do_not_move_each_other() -> None:
    rows, labels = problem(90, 15, 3)
    masks = np.stack([np.arange(90) % 3 != g for g in range(3)], axis=1).astype(float)
    masks[:5, 0] = 0  # folds of different sizes
    together = Regressions(rows[None], labels, masks, 3).fit([0.1, 1.0, 10.0])
    for f, mask in enumerate(masks.T):
        kept = mask > 0
        for s, strength in enumerate([0.1, 1.0, 10.0]):
            alone = Regressions(rows[kept][None], labels[kept], np.ones((kept.sum(), 1)), 3)
            coef = alone.fit([strength]).coef
            assert together.coef[:, f, s] == pytest.approx(coef[:, 0, 0], rel=1e-3, abs=1e-5)


def test_separable_rows_converge_at_weak_penalties() -> None:
    rows, labels = problem(40, 100, 4, signal=3.0)
    fit = Regressions(rows[None], labels, np.ones((40, 1)), 4).fit([1.0, 1e4])
    assert fit.converged.all()
    assert np.isfinite(fit.coef).all()


def test_float32_ranks_as_float64() -> None:
    rows, labels = problem(150, 60, 5)
    fits = [
        Regressions(rows[None], labels, np.ones((150, 1)), 5, dtype).fit([1e-3, 1e-1, 1], tolerance)
        for dtype, tolerance in ((np.float32, 1e-2), (np.float64, 1e-6))
    ]
    logits = [rows @ fit.coef[0, 0] + fit.intercept[0, 0, :, None] for fit in fits]
    same = logits[0].argmax(-1) == logits[1].argmax(-1)
    assert same.mean() > 0.98


def test_layers_are_fitted_side_by_side() -> None:
    one, labels = problem(70, 12, 3, seed=1)
    two = problem(70, 12, 3, seed=2)[0]
    data = Regressions(np.stack([one, two]), labels, np.ones((70, 1)), 3)
    both, second = data.fit([0.1]), data.fit([0.1], layers=np.array([1]))
    for index, rows in enumerate((one, two)):
        alone = Regressions(rows[None], labels, np.ones((70, 1)), 3).fit([0.1])
        assert both.coef[index] == pytest.approx(alone.coef[0], rel=1e-3, abs=1e-5)
    assert second.coef[0] == pytest.approx(both.coef[1], rel=1e-9)


@pytest.mark.parametrize(("n", "d"), [(30, 80), (80, 30)])
def test_principal_axes_keep_all_products(n: int, d: int) -> None:
    rows = np.random.default_rng(0).standard_normal((n, d))
    rows -= rows.mean(0)
    axes = principal_axes(rows)
    assert axes.shape[1] <= min(n - 1 if n <= d else d, d)
    assert axes.T @ axes == pytest.approx(np.eye(axes.shape[1]), abs=1e-8)
    turned = rows @ axes
    assert turned @ turned.T == pytest.approx(rows @ rows.T, abs=1e-8)


@pytest.mark.parametrize("K", [2, 4])
def test_distributions_are_learnt_as_rows_repeated_with_weights(K: int) -> None:
    from sklearn.linear_model import LogisticRegression

    n = 120
    rows, _ = problem(n, 12, K)
    rng = np.random.default_rng(5)
    votes = rng.multinomial(7, np.ones(K) / K, n) / 7
    weights = rng.uniform(0.5, 2, n)
    fit = Regressions(rows[None], votes, weights[:, None], K).fit([0.3], 1e-10)
    repeated = np.repeat(np.arange(n), K)
    counted = (votes * weights[:, None]).ravel()[:, None]
    repeats = Regressions(rows[repeated][None], np.tile(np.arange(K), n), counted, K)
    repeats = repeats.fit([0.3], 1e-10)
    assert fit.coef == pytest.approx(repeats.coef, abs=1e-9)
    assert fit.intercept == pytest.approx(repeats.intercept, abs=1e-9)
    other = LogisticRegression(C=0.3 * (2 if K == 2 else 1), tol=1e-12, max_iter=100_000).fit(
        rows[repeated], np.tile(np.arange(K), n), (votes * weights[:, None]).ravel()
    )
    ours = softmax(rows @ fit.coef[0, 0, 0] + fit.intercept[0, 0, 0])
    assert ours == pytest.approx(other.predict_proba(rows), abs=1e-6)


def test_one_hot_distributions_are_labels() -> None:
    rows, labels = problem(80, 10, 3)
    by_label = Regressions(rows[None], labels, np.ones((80, 1)), 3).fit([0.1])
    by_vote = Regressions(rows[None], np.eye(3)[labels], np.ones((80, 1)), 3).fit([0.1])
    assert by_vote.coef == pytest.approx(by_label.coef, abs=1e-9)
