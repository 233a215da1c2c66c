"""Probes whose targets are classes: out-of-fold predictions at every layer, and their scores.

UAR is computed within each stratum (a scripted sentence, or all utterances together) and averaged
over strata, with intervals over speakers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from .arrays import Ints, Layers
from .folds import Fold
from .selection import Choosing, choose_and_fit, fold_features, most_common
from .statistics import Statistic, ratio_mean


@dataclass(frozen=True)
class ClassResult:
    """Out-of-fold predictions of one target."""

    predicted: Ints
    """Positions of classes, shape (n,); −1 where nothing was predicted."""
    by_layer: Ints
    """Predictions from each layer alone, shape (L, n)."""
    layer: str
    """Layer chosen most often; of equals, the later one."""
    strength: float
    """Median over folds of the penalty per row."""


@dataclass(frozen=True)
class PredictedClasses:
    """Predicted classes of one target."""

    ids: list[str]
    speakers: list[str]
    strata: list[str]
    """The sentence within which an utterance was trained on and tested; all equal if none."""
    truth: list[str]
    predicted: list[str]


Hit = tuple[str, str, str, int, int]
"""Speaker, stratum, class, correct utterances, utterances."""
ONE = np.ones(1)


def cross_classify(
    layers: Layers,
    labels: Ints,
    units: Sequence[str],
    folds: Sequence[Fold],
    *,
    strengths: Sequence[float],
    inner_folds: int,
    seed: int,
) -> ClassResult:
    """Predicts one target out of fold by logistic regression with balanced classes.

    Strength and layer are chosen by inner folds of the training side, which split no unit, such as
    a speaker. The penalty is per row, as in `ridge`: C = 1 / (rows · strength). Layers have
    embeddings of shape (n, dim), labels are positions of classes, shape (n,); −1 if undefined.
    """
    by_layer = np.full((len(layers), len(labels)), -1, np.int64)
    predicted = np.full(len(labels), -1, np.int64)
    chosen: list[tuple[int, float]] = []
    for fold in folds:
        train, test = (rows[labels[rows] >= 0] for rows in (fold.train, fold.test))
        if not len(train) or not len(test):
            continue
        classes, own = np.unique(labels[train], return_inverse=True)
        if len(classes) == 1:
            by_layer[:, test] = predicted[test] = classes[0]
            continue
        features = fold_features(layers, Fold(train, test, fold.dev))
        per_row = [1 / (len(train) * s) for s in strengths]
        best, fits = choose_and_fit(
            features.train,
            own,
            [units[row] for row in train],
            len(classes),
            Choosing(per_row, inner_folds, balanced=True, seed=seed),
            every=True,
        )
        for fit in fits.values():
            logits = features.test[fit.layer] @ fit.coef + fit.intercept
            by_layer[fit.layer, test] = classes[logits.argmax(1)]
        predicted[test] = by_layer[best, test]
        chosen.append((best, 1 / (len(train) * fits[best].strength)))
    layer = list(layers)[most_common([layer for layer, _ in chosen])]
    return ClassResult(
        predicted, by_layer, layer, float(np.median([s for _, s in chosen] or [0.0]))
    )


def class_hits(data: PredictedClasses) -> list[Hit]:
    """Returns the sorted counts that every score is computed from."""
    rows = list(zip(data.speakers, data.strata, data.truth, strict=True))
    totals = Counter(rows)
    hits = Counter(row for row, guess in zip(rows, data.predicted, strict=True) if guess == row[2])
    return [(*row, hits[row], n) for row, n in sorted(totals.items())]


def class_statistics(hits: Iterable[Hit]) -> dict[str, Statistic]:
    """Returns ``uar`` and ``wa`` as sums over speakers, sorted.

    UAR is the mean recall over a stratum's classes, averaged over strata; WA is a stratum's
    accuracy, averaged likewise. If each class belongs to a single speaker, UAR is the mean of the
    speakers' recalls, since these are what varies.
    """
    rows = list(hits)
    speakers = {name: i for i, name in enumerate(sorted({row[0] for row in rows}))}
    cells = {cell: j for j, cell in enumerate(sorted({row[1:3] for row in rows}))}
    top, bottom = np.zeros((2, len(speakers), len(cells)))
    for speaker, stratum, name, hit, n in rows:
        top[speakers[speaker], cells[stratum, name]] += hit
        bottom[speakers[speaker], cells[stratum, name]] += n
    strata = Counter(stratum for stratum, _ in cells)
    weights = np.array([1 / (len(strata) * strata[stratum]) for stratum, _ in cells])
    if len(speakers) > 1 and ((bottom > 0).sum(0) == 1).all():
        recall = np.divide(top, bottom, out=np.zeros_like(top), where=bottom > 0)
        share = (bottom > 0) * weights
        uar = ratio_mean((recall * share).sum(1, keepdims=True), share.sum(1, keepdims=True), ONE)
    else:
        uar = ratio_mean(top, bottom, weights)
    names = list(strata)
    own = np.array([[stratum == name for name in names] for stratum, _ in cells], float)
    wa = ratio_mean(top @ own, bottom @ own, np.full(len(names), 1 / len(names)))
    bounds = (0.0, 1.0)
    return {"uar": replace(uar, bounds=bounds), "wa": replace(wa, bounds=bounds)}


def chance(hits: Iterable[Hit]) -> float:
    """Returns the UAR of guessing: 1 / (classes of a stratum), averaged over strata."""
    strata = Counter(stratum for stratum, _ in {row[1:3] for row in hits})
    return float(np.mean([1 / n for n in strata.values()]))
