"""The linear protocol on one fold: choose strength and layer inside the label budget, then fit.

Labels outside the budget are not used. The rest of the training side contributes features only
(centring, scaling, principal axes), which need no label.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from .arrays import Bools, Floats, Ints, Layers
from .folds import Fold, group_speakers
from .linear import Fit, Regressions, principal_axes

DEFAULT_STRENGTH = 0.01
"""C for budgets too small for inner folds: strong, so that the fit is near class means."""
LIMIT = 5.0
"""Standardised features are clipped at so many standard deviations from their mean."""
LARGE = 2**15
"""Rows × columns from which the weaker half of the penalties is searched one by one."""
SEARCH_TOLERANCE = 1e-2
"""Convergence while choosing: smaller values make the same choices."""
RISE = 0.05
"""The search skips weaker penalties than one whose loss exceeds the least by this share."""
FIT_TOLERANCE = 1e-4
"""Convergence of the scored fit: as close to the optimum as scikit-learn's default."""


@dataclass(frozen=True)
class Choosing:
    """How layer and strength are chosen."""

    strengths: Sequence[float]
    """Values of C to choose from."""
    inner_folds: int
    """Maximum number of inner speaker folds."""
    balanced: bool
    """Weights classes inversely to their frequency, as UAR does."""
    seed: int
    """Breaks ties in the inner folds."""


@dataclass(frozen=True)
class FoldFeatures:
    """Standardised features of one fold in principal axes, for all layers at once."""

    names: list[str]
    """Layers, first to last."""
    train: Floats
    """Shape (L, n_train, r); layers of lower rank are padded with zero columns."""
    test: Floats
    """Shape (L, n_test, r)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One budget's predictions of the test side."""

    predicted: npt.NDArray[Any]
    """Label indices, shape (n_test,); probabilities, shape (n_test, K), of soft labels."""
    layer: str
    strength: float | None
    """None if no strength was chosen, as in fine-tuning."""
    chosen: bool
    """False if the budget was too small to choose, so that the declared defaults were used."""


def fold_features(layers: Layers, fold: Fold) -> FoldFeatures:
    """Standardises each layer on the training side and rotates it into its principal axes."""
    trains, tests = [], []
    for values in layers.values():
        train, test = standardised(np.asarray(values, np.float64), fold.train, fold.test)
        axes = principal_axes(train)
        trains.append(train @ axes)
        tests.append(test @ axes)
    return FoldFeatures(list(layers), stacked(trains), stacked(tests))


@dataclass(frozen=True, slots=True)
class Scaling:
    """Standardisation by some rows: ``clip((x − centre) · scale, ±LIMIT) − shift``."""

    centre: Floats
    scale: Floats
    """0 for a constant column."""
    shift: Floats
    """Mean after clipping, which is subtracted: principal axes and ridge rely on a mean of 0."""
    rows: Floats
    """The rows themselves, standardised."""


def scaling(rows: Floats) -> Scaling:
    """Returns the standardisation of rows of shape (n, dim)."""
    centre, spread = rows.mean(0), rows.std(0)
    constant = spread <= 1e-12 * np.maximum(np.abs(centre), 1e-300)
    scale = np.where(constant, 0.0, 1 / np.where(constant, 1, spread))
    inside = np.clip((rows - centre) * scale, -LIMIT, LIMIT)
    shift = inside.mean(0)
    return Scaling(centre, scale, shift, inside - shift)


def standardised(values: Floats, train: Ints, test: Ints) -> tuple[Floats, Floats]:
    """Centres and scales columns by the training rows, and clips them at ±`LIMIT`.

    A constant column becomes 0. Without the limit, a column that is nearly constant on the training
    side (a band on its floor for all but a few rows) would be scaled up without bound for a test
    speaker who differs, and that speaker alone would determine R².
    """
    own = scaling(values[train])
    outside = np.clip((values[test] - own.centre) * own.scale, -LIMIT, LIMIT)
    return own.rows, outside - own.shift


