from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lanser_bench.evaluation import linear, selection
from lanser_bench.evaluation.budgets import parse_budget
from lanser_bench.evaluation.curves import area_weights
from lanser_bench.evaluation.efficiency import (
    Design,
    Fit,
    Labelled,
    Study,
    area,
    budget_results,
    default_warnings,
    run_design,
    run_study,
    training_labels,
)
from lanser_bench.evaluation.folds import Fold, make_folds
from lanser_bench.evaluation.selection import (
    DEFAULT_STRENGTH,
    Answer,
    Choosing,
    _balanced_loss,
    choose_and_fit,
    fold_features,
    inner_groups,
)

K, SPEAKERS, EACH = 4, 10, 16
DESIGN = Design(
    budgets=[parse_budget(b) for b in (0.05, 0.3, 1.0)],
    draws=2,
    strengths=(1e-3, 1e-2, 1e-1),
    inner_folds=3,
    balanced=True,
    permute_gold=False,
    seed=0,
)


def data(seed: int = 0) -> tuple[Labelled, dict[str, np.ndarray], list]:
    """Layer 1 of 3 holds the label, behind an offset of each speaker; the others are noise."""
    rng = np.random.default_rng(seed)
    speakers = [f"s{i}" for i in range(SPEAKERS) for _ in range(EACH)]
    labels = np.tile(np.arange(EACH) % K, SPEAKERS)
    noise = {f"layer_{i:02d}": rng.standard_normal((len(labels), 12)) for i in range(3)}
    planted = rng.standard_normal((K, 12))[labels] + rng.standard_normal((SPEAKERS, 12)).repeat(
        EACH, 0
    )
    layers = noise | {"layer_01": planted + 0.7 * rng.standard_normal((len(labels), 12))}
    found = Labelled([f"u{i}" for i in range(len(labels))], speakers, labels, K)
    folds = make_folds("k-speaker-folds", ids=found.ids, speakers=speakers, labels=labels)
    return found, layers, folds


def test_a_planted_signal_is_found_in_its_layer() -> None:
    found, layers, folds = data()
    study = run_study(found, layers, folds, DESIGN)
    results = budget_results(study)
    assert [r.budget for r in results] == ["5%", "30%", "100%"]
    assert {score.layer for score in results[-1].folds} == {"layer_01"}
    assert results[-1].uar.value > 0.8
    assert results[-1].uar.interval is not None
    assert results[-1].uar.interval.low > 0.25 + 0.2
    assert results[0].uar.value < results[-1].uar.value
    under, axis = area(study)
    assert results[0].uar.value < under.value < results[-1].uar.value
    assert "from 0.05 to 1" in axis


def test_all_labels_are_fitted_once_and_smaller_budgets_per_draw() -> None:
    found, layers, folds = data()
    study = run_study(found, layers, folds, DESIGN)
    assert [len(study.of(budget)) for budget in DESIGN.budgets] == [10, 10, 5]


def test_a_budget_that_takes_all_of_one_fold_only_has_every_fold_in_every_draw() -> None:
    found, layers, _ = data()
    # Speaker 0 has four times as much speech: without it a training side has fewer labels.
    many = np.flatnonzero(np.array(found.speakers) == "s0")
    at = np.concatenate([np.arange(len(found.ids)), *(many,) * 3])
    ids = [f"{found.ids[p]}-{row}" for row, p in enumerate(at)]
    wide = Labelled(ids, [found.speakers[p] for p in at], found.labels[at], K)
    layers = {name: values[at] for name, values in layers.items()}
    folds = make_folds("k-speaker-folds", ids=ids, speakers=wide.speakers, labels=wide.labels)
    design = replace(DESIGN, budgets=[parse_budget("k=40")], draws=2)
    study = run_study(wide, layers, folds, design)
    sizes = {cell.n_train == len(folds[cell.fold].train) for cell in study.cells}
    assert sizes == {True, False}
    assert len(study.cells) == 2 * len(folds)
    assert study.classified(design.budgets[0]).predicted.min() >= 0


def test_a_budget_too_small_to_choose_uses_the_declared_defaults() -> None:
    found, layers, folds = data()
    design = replace(DESIGN, budgets=[parse_budget("k=1"), parse_budget("k=8")])
    study = run_study(found, layers, folds, design)
    small = budget_results(study)[0]
    assert {(s.layer, s.strength) for s in small.folds} == {("layer_02", DEFAULT_STRENGTH)}
    warnings = default_warnings(study)
    assert len(warnings) == 1
    assert warnings[0].startswith("Budget k=1: 10 of 10")


def permutation_scores(layers, found: Labelled, folds, times: int) -> np.ndarray:
    design = replace(
        DESIGN, budgets=[parse_budget(1.0)], draws=times, permute_gold=True, strengths=(1e-2,)
    )
    study = run_study(found, {"layer_01": layers["layer_01"]}, folds, design)
    cells = study.of(design.budgets[0])
    scores = np.zeros(times)
    for draw in range(times):
        own = [cell for cell in cells if cell.draw == draw]
        gold = np.concatenate([found.labels[folds[c.fold].test] for c in own])
        guess = np.concatenate([c.answer.predicted for c in own])
        scores[draw] = np.mean([(guess[gold == c] == c).mean() for c in range(K)])
    return scores


