from __future__ import annotations

import numpy as np
import pytest

from lanser_bench.evaluation.folds import Fold, make_folds
from lanser_bench.evaluation.metrics import r_squared
from lanser_bench.evaluation.ridge import cross_predict, ridge_predictions

STRENGTHS = (1e-3, 1e-1, 10.0, 1000.0)


@pytest.mark.parametrize(("n", "d"), [(40, 90), (90, 40)])
def test_predictions_equal_scikit_learn(n: int, d: int) -> None:
    from sklearn.linear_model import Ridge

    rng = np.random.default_rng(0)
    rows, targets = rng.standard_normal((n, d)), rng.standard_normal((n, 3)) + 5
    rows -= rows.mean(0)
    test = rng.standard_normal((7, d))
    found = ridge_predictions(rows, test, targets, STRENGTHS)
    for index, strength in enumerate(STRENGTHS):
        other = Ridge(alpha=strength * n).fit(rows, targets)
        assert found[index] == pytest.approx(other.predict(test), abs=1e-7)


def planted(noise: float, seed: int = 0):
    rng = np.random.default_rng(seed)
    speakers = [f"s{i}" for i in range(12) for _ in range(25)]
    n = len(speakers)
    layers = {f"layer_{i:02d}": rng.standard_normal((n, 16)) for i in range(3)}
    truth = layers["layer_01"] @ rng.standard_normal(16) / 4
    targets = np.stack([truth + noise * rng.standard_normal(n), rng.standard_normal(n)], axis=1)
    folds = make_folds(
        "k-speaker-folds", ids=[f"u{i}" for i in range(n)], speakers=speakers, labels=np.zeros(n)
    )
    return layers, targets, speakers, folds


def test_a_planted_r_squared_is_recovered_in_its_layer() -> None:
    layers, targets, speakers, folds = planted(noise=0.5)
    found = cross_predict(
        layers, targets, speakers, folds, strengths=STRENGTHS, inner_folds=3, seed=0
    )
    expected = 1 - 0.25 / targets[:, 0].var()
    scores = [
        r_squared(targets[:, t], found.predicted[:, t], found.baseline[:, t]) for t in range(2)
    ]
    assert scores[0] == pytest.approx(expected, abs=0.06)
    assert found.layers[0] == "layer_01"
    assert scores[1] < 0.05
    assert found.strengths[1] > found.strengths[0]


def test_undefined_targets_are_left_out_one_by_one() -> None:
    layers, targets, speakers, folds = planted(noise=0.5)
    holes = targets.copy()
    holes[::7, 0] = np.nan
    found = cross_predict(
        layers, holes, speakers, folds, strengths=STRENGTHS, inner_folds=3, seed=0
    )
    assert np.array_equal(np.isnan(found.predicted), np.isnan(holes))
    whole = cross_predict(
        layers, targets, speakers, folds, strengths=STRENGTHS, inner_folds=3, seed=0
    )
    assert found.predicted[:, 1] == pytest.approx(whole.predicted[:, 1])


def test_the_baseline_is_the_mean_of_the_training_side() -> None:
    layers, targets, speakers, folds = planted(noise=0.5)
    found = cross_predict(
        layers, targets, speakers, folds, strengths=STRENGTHS, inner_folds=3, seed=0
    )
    for fold in folds:
        expected = np.tile(targets[fold.train].mean(0), (len(fold.test), 1))
        assert found.baseline[fold.test] == pytest.approx(expected)


def test_test_targets_have_no_say() -> None:
    layers, targets, speakers, folds = planted(noise=0.5)
    changed = targets.copy()
    changed[folds[0].test] += 100
    one, two = (
        cross_predict(
            layers, values, speakers, folds[:1], strengths=STRENGTHS, inner_folds=3, seed=0
        )
        for values in (targets, changed)
    )
    tested = folds[0].test
    assert np.array_equal(one.predicted[tested], two.predicted[tested])


def test_other_test_rows_have_no_say_in_how_features_are_scaled() -> None:
    layers, targets, speakers, folds = planted(noise=0.5)
    first, others = folds[0].test[0], folds[0].test[1:]
    far = {name: values.copy() for name, values in layers.items()}
    for values in far.values():
        values[others] = 50 + 9 * values[others]
    one, two = (
        cross_predict(
            values, targets, speakers, folds[:1], strengths=STRENGTHS, inner_folds=3, seed=0
        )
        for values in (layers, far)
    )
    assert one.predicted[first] == pytest.approx(two.predicted[first])
    assert one.strengths == two.strengths


def test_a_nearly_constant_feature_does_not_decide_the_score() -> None:
    """A band on its floor for all training speakers and off it for a test speaker."""
    rng = np.random.default_rng(0)
    speakers = [f"s{i // 40}" for i in range(240)]
    signal = rng.standard_normal(240)
    target = signal + 0.3 * rng.standard_normal(240)
    floor = 1e-3 * rng.standard_normal(240)
    floor[200:] = 5.0
    folds = [
        Fold(
            np.flatnonzero(np.arange(240) // 40 != s),
            np.arange(40 * s, 40 * s + 40),
            np.zeros(0, int),
        )
        for s in range(6)
    ]
    result = cross_predict(
        {"layer_00": np.column_stack([signal, floor])},
        target[:, None],
        speakers,
        folds,
        strengths=(1e-3, 1e-1),
        inner_folds=3,
        seed=0,
    )
    error = np.square(result.predicted[:, 0] - target).mean()
    assert error < 0.2 * target.var()


def test_sentences_known_by_heart_are_given_the_penalty_that_new_sentences_need() -> None:
    """Each sentence has a direction of its own: nothing carries over to sentences unheard."""
    rng = np.random.default_rng(0)
    speaker, sentence = (index.ravel() for index in np.indices((8, 24)))
    layers = {"layer_00": rng.standard_normal((24, 40))[sentence]}
    target = rng.standard_normal(24)[sentence, None] + 0.1 * rng.standard_normal((192, 1))
    fold = Fold(
        np.flatnonzero((speaker < 6) & (sentence < 16)),
        np.flatnonzero((speaker >= 6) & (sentence >= 16)),
        np.zeros(0, int),
    )
    chosen = [
        cross_predict(
            layers,
            target,
            speaker.astype(str).tolist(),
            [fold],
            strengths=STRENGTHS,
            inner_folds=3,
            seed=0,
            sentences=known,
        ).strengths[0]
        for known in (None, sentence.astype(str).tolist())
    ]
    assert chosen[0] == min(STRENGTHS)
    assert chosen[1] >= 10.0
