"""The label-efficiency study: nested budgets × draws × speaker folds, by any way of training."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from . import metrics
from .budgets import Budget, class_orders, subset
from .curves import area_axis, area_weights, labels_needed
from .folds import Fold
from .predictions import Classified, classification
from .results import BudgetResult, FoldScore, LabelsNeeded, Metric
from .selection import Answer, Choosing, FoldFeatures, answer, fold_features
from .statistics import combine, metric

Ints = npt.NDArray[np.int64]
Layers = Mapping[str, npt.NDArray[np.floating]]
Fit = Callable[[Ints, Ints, int], Answer]
"""Labels of all utterances, the positions that may be learnt from, and the number of the draw in;
what was predicted on the fold's test side out."""


@dataclass(frozen=True)
class Design:
    """What a study varies and how it chooses."""

    budgets: Sequence[Budget]
    draws: int
    strengths: Sequence[float]
    inner_folds: int
    balanced: bool
    permute_gold: bool
    seed: int

    @property
    def choosing(self) -> Choosing:
        """How layer and strength of a fit are chosen."""
        return Choosing(self.strengths, self.inner_folds, self.balanced, self.seed)


@dataclass(frozen=True)
class Labelled:
    """The utterances with one gold label."""

    ids: list[str]
    speakers: list[str]
    labels: Ints
    """Positions in the frozen label set, shape (n,)."""
    n_labels: int


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
    """All cells of a study; scores are made from their predictions."""

    data: Labelled
    folds: Sequence[Fold]
    design: Design
    cells: list[Cell] = field(default_factory=list)

    def tested(self) -> Ints:
        """Positions of the utterances that some fold tests, fold after fold."""
        return np.concatenate([fold.test for fold in self.folds])

    def of(self, budget: Budget) -> list[Cell]:
        """The cells of one budget."""
        return [cell for cell in self.cells if cell.budget == budget]

    def classified(self, budget: Budget) -> Classified:
        """Predictions of one budget, a row per draw."""
        cells = self.of(budget)
        draws = sorted({cell.draw for cell in cells})
        predicted = np.full((len(draws), len(self.data.ids)), -1, np.int64)
        for cell in cells:
            predicted[draws.index(cell.draw), self.folds[cell.fold].test] = cell.answer.predicted
        return self._classified(predicted)

    def majority(self) -> Classified:
        """Predictions of each fold's largest training class."""
        predicted = np.full((1, len(self.data.ids)), -1, np.int64)
        for fold in self.folds:
            counts = np.bincount(self.data.labels[fold.train], minlength=self.data.n_labels)
            predicted[0, fold.test] = counts.argmax()
        return self._classified(predicted)

    def _classified(self, predicted: Ints) -> Classified:
        at = self.tested()
        data = self.data
        ids, speakers = [data.ids[i] for i in at], [data.speakers[i] for i in at]
        return Classified(ids, speakers, data.labels[at], predicted[:, at], data.n_labels)