def test_gold_permuted_within_training_speakers_falls_to_chance() -> None:
    found, layers, folds = data()
    scores = permutation_scores(layers, found, folds, 40)
    # The same features reach over .8 with the true labels.
    assert abs(scores.mean() - 1 / K) < 3.5 * scores.std(ddof=1) / np.sqrt(len(scores)) + 0.01
    assert scores.max() < 0.5


def test_gaussian_features_give_chance() -> None:
    found, _, folds = data()
    rng = np.random.default_rng(5)
    design = replace(DESIGN, budgets=[parse_budget(1.0)], draws=1)
    values = []
    for _ in range(8):
        layers = {"layer_00": rng.standard_normal((len(found.ids), 12))}
        values.append(budget_results(run_study(found, layers, folds, design))[0].uar.value)
    assert abs(np.mean(values) - 1 / K) < 0.05


def test_test_labels_have_no_say() -> None:
    found, layers, folds = data()
    fold = folds[0]
    changed = found.labels.copy()
    changed[fold.test] = (changed[fold.test] + 1) % K
    studies = [
        run_study(one, layers, [fold], DESIGN) for one in (found, replace(found, labels=changed))
    ]
    for a, b in zip(*(study.cells for study in studies), strict=True):
        assert np.array_equal(a.answer.predicted, b.answer.predicted)
        assert (a.answer.layer, a.answer.strength) == (b.answer.layer, b.answer.strength)


def test_other_test_rows_have_no_say_in_how_features_are_scaled() -> None:
    """Standardised on the training side alone: a test row is judged as if it came by itself."""
    found, layers, folds = data()
    fold = folds[0]
    far = {name: values.copy() for name, values in layers.items()}
    for values in far.values():
        values[fold.test[1:]] = 50 + 9 * values[fold.test[1:]]
    one, two = (run_study(found, values, [fold], DESIGN) for values in (layers, far))
    for a, b in zip(one.cells, two.cells, strict=True):
        assert a.answer.predicted[0] == b.answer.predicted[0]
        assert (a.answer.layer, a.answer.strength) == (b.answer.layer, b.answer.strength)
    own, other = fold_features(layers, fold), fold_features(far, fold)
    np.testing.assert_array_equal(own.train, other.train)
    np.testing.assert_allclose(own.test[:, 0], other.test[:, 0])


def test_permuted_gold_leaves_each_training_speaker_his_own_labels() -> None:
    """Permuted over all of them, the control would also lose what speakers have in common."""
    labels = np.array([0, 0, 0, 1, 2, 2, 2, 1, 3, 3, 0, 3])
    names = np.repeat(["a", "b", "c"], 4)
    found = Labelled([f"u{i}" for i in range(12)], list(names), labels, 4)
    fold = Fold(np.arange(8), np.arange(8, 12), np.empty(0, np.int64))
    design = replace(DESIGN, permute_gold=True)
    made = [training_labels(found, fold, design, 0, draw) for draw in range(20)]
    for one in made:
        for name in "ab":
            assert sorted(one[names == name]) == sorted(labels[names == name])
        assert np.array_equal(one[fold.test], labels[fold.test])
    for name in "ab":  # every speaker's labels do move, and from draw to draw
        assert len({tuple(one[names == name]) for one in made}) > 2
    assert np.array_equal(made[3], training_labels(found, fold, design, 0, 3))
    others = [training_labels(found, fold, design, 1, draw) for draw in range(20)]
    assert not np.array_equal(made, others), "each fold is permuted on its own"


def test_labels_outside_the_budget_have_no_say() -> None:
    found, layers, folds = data()
    design = replace(DESIGN, budgets=[parse_budget(0.3)], draws=1)
    study = run_study(found, layers, folds[:1], design)
    from lanser_bench.evaluation.budgets import class_orders, subset

    fold = folds[0]
    orders = class_orders(found.ids, found.labels, fold.train, design.seed, 0, 0)
    used = set(subset(orders, design.budgets[0]))
    from lanser_bench.evaluation.efficiency import learnt
    from lanser_bench.evaluation.selection import fold_features

    labels = found.labels.copy()
    for position in fold.train:
        if position not in used:
            labels[position] = (labels[position] + 1) % K
    rows = np.searchsorted(fold.train, sorted(used))
    redone = learnt(fold_features(layers, fold), labels, fold, found, rows, design)
    assert np.array_equal(redone.predicted, study.cells[0].answer.predicted)


def test_the_same_study_gives_the_same_bits() -> None:
    found, layers, folds = data()
    one, two = (budget_results(run_study(found, layers, folds, DESIGN)) for _ in range(2))
    assert one == two