@dataclass(frozen=True, slots=True)
class Chosen:
    """A regression whose layer and strength were chosen on the rows it was fitted to."""

    layer: int
    strength: float
    chosen: bool
    """False if there were too few rows to choose."""
    coef: Floats
    """Shape (r, K)."""
    intercept: Floats
    """Shape (K,)."""


def choose_and_fit(
    features: Floats,
    label: Ints,
    units: Sequence[str],
    n_labels: int,
    choosing: Choosing,
    *,
    every: bool = False,
    votes: Floats | None = None,
) -> tuple[int, dict[int, Chosen]]:
    """Chooses layer and strength by inner folds and fits them on all rows.

    The criterion is the log-loss over inner speaker folds, pooled and averaged within each class
    first, as in UAR: it is smooth where UAR of a few held-out labels jumps. Choosing needs at least
    2 speakers, and at least 2 labels of every class; otherwise the last layer and
    `DEFAULT_STRENGTH` are used.

    Args:
        features: standardised rows in principal axes, shape (L, n, r).
        label: label indices, shape (n,).
        units: speaker, or another unit, of each row; no inner fold splits a unit.
        n_labels: size of the label set.
        choosing: the candidates, and how to choose.
        every: fits all layers, each at its own best strength; else the chosen one.
        votes: distributions over the labels to learn instead of the labels, shape (n, K). The
            criterion is then their cross-entropy, the mean over rows.
    """
    group = inner_groups(units, label, choosing.inner_folds, choosing.seed)
    batch, back = _reduced(features)
    best, picks, start = len(features) - 1, [DEFAULT_STRENGTH] * len(features), None
    if group is not None:
        best, at, start = _choose(batch, label, group, n_labels, choosing, votes)
        picks = [choosing.strengths[c] for c in at]
    weight = class_weights(label, np.ones(len(label), np.bool_), n_labels, choosing.balanced)
    fits = {}
    for layer in range(len(features)) if every else (best,):
        own = Regressions(
            batch[layer : layer + 1], label if votes is None else votes, weight[:, None], n_labels
        )
        fit = own.fit([picks[layer]], FIT_TOLERANCE, start=None if start is None else start[layer])
        coef = fit.coef[0, 0, 0]
        fits[layer] = Chosen(
            layer,
            float(picks[layer]),
            group is not None,
            np.asarray(coef if back is None else back[layer] @ coef, np.float64),
            np.asarray(fit.intercept[0, 0, 0], np.float64),
        )
    return best, fits


def inner_groups(speakers: Sequence[str], labels: Ints, folds: int, seed: int) -> Ints | None:
    """Returns the inner speaker fold of each row; None if the budget is too small for folds."""
    counts, n_speakers = np.unique(labels, return_counts=True)[1], len(set(speakers))
    if n_speakers < 2 or counts.min() < 2:
        return None
    return group_speakers(speakers, labels, min(folds, n_speakers), seed)


def class_weights(labels: Ints, used: Bools, n_labels: int, balanced: bool) -> Floats:
    """Returns the weight of each row: 0 if unused; ``balanced`` as in scikit-learn."""
    if not balanced:
        return used.astype(np.float64)
    counts = np.bincount(labels[used], minlength=n_labels)
    present = counts > 0
    weight = np.divide(used.sum(), present.sum() * counts, out=np.zeros(n_labels), where=present)
    return np.asarray(weight[labels] * used)


