from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lanser_bench import DataError
from lanser_bench.evaluation.budgets import Budget, class_orders, parse_budget, subset
from lanser_bench.evaluation.folds import Fold, group_speakers, make_folds, split_hash

corpora = st.tuples(st.integers(2, 12), st.integers(1, 12), st.integers(1, 6), st.integers(0, 1000))


def corpus(shape: tuple[int, int, int, int]) -> tuple[list[str], list[str | None], np.ndarray]:
    n_speakers, per_speaker, K, seed = shape
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, per_speaker + 1, n_speakers)
    speakers: list[str | None] = [f"s{i}" for i, size in enumerate(sizes) for _ in range(size)]
    rng.shuffle(speakers)  # type: ignore[arg-type]
    ids = [f"u{i:04d}" for i in range(len(speakers))]
    return ids, speakers, rng.integers(0, K, len(ids))


@settings(deadline=None, max_examples=40)  # a loaded machine is not a failure
@given(corpora, st.sampled_from(["k-speaker-folds", "leave-one-speaker-out"]), st.integers(2, 6))
def test_no_speaker_is_on_two_sides_and_each_utterance_is_tested_once(shape, protocol, k) -> None:
    ids, speakers, labels = corpus(shape)
    k = min(k, len(set(speakers)))
    folds = make_folds(protocol, ids=ids, speakers=speakers, labels=labels, seed=shape[3], k=k)
    assert len(folds) == (k if protocol == "k-speaker-folds" else len(set(speakers)))
    for fold in folds:
        assert not {speakers[p] for p in fold.train} & {speakers[p] for p in fold.test}
        assert len(fold.test)
        assert sorted([*fold.train, *fold.test]) == list(range(len(ids)))
    assert sorted(p for fold in folds for p in fold.test) == list(range(len(ids)))


@settings(deadline=None, max_examples=40)  # a loaded machine is not a failure
@given(corpora)
def test_folds_do_not_depend_on_the_order_of_rows(shape) -> None:
    ids, speakers, labels = corpus(shape)
    k = min(3, len(set(speakers)))
    order = np.random.default_rng(1).permutation(len(ids))
    hashes = set()
    for at in (range(len(ids)), order):
        moved = [ids[p] for p in at]
        folds = make_folds(
            "leave-one-speaker-out",
            ids=moved,
            speakers=[speakers[p] for p in at],
            labels=labels[list(at)],
            k=k,
        )
        hashes.add(split_hash(moved, folds))
    assert len(hashes) == 1


def test_class_counts_are_balanced_over_folds() -> None:
    # Half the speakers are always angry: a careless split would put them together.
    speakers = [f"s{i:02d}" for i in range(20) for _ in range(10)]
    labels = np.array([i < 10 for i in range(20) for _ in range(10)], int)
    group = group_speakers(speakers, labels, 5, seed=0)
    for g in range(5):
        assert (group == g).sum() == 40
        assert labels[group == g].mean() == 0.5


def test_seeds_give_other_folds() -> None:
    speakers = [f"s{i}" for i in range(10)]
    groups = {tuple(group_speakers(speakers, np.zeros(10), 5, seed)) for seed in range(6)}
    assert len(groups) > 1


def test_explicit_splits_are_taken_as_they_are() -> None:
    splits = ["train", "train", "validation", "test", None]
    fold = make_folds(
        "split", ids=list("abcde"), speakers=list("11234"), labels=np.zeros(5), splits=splits
    )[0]
    assert [list(part) for part in (fold.train, fold.dev, fold.test)] == [[0, 1], [2], [3]]


@pytest.mark.parametrize(
    ("protocol", "speakers", "sentence"),
    [
        ("k-speaker-folds", ["a"] * 6, "at least 2 speakers; there is 1 .*pre-train on"),
        ("leave-one-speaker-out", ["a"] * 6, "at least 2 speakers"),
        ("k-speaker-folds", list("aabbcc"), "5 speaker folds .* there are 3.*Set folds to 3"),
        ("k-speaker-folds", ["a", None, "b", "c", "d", "e"], r"1 of 6 .*no speaker \(first: u1\)"),
        ("split", list("abcdef"), "Protocol 'split' needs .*found: none"),
    ],
)
def test_what_cannot_be_split_gets_a_sentence(protocol, speakers, sentence) -> None:
    with pytest.raises(DataError, match=sentence):
        make_folds(protocol, ids=[f"u{i}" for i in range(6)], speakers=speakers, labels=np.zeros(6))


@settings(deadline=None, max_examples=40)  # a loaded machine is not a failure
@given(corpora, st.lists(st.floats(0.001, 1), min_size=2, max_size=6), st.integers(0, 5))
def test_budgets_nest_and_hold_every_class(shape, fractions, draw) -> None:
    ids, _, labels = corpus(shape)
    train = np.arange(len(ids))[::2]
    orders = class_orders(ids, labels, train, seed=0, fold=1, draw=draw)
    budgets = [Budget(fraction=f) for f in sorted(fractions)]
    budgets += [Budget(per_class=k) for k in (1, 2, 5)]
    taken = [set(subset(orders, budget)) for budget in budgets]
    assert all(smaller <= larger for smaller, larger in pairwise(taken[:-3]))
    assert taken[-3] <= taken[-2] <= taken[-1] <= set(train)
    assert all({labels[p] for p in one} == set(labels[train]) for one in taken)
    assert set(subset(orders, Budget(fraction=1.0))) == set(train)
    sizes = np.unique([labels[p] for p in taken[-2]], return_counts=True)[1]
    assert sizes.max() <= 2


def test_draws_differ() -> None:
    ids, _, labels = corpus((10, 12, 3, 0))
    train = np.arange(len(ids))
    drawn = [
        tuple(subset(class_orders(ids, labels, train, 0, 0, draw), Budget(fraction=0.2)))
        for draw in range(4)
    ]
    assert len(set(drawn)) == 4


def test_what_a_budget_takes_follows_seed_fold_and_ids_and_not_the_order_of_rows() -> None:
    ids, _, labels = corpus((10, 12, 3, 0))
    train = np.arange(len(ids))

    def taken(rows: np.ndarray, seed: int = 0, fold: int = 0) -> set[str]:
        names, classes = [ids[row] for row in rows], [labels[row] for row in rows]
        orders = class_orders(names, classes, train, seed, fold, 0)
        return {names[p] for p in subset(orders, Budget(fraction=0.2))}

    assert taken(train) == taken(train[::-1])
    assert taken(train) != taken(train, seed=1)
    assert taken(train) != taken(train, fold=1)


def test_budgets_are_read() -> None:
    assert parse_budget(0.1).name == "10%"
    assert parse_budget("k=5") == Budget(per_class=5)
    assert parse_budget(0.025).name == "2.5%"
    assert parse_budget("10%") == parse_budget(0.1)


@pytest.mark.parametrize("value", [0, 1.5, -0.1, "110%", "k=0", "k=-1"])
def test_other_budgets_are_refused(value) -> None:
    from lanser_bench import SettingsError

    with pytest.raises(SettingsError, match="k=5"):
        parse_budget(value)


def test_split_hash_sees_who_is_tested() -> None:
    empty = np.empty(0, np.int64)
    one = [Fold(np.array([0]), np.array([1]), empty)]
    other = [Fold(np.array([1]), np.array([0]), empty)]
    assert split_hash(["a", "b"], one) != split_hash(["a", "b"], other)
