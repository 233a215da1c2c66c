from __future__ import annotations

import numpy as np
import pytest

from lanser_bench.evaluation.classes import (
    PredictedClasses,
    chance,
    class_hits,
    class_statistics,
    cross_classify,
)
from lanser_bench.evaluation.folds import Fold
from lanser_bench.evaluation.statistics import metric

RNG = np.random.default_rng(3)
SPEAKERS = [f"s{i // 30}" for i in range(240)]


def guessed(truth: list[str], right: float, names: str) -> list[str]:
    keep = RNG.random(len(truth)) < right
    return [
        t if k else names[i]
        for t, k, i in zip(truth, keep, RNG.integers(0, len(names), len(truth)), strict=True)
    ]


def value(found: object) -> float:
    return metric(found).value  # type: ignore[arg-type]


def test_uar_is_scikit_learns_in_each_stratum_averaged() -> None:
    from sklearn.metrics import recall_score

    strata = ["one" if i % 3 else "two" for i in range(240)]
    truth = ["abcd"[i % (2 if s == "two" else 4)] for i, s in enumerate(strata)]
    predicted = guessed(truth, 0.5, "abcd")
    data = PredictedClasses([str(i) for i in range(240)], SPEAKERS, strata, truth, predicted)
    hits = class_hits(data)
    found = class_statistics(hits)
    expected = []
    for name in ("one", "two"):
        own = [i for i, s in enumerate(strata) if s == name]
        t, p = ([side[i] for i in own] for side in (truth, predicted))
        expected.append(recall_score(t, p, labels=sorted(set(t)), average="macro"))
    assert value(found["uar"]) == pytest.approx(np.mean(expected), abs=1e-12)
    assert chance(hits) == pytest.approx((1 / len({*"abcd"}) + 1 / 2) / 2)
    assert metric(found["uar"]).interval is not None


def test_where_speakers_are_the_classes_their_recalls_vary() -> None:
    from sklearn.metrics import recall_score

    predicted = guessed(SPEAKERS, 0.6, "x")
    everyone = [""] * len(SPEAKERS)
    data = PredictedClasses(list(map(str, range(240))), SPEAKERS, everyone, SPEAKERS, predicted)
    found = metric(class_statistics(class_hits(data))["uar"])
    recalls = recall_score(SPEAKERS, predicted, labels=sorted(set(SPEAKERS)), average=None)
    assert found.value == pytest.approx(np.mean(recalls))
    assert found.interval is not None
    # About t on eight recalls: not the zero that sums of each class alone would give.
    half = found.interval.high - found.value
    assert half == pytest.approx(2.36 * np.std(recalls, ddof=1) / 8**0.5, rel=0.5)


def test_planted_classes_are_found_in_their_layer_and_in_no_other() -> None:
    from sklearn.metrics import balanced_accuracy_score

    labels = np.arange(240) % 3
    labels[::17] = -1
    held = 2 * np.eye(3)[labels] + RNG.standard_normal((240, 3))
    layers = {"a": RNG.standard_normal((240, 5)), "b": held, "c": RNG.standard_normal((240, 2))}
    group = np.arange(240) // 30 % 4
    none = np.zeros(0, np.int64)
    folds = [Fold(np.flatnonzero(group != g), np.flatnonzero(group == g), none) for g in range(4)]
    found = cross_classify(
        layers, labels, SPEAKERS, folds, strengths=[0.01, 1.0, 100.0], inner_folds=3, seed=0
    )
    known = labels >= 0
    assert found.layer == "b"
    assert (found.predicted[~known] == -1).all()
    assert balanced_accuracy_score(labels[known], found.predicted[known]) > 0.75
    scores = [balanced_accuracy_score(labels[known], row[known]) for row in found.by_layer]
    assert scores[1] > 0.75
    assert max(scores[0], scores[2]) < 0.5


def test_a_training_side_of_one_class_answers_with_it() -> None:
    labels = np.array([0, 0, 0, 0, 1, 1])
    fold = Fold(np.arange(4), np.array([4, 5]), np.zeros(0, np.int64))
    found = cross_classify(
        {"a": RNG.standard_normal((6, 2))},
        labels,
        list("aabbcc"),
        [fold],
        strengths=[1.0],
        inner_folds=2,
        seed=0,
    )
    assert found.predicted.tolist() == [-1] * 4 + [0, 0]
