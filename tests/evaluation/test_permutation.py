from __future__ import annotations

import numpy as np
import pytest
from benchmarks.permutation import PermutationTest, permutation_test

from lanser_bench.evaluation.budgets import parse_budget
from lanser_bench.evaluation.efficiency import Design, Labelled, permuted_within
from lanser_bench.evaluation.folds import make_folds

SPEAKERS, EACH, K = 4, 12, 3
DESIGN = Design([parse_budget(1.0)], 1, (0.01,), 2, True, False, 0)


def task(seed: int = 0) -> tuple[Labelled, np.ndarray, np.random.Generator]:
    """Labels of which each speaker has another mixture."""
    rng = np.random.default_rng(seed)
    speakers = [f"s{i}" for i in range(SPEAKERS) for _ in range(EACH)]
    mixture = rng.dirichlet(np.full(K, 5.0), SPEAKERS)
    labels = np.concatenate([rng.choice(K, EACH, p=p) for p in mixture])
    ids = [f"u{i}" for i in range(len(labels))]
    return Labelled(ids, speakers, labels, K), labels, rng


def outcome(data: Labelled, features: np.ndarray, permutations: int) -> PermutationTest:
    folds = make_folds(
        "k-speaker-folds", ids=data.ids, speakers=data.speakers, labels=data.labels, seed=0, k=2
    )
    return permutation_test(data, {"layer": features}, folds, DESIGN, permutations=permutations)


@pytest.mark.slow
def test_features_that_hold_the_label_are_told_from_chance() -> None:
    data, labels, rng = task()
    features = np.eye(K)[labels] + 0.3 * rng.standard_normal((len(labels), K))
    found = outcome(data, features, 200)
    assert found.uar > 0.9
    assert found.p_value == pytest.approx(1 / 201)
    # Each permutation is another draw; their mean must be chance within three standard errors.
    error = found.null.std() / np.sqrt(len(found.null))
    assert abs(found.null.mean() - 1 / K) < 3 * error + 0.01


@pytest.mark.slow
def test_gaussian_features_and_speakers_alone_give_chance() -> None:
    p_values = []
    for seed in range(10):
        data, labels, rng = task(seed)
        # Who speaks is in the features, and speakers differ in their labels: still no evidence.
        voice = np.repeat(rng.standard_normal((SPEAKERS, 4)), EACH, axis=0)
        features = np.hstack([voice, rng.standard_normal((len(labels), 4))])
        p_values.append(outcome(data, features, 19).p_value)
    assert np.mean(np.array(p_values) <= 0.05) <= 0.3
    assert 0.3 < np.mean(p_values) < 0.75


def test_a_permutation_leaves_each_speaker_his_labels() -> None:
    data, labels, _ = task()
    moved = permuted_within(labels, data.speakers, np.random.default_rng(1))
    assert (moved != labels).any()
    for speaker in set(data.speakers):
        own = np.array(data.speakers) == speaker
        assert sorted(moved[own]) == sorted(labels[own])
