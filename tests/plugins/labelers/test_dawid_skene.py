"""Dawid & Skene's method, against an independent computation and a corpus with known truth."""

from __future__ import annotations

import numpy as np
import pytest
from lanser_bench_plugins.labelers._dawid_skene import dawid_skene, settled_votes, vote_shares


def test_one_step_is_the_formula_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    # Two members, two labels; utterances: both say 0 (twice), both say 1, they differ (0, 1).
    from lanser_bench_plugins.labelers import _dawid_skene

    monkeypatch.setattr(_dawid_skene, "ITERATIONS", 1)
    votes, counts = np.array([[0, 0], [1, 1], [0, 1]]), np.array([2, 1, 1])
    found = dawid_skene(votes, counts, 2)
    # T starts at (1, 0), (0, 1), (1/2, 1/2): π = (2.5, 1.5) / 4.
    np.testing.assert_allclose(found.prior, [0.625, 0.375])
    # Member 1 of true 0: says 0 in 2 + 1/2 of 2.5; of true 1: 0 in 1/2 of 1.5.
    np.testing.assert_allclose(found.errors[0], [[1, 0], [1 / 3, 2 / 3]])
    np.testing.assert_allclose(found.errors[1], [[0.8, 0.2], [0, 1]])
    # The third: 0.625 · 1 · 0.2 against 0.375 · 1/3 · 1, which are equal.
    np.testing.assert_allclose(found.truth[2], [0.5, 0.5], atol=1e-6)


def test_a_good_member_outvotes_two_bad_ones() -> None:
    random = np.random.default_rng(0)
    truth = random.integers(3, size=4000)
    # Members right in 90, 90, 55 and 55 % of utterances.
    votes = np.stack(
        [
            np.where(random.random(4000) < p, truth, random.integers(3, size=4000))
            for p in (0.85, 0.85, 0.3, 0.3)
        ],
        axis=1,
    ).astype(np.int16)
    votes[random.random(votes.shape) < 0.1] = -1
    settled = settled_votes(votes, 3, ["a", "b", "c", "d"])
    there = settled.rows >= 0
    right = settled.table[settled.rows].argmax(axis=1) == truth
    majority = settled.beside["majority"].table[settled.rows].argmax(axis=1) == truth
    assert right[there].mean() > majority[there].mean() + 0.02
    told = [one["accuracy"] for one in settled.facts["estimated_accuracy"]]
    actual = [(votes[:, m] == truth)[votes[:, m] >= 0].mean() for m in range(4)]
    np.testing.assert_allclose(told, actual, atol=0.03)
    assert (settled.rows < 0).tolist() == (votes < 0).all(axis=1).tolist()


def test_counting_patterns_equals_listing_utterances() -> None:
    votes = np.array([[0, 0, 1], [1, 1, 1], [2, 0, 2], [0, -1, 0]])
    many = dawid_skene(np.repeat(votes, [3, 2, 4, 1], axis=0), np.ones(10, np.int64), 3)
    few = dawid_skene(votes, np.array([3, 2, 4, 1]), 3)
    np.testing.assert_allclose(many.truth[[0, 3, 5, 9]], few.truth, atol=1e-9)


def test_nobody_s_votes_are_no_answer() -> None:
    settled = settled_votes(np.full((3, 2), -1, np.int16), 4, ["a", "b"])
    assert settled.rows.tolist() == [-1, -1, -1]
    empty = settled_votes(np.zeros((0, 2), np.int16), 4, ["a", "b"])
    assert empty.rows.shape == (0,)
    np.testing.assert_allclose(
        vote_shares(np.array([[0, 0, 1], [-1, -1, -1]]), 2), [[2 / 3, 1 / 3], [0.5, 0.5]]
    )
