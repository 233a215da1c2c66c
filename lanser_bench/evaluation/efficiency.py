"""The label-efficiency study: nested budgets × draws × speaker folds, with any training method."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from . import metrics
from .arrays import Floats, Ints, Layers
from .budgets import Budget, class_orders, subset
from .curves import area_axis, area_weights, labels_needed
from .folds import Fold
from .predictions import Classified, classification
from .results import BudgetResult, FoldScore, LabelsNeeded, Metric
from .selection import Answer, Choosing, FoldFeatures, choose_and_fit, fold_features
from .statistics import combine, metric

Fit = Callable[[Ints, Ints, int], Answer]
"""(labels of all utterances, positions to train on, number of the draw) → predictions of the fold's
test side."""


@dataclass(frozen=True)
class Design:
    """What a study varies, and how it chooses layer and strength."""

    budgets: Sequence[Budget]
    draws: int
    strengths: Sequence[float]
    inner_folds: int
    balanced: bool
    permute_gold: bool
    seed: int

    @property
    def choosing(self) -> Choosing:
        """Settings for choosing layer and strength."""
        return Choosing(self.strengths, self.inner_folds, self.balanced, self.seed)


@dataclass(frozen=True)
class Labelled:
    """The utterances with a single gold label."""

    ids: list[str]
    speakers: list[str]
    labels: Ints
    """Positions in the frozen label set, shape (n,)."""
    n_labels: int

    def classified(self, rows: Ints, predicted: Ints) -> Classified:
        """Returns predictions of shape (draws, utterances) at some positions, for scoring."""
        ids, speakers = [self.ids[i] for i in rows], [self.speakers[i] for i in rows]
        return Classified(ids, speakers, self.labels[rows], predicted[:, rows], self.n_labels)


@dataclass(frozen=True, slots=True)
class Cell:
    """One fold at one budget with one draw."""

    budget: Budget
    fold: int
    draw: int
    n_train: int
    answer: Answer


@dataclass
class Study:
    """All cells of a study; scores are computed from their predictions."""

    data: Labelled
    folds: Sequence[Fold]
    design: Design
    cells: list[Cell] = field(default_factory=list)

    def tested(self) -> Ints:
        """Returns the positions of the tested utterances, fold after fold."""
        return np.concatenate([fold.test for fold in self.folds])

    @property
    def largest(self) -> Budget:
        """The budget that uses most labels."""
        return max(self.design.budgets, key=lambda b: sum(c.n_train for c in self.of(b)[:1]))

    def of(self, budget: Budget) -> list[Cell]:
        """Returns the cells of one budget."""
        return [cell for cell in self.cells if cell.budget == budget]

    def answers(self, budget: Budget, empty: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Returns the predictions of one budget, shape (draws, n, …), in copies of `empty`."""
        cells = self.of(budget)
        draws = sorted({cell.draw for cell in cells})
        predicted = np.stack([empty] * len(draws))
        for cell in cells:
            predicted[draws.index(cell.draw), self.folds[cell.fold].test] = cell.answer.predicted
        return predicted

    def classified(self, budget: Budget) -> Classified:
        """Returns the predictions of one budget, a row per draw."""
        predicted = self.answers(budget, np.full(len(self.data.ids), -1))
        return self.data.classified(self.tested(), predicted)

    def majority(self) -> Classified:
        """Returns each fold's largest training class as predictions."""
        predicted = np.full((1, len(self.data.ids)), -1, np.int64)
        for fold in self.folds:
            counts = np.bincount(self.data.labels[fold.train], minlength=self.data.n_labels)
            predicted[0, fold.test] = counts.argmax()
        return self.data.classified(self.tested(), predicted)


def run_study(
    data: Labelled,
    layers: Layers,
    folds: Sequence[Fold],
    design: Design,
    progress: Callable[[int, int], None] = lambda done, total: None,
    votes: Floats | None = None,
) -> Study:
    """Runs all folds, budgets and draws with the linear protocol; see `run_design`.

    If `votes`, shape (n, K), are learnt, labels only stratify and answers are distributions.
    """
    positions = replace(data, labels=np.arange(len(data.ids)))

    def linear(number: int, fold: Fold) -> Fit:
        features = fold_features(layers, fold)

        def fit(labels: Ints, chosen: Ints, draw: int) -> Answer:
            rows, own = np.searchsorted(fold.train, chosen), None
            if votes is not None:
                own = votes[training_labels(positions, fold, design, number, draw)]
            return learnt(features, labels, fold, data, rows, design, own)

        return fit

    same = votes is None or not design.permute_gold  # equal labels may have other votes
    return run_design(data, folds, design, linear, progress, same_for_all_draws=same)


def run_design(
    data: Labelled,
    folds: Sequence[Fold],
    design: Design,
    fit_of: Callable[[int, Fold], Fit],
    progress: Callable[[int, int], None] = lambda done, total: None,
    *,
    same_for_all_draws: bool = True,
) -> Study:
    """Runs all folds, budgets and draws with a training method.

    Args:
        data: the labelled utterances.
        folds: speaker-disjoint folds of them, checked for leakage.
        design: what is varied.
        fit_of: (number of a fold, fold) → the function that trains and predicts in that fold.
        progress: called with the cells done and the number of all cells.
        same_for_all_draws: whether equal labels give equal predictions in every draw, because
            nothing in the training is random.
    """
    study = Study(data, folds, design)
    total = len(folds) * design.draws * len(design.budgets)
    done = 0
    for number, fold in enumerate(folds):
        fit = fit_of(number, fold)
        known: dict[bytes, Answer] = {}
        for draw in range(design.draws):
            labels = training_labels(data, fold, design, number, draw)
            orders = class_orders(data.ids, labels, fold.train, design.seed, number, draw)
            for budget in design.budgets:
                done += 1
                chosen = subset(orders, budget)
                name = chosen.tobytes() + labels[chosen].tobytes()
                if name not in known or not same_for_all_draws:
                    known[name] = fit(labels, chosen, draw)
                elif draw and budget.fraction == 1 and not design.permute_gold:
                    # All labels of every fold, so all draws are equal. Other budgets may take all
                    # labels of one fold but not of the next: their draws need all folds.
                    continue
                study.cells.append(Cell(budget, number, draw, len(chosen), known[name]))
                progress(done, total)
    return study