def test_skipped_strengths_are_those_that_a_full_search_does_not_choose(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found, layers, folds = data()
    strengths = (1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0)
    # Where a few rows are held out, the loss over strengths may have two minima.
    design = replace(DESIGN, strengths=strengths, budgets=DESIGN.budgets[1:])
    fitted: list[int] = []
    fit = linear.Regressions.fit

    def counted(self: Any, strengths: list[float], *others: Any, **more: Any) -> linear.Fit:
        fitted[-1] += len(strengths) * len(others[1] if others[1:] else [0])
        return fit(self, strengths, *others, **more)

    monkeypatch.setattr(linear.Regressions, "fit", counted)
    answers = []
    for large in (0, 10**9):
        monkeypatch.setattr(selection, "LARGE", large)
        fitted.append(0)
        cells = run_study(found, layers, folds, design).cells
        answers.append([(c.answer.layer, c.answer.strength, *c.answer.predicted) for c in cells])
    assert answers[0] == answers[1]
    assert fitted[0] < 0.9 * fitted[1]


@pytest.mark.parametrize("constant", [0.0, 3.5])
def test_a_constant_layer_does_not_break_the_choice(constant: float) -> None:
    found, layers, folds = data()
    layers = {**layers, "layer_02": np.full_like(layers["layer_02"], constant)}
    results = budget_results(run_study(found, layers, folds, DESIGN))
    assert {score.layer for score in results[-1].folds} == {"layer_01"}


def test_strength_and_layer_are_chosen_on_speakers_that_were_not_fitted() -> None:
    """A layer wide enough to know every row by heart wins only where rows judge themselves."""
    rng = np.random.default_rng(0)
    speakers = [f"s{i}" for i in range(6) for _ in range(8)]
    labels = np.arange(48) % 2
    heart, signal = rng.standard_normal((48, 90)), np.zeros((48, 90))
    signal[:, 0] = 1.5 * (labels - 0.5) + rng.standard_normal(48)
    both = np.stack([(v - v.mean(0)) / np.maximum(v.std(0), 1e-9) for v in (heart, signal)])
    for order in (both, both[::-1]):
        choosing = Choosing((1e-3, 1e-1, 10.0), inner_folds=3, balanced=True, seed=0)
        best, _ = choose_and_fit(order, labels, speakers, 2, choosing)
        assert np.array_equal(order[best], both[1])


def test_inner_folds_keep_speakers_whole() -> None:
    speakers = [f"s{i}" for i in range(7) for _ in range(6)]
    group = inner_groups(speakers, np.arange(42) % 3, 3, 0)
    assert group is not None
    assert len(set(group.tolist())) == 3
    assert len(set(zip(speakers, group.tolist(), strict=True))) == 7


def test_classes_weigh_the_same_when_strengths_are_compared() -> None:
    labels = np.array([0, 0, 0, 1])
    held = np.log(np.array([[[[0.5, 0.5]]] * 3 + [[[0.9, 0.1]]]]).reshape(1, 4, 1, 2))
    expected = (-np.log(0.5) - np.log(0.1)) / 2
    assert _balanced_loss(held, labels)[0, 0] == pytest.approx(expected)


def test_the_majority_is_that_of_the_training_side() -> None:
    labels = np.array([0, 0, 1, 1, 1, 1])
    found = Labelled([f"u{i}" for i in range(6)], ["a"] * 3 + ["b"] * 3, labels, 2)
    none = np.empty(0, np.int64)
    folds = [Fold(np.arange(3), np.arange(3, 6), none), Fold(np.arange(3, 6), np.arange(3), none)]
    guess = Study(found, folds, DESIGN).majority()
    assert dict(zip(guess.ids, guess.predicted[0], strict=True)) == {
        "u0": 1,
        "u1": 1,
        "u2": 1,
        "u3": 0,
        "u4": 0,
        "u5": 0,
    }


def test_the_area_weighs_budgets_by_the_axis_it_states() -> None:
    found, layers, folds = data()
    study = run_study(found, layers, folds, DESIGN)
    scores = [result.uar.value for result in budget_results(study)]
    assert area(study)[0].value == pytest.approx(area_weights((0.05, 0.3, 1.0)) @ scores)


def test_a_training_that_draws_is_made_for_every_draw() -> None:
    """Equal labels give equal predictions only where nothing random takes part."""
    found, _, folds = data()
    design, seen = replace(DESIGN, budgets=[parse_budget(1.0)], draws=3), []

    def fit_of(number: int, fold: Fold) -> Fit:
        def fit(labels: np.ndarray, chosen: np.ndarray, draw: int) -> Answer:
            seen.append((number, draw))
            guess = np.full(len(fold.test), draw)
            return Answer(guess, "layer_00", 1.0, chosen=False)

        return fit

    study = run_design(found, folds, design, fit_of, same_for_all_draws=False)
    assert seen == [(number, draw) for number in range(len(folds)) for draw in range(3)]
    assert [cell.answer.predicted[0] for cell in study.cells] == [draw for _, draw in seen]