def run_study(
    data: Labelled,
    layers: Layers,
    folds: Sequence[Fold],
    design: Design,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Study:
    """Runs all folds, budgets and draws.

    Args:
        data: the labelled utterances.
        layers: layer name → their embeddings, shape (n, dim).
        folds: speaker-disjoint folds of them, checked for leakage.
        design: what is varied.
        progress: called with cells done and in all.
    """

    def linear(_: int, fold: Fold) -> Fit:
        features = fold_features(layers, fold)

        def fit(labels: Ints, chosen: Ints, _: int) -> Answer:
            within = np.searchsorted(fold.train, chosen)
            return learnt(features, labels, fold, data, within, design)

        return fit

    return run_design(data, folds, design, linear, progress)


def run_design(
    data: Labelled,
    folds: Sequence[Fold],
    design: Design,
    fit_of: Callable[[int, Fold], Fit],
    progress: Callable[[int, int], None] = lambda done, total: None,
    *,
    same_for_all_draws: bool = True,
) -> Study:
    """Runs all folds, budgets and draws by a way of training.

    Args:
        data: the labelled utterances.
        folds: speaker-disjoint folds of them, checked for leakage.
        design: what is varied.
        fit_of: number of a fold and the fold → what trains and predicts there.
        progress: called with cells done and in all.
        same_for_all_draws: whether equal labels give equal predictions whatever the draw, as where
            nothing random takes part in the training.
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
                    # All labels in every fold, so each draw is the same. Other budgets may take
                    # all of one fold and not of the next: a draw must have all folds.
                    continue
                study.cells.append(Cell(budget, number, draw, len(chosen), known[name]))
                progress(done, total)
    return study


def budget_results(study: Study) -> list[BudgetResult]:
    """Scores of each budget with intervals over speakers."""
    results = []
    for budget in study.design.budgets:
        cells = study.of(budget)
        scores = {name: metric(s) for name, s in classification(study.classified(budget)).items()}
        results.append(
            BudgetResult(
                budget=budget.name,
                fraction=budget.fraction,
                per_class=budget.per_class,
                n_labels=float(np.mean([cell.n_train for cell in cells])),
                folds=[_fold_score(study, cell) for cell in cells],
                **scores,
            )
        )
    return results


def area(study: Study) -> tuple[Metric, str]:
    """The area under UAR over log10(fraction), with its interval, and the axis in words."""
    budgets = [budget for budget in study.design.budgets if budget.fraction is not None]
    if not budgets:
        budgets = list(study.design.budgets[-1:])
        fractions = [1.0]
    else:
        fractions = [budget.fraction or 0.0 for budget in budgets]
    parts = [classification(study.classified(budget))["uar"] for budget in budgets]
    under = combine(parts, [float(w) for w in area_weights(fractions)])
    return metric(replace(under, bounds=(0.0, 1.0))), area_axis(fractions)


def needed(results: Sequence[BudgetResult], targets: Sequence[float]) -> list[LabelsNeeded]:
    """Labels needed to reach each UAR of `targets` on the curve over fractions."""
    curve = [result for result in results if result.fraction is not None]
    if not curve:
        return []
    return [
        labels_needed(
            target,
            [result.uar.value for result in curve],
            [result.n_labels for result in curve],
            [result.fraction or 0.0 for result in curve],
        )
        for target in targets
    ]


def default_warnings(study: Study) -> list[str]:
    """Tells at which budgets nothing could be chosen."""
    counts: dict[str, list[bool]] = defaultdict(list)
    for cell in study.cells:
        counts[cell.budget.name].append(cell.answer.chosen)
    return [
        f"Budget {name}: {chosen.count(False)} of {len(chosen)} subsets are too small for inner "
        "speaker folds; there the last layer and the default strength were used."
        for name, chosen in counts.items()
        if not all(chosen)
    ]


def permuted_within(labels: Ints, speakers: Sequence[str], rng: np.random.Generator) -> Ints:
    """Returns the labels in a new order that leaves each speaker his own."""
    found, unit = labels.copy(), np.asarray(speakers)
    for speaker in np.unique(unit):
        own = unit == speaker
        found[own] = rng.permutation(labels[own])
    return found


def training_labels(data: Labelled, fold: Fold, design: Design, number: int, draw: int) -> Ints:
    """Returns all labels as a fold learns them: permuted gold within each training speaker.

    Args:
        data: the labelled utterances.
        fold: the fold.
        design: whether gold is permuted.
        number: number of the fold.
        draw: number of the draw.
    """
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
    chosen: Ints,
    design: Design,
) -> Answer:
    """Learns the linear protocol on some rows of a fold and predicts its test side.

    Args:
        features: the fold's features.
        labels: label indices of all utterances.
        fold: the fold.
        data: the labelled utterances.
        chosen: positions in the training side whose labels may be used.
        design: how strength and layer are chosen.
    """
    return answer(
        features,
        labels[fold.train],
        [data.speakers[p] for p in fold.train],
        data.n_labels,
        chosen,
        design.choosing,
    )


def _fold_score(study: Study, cell: Cell) -> FoldScore:
    test = study.folds[cell.fold].test
    gold = study.data.labels[test]
    found = metrics.scores(
        metrics.confusion_matrix(gold, cell.answer.predicted, study.data.n_labels)
    )
    return FoldScore(
        fold=cell.fold,
        seed=cell.draw,
        n_train=cell.n_train,
        n_test=len(test),
        uar=found.uar,
        wa=found.wa,
        macro_f1=found.macro_f1,
        layer=cell.answer.layer,
        strength=cell.answer.strength,
    )