def budget_results(study: Study) -> list[BudgetResult]:
    """Returns the scores of each budget with intervals over speakers."""

    def result(budget: Budget) -> BudgetResult:
        cells = study.of(budget)
        scores = {name: metric(s) for name, s in classification(study.classified(budget)).items()}
        return BudgetResult(
            budget=budget.name,
            fraction=budget.fraction,
            per_class=budget.per_class,
            n_labels=float(np.mean([cell.n_train for cell in cells])),
            folds=[_fold_score(study, cell) for cell in cells],
            **scores,
        )

    return [result(budget) for budget in study.design.budgets]


def area(study: Study) -> tuple[Metric, str]:
    """Returns the area under UAR over log10(fraction), with its interval, and the axis in words."""
    budgets = [budget for budget in study.design.budgets if budget.fraction is not None]
    budgets = budgets or list(study.design.budgets[-1:])
    fractions = [budget.fraction or 1.0 for budget in budgets]
    parts = [classification(study.classified(budget))["uar"] for budget in budgets]
    under = combine(parts, [float(w) for w in area_weights(fractions)])
    return metric(replace(under, bounds=(0.0, 1.0))), area_axis(fractions)


def needed(results: Sequence[BudgetResult], targets: Sequence[float]) -> list[LabelsNeeded]:
    """Returns the labels needed to reach each UAR of `targets` on the curve over fractions."""
    curve = [result for result in results if result.fraction is not None]
    scores, counts = [result.uar.value for result in curve], [result.n_labels for result in curve]
    fractions = [result.fraction or 0.0 for result in curve]
    return [labels_needed(target, scores, counts, fractions) for target in targets if curve]


def default_warnings(study: Study) -> list[str]:
    """Warns of budgets that were too small to choose layer and strength."""
    counts: dict[str, list[bool]] = defaultdict(list)
    for cell in study.cells:
        counts[cell.budget.name].append(cell.answer.chosen)
    return [
        f"Budget {name}: {chosen.count(False)} of {len(chosen)} subsets are too small for inner "
        "speaker folds; they used the last layer and the default strength."
        for name, chosen in counts.items()
        if not all(chosen)
    ]


def permuted_within(labels: Ints, speakers: Sequence[str], rng: np.random.Generator) -> Ints:
    """Returns the labels permuted within each speaker."""
    permuted, unit = labels.copy(), np.asarray(speakers)
    for speaker in np.unique(unit):
        own = unit == speaker
        permuted[own] = rng.permutation(labels[own])
    return permuted


def training_labels(data: Labelled, fold: Fold, design: Design, number: int, draw: int) -> Ints:
    """Returns all labels as a fold trains on them: gold, or gold permuted within its speakers."""
    if not design.permute_gold:
        return data.labels
    labels = data.labels.copy()
    rng = np.random.default_rng([design.seed, number, draw])
    speakers = [data.speakers[p] for p in fold.train]
    labels[fold.train] = permuted_within(labels[fold.train], speakers, rng)
    return labels


def learnt(
    features: FoldFeatures,
    labels: Ints,
    fold: Fold,
    data: Labelled,
    rows: Ints,
    design: Design,
    votes: Floats | None = None,
) -> Answer:
    """Fits the linear protocol on some rows of a fold's training side and predicts its test side.

    `labels` are those of all utterances, shape (n,), for instance permuted. With `votes`,
    distributions of shape (n, K), these are learnt instead; the answer is then a distribution
    too, as float32.
    """
    chosen = fold.train[rows]
    label, speakers = labels[chosen], [data.speakers[p] for p in chosen]
    own = None if votes is None else votes[chosen]
    best, fits = choose_and_fit(
        features.train[:, rows], label, speakers, data.n_labels, design.choosing, votes=own
    )
    fit = fits[best]
    logits = features.test[best] @ fit.coef + fit.intercept
    # A class without labels in the budget must not be predicted.
    known = np.bincount(label, minlength=data.n_labels) if own is None else own.sum(0)
    logits[:, known == 0] = -np.inf
    answer = logits.argmax(1) if own is None else softmax(logits).astype(np.float32)
    return Answer(answer, features.names[best], fit.strength, chosen=fit.chosen)


def softmax(logits: Floats) -> Floats:
    """Returns distributions, shape (..., K)."""
    weights = np.exp(logits - logits.max(-1, keepdims=True))
    return np.asarray(weights / weights.sum(-1, keepdims=True))


def _fold_score(study: Study, cell: Cell) -> FoldScore:
    test = study.folds[cell.fold].test
    gold = study.data.labels[test]
    confusion = metrics.with_misses(gold, cell.answer.predicted, study.data.n_labels)
    return FoldScore(
        fold=cell.fold,
        seed=cell.draw,
        n_train=cell.n_train,
        n_test=len(test),
        **asdict(metrics.scores(confusion)),
        layer=cell.answer.layer,
        strength=cell.answer.strength,
    )