def _choose(
    features: Floats, labels: Ints, group: Ints, n_labels: int, choosing: Choosing, votes: Any
) -> tuple[int, list[int], list[Fit]]:
    """Returns the best layer, and per layer the best strength and a start for the final fit.

    Strengths are positions; a start is the mean of the layer's inner fits.
    """
    folds = range(int(group.max()) + 1)
    strengths, balanced = choosing.strengths, choosing.balanced
    weights = np.stack([class_weights(labels, group != g, n_labels, balanced) for g in folds], 1)
    targets = labels if votes is None else votes
    problems = Regressions(features, targets, weights, n_labels, np.float32)
    outside = [features[:, None, group == g].astype(np.float32) for g in folds]
    loss = np.full((len(features), len(strengths)), np.inf)
    starts: dict[tuple[int, int], Fit] = {}
    layers, order = np.arange(len(features)), np.argsort(strengths)
    half = (len(order) + 1) // 2 if features[0].size >= LARGE else len(order)
    for part in (order[:half], *order[half:, None]):
        fit = problems.fit(np.take(strengths, part), SEARCH_TOLERANCE, layers)
        # Each row is scored by the fit without its speaker.
        held = np.empty((len(layers), len(labels), len(part), n_labels))
        for g in folds:
            logits = outside[g][layers] @ fit.coef[:, g] + fit.intercept[:, g, :, None]
            held[:, group == g] = logits.swapaxes(1, 2)
        scores = _balanced_loss(held, labels) if votes is None else _soft_loss(held, votes)
        loss[np.ix_(layers, part)] = scores.round(6)  # rounded, so that equals tie
        for i, layer in enumerate(layers):
            starts |= {(int(layer), int(c)): fit.mean(i, j) for j, c in enumerate(part)}
        layers = layers[scores[:, -1] <= (1 + RISE) * loss[layers].min(1)]
        if not len(layers):
            break
    # Of equals the stronger penalty and the later layer win.
    every = range(len(features))
    picks = [min(range(len(strengths)), key=lambda c: (loss[i, c], strengths[c])) for i in every]
    best = min(every, key=lambda i: (loss[i, picks[i]], -i))
    return best, picks, [starts[i, c] for i, c in enumerate(picks)]


def _balanced_loss(held: Floats, labels: Ints) -> Floats:
    """Log-loss of held-out scores (L, n, strengths, K), the mean over classes: (L, strengths)."""
    loss = np.take_along_axis(_log_losses(held), labels[None, :, None, None], -1)[..., 0]
    return np.asarray(np.stack([loss[:, labels == c].mean(1) for c in np.unique(labels)]).mean(0))


def _soft_loss(held: Floats, votes: Floats) -> Floats:
    """Cross-entropy of held-out scores (L, n, strengths, K), the mean over rows: (L, strengths)."""
    return np.asarray((_log_losses(held) * votes[:, None]).sum(-1).mean(1))


def _log_losses(held: Floats) -> Floats:
    """Log-loss of scores (..., K) for each label: (..., K)."""
    top = held.max(-1)
    norm = top + np.log(np.exp(held - top[..., None]).sum(-1))
    # A class missing from an inner training part has no probability; it must not dominate.
    return np.asarray(np.minimum(norm[..., None] - held, 20.0))


def _reduced(features: Floats) -> tuple[Floats, Floats | None]:
    """Returns few rows in coordinates of their own span, and the matrix to map them back."""
    _, n, r = features.shape
    if 2 * n > r:
        return features, None
    values, left = np.linalg.eigh(features @ features.transpose(0, 2, 1))
    top = np.maximum(values[:, -1:], np.finfo(np.float64).tiny)
    root = np.sqrt(np.maximum(values, 0))
    usable = values > top * 1e-10 * r
    back = features.transpose(0, 2, 1) @ (
        left * np.where(usable, 1 / np.where(usable, root, 1), 0)[:, None]
    )
    return features @ back, back


def stacked(layers: Sequence[Floats]) -> Floats:
    """Stacks layers of shape (n, rank), with zero columns added to those of lower rank."""
    width = max(1, *(rows.shape[1] for rows in layers))
    return np.stack([np.pad(rows, ((0, 0), (0, width - rows.shape[1]))) for rows in layers])


def most_common(values: Sequence[int]) -> int:
    """Returns the value that occurs most often: of equals the largest; 0 if there is none."""
    counts = Counter(values)
    return max(counts, key=lambda value: (counts[value], value)) if counts else 0
