"""The linear protocol on one fold: strength and layer chosen inside the label budget, then scored.

Nothing outside the budget's labels has a say. The rest of the training side gives its features
only (centring, scaling, principal axes), which need no label.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .folds import Fold, group_speakers
from .linear import Fit, fit_batch, principal_axes

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

DEFAULT_STRENGTH = 0.01
"""C where a budget is too small for inner folds: strong, so that the fit is near class means."""
LIMIT = 5.0
"""Most standard deviations that a standardised feature may be away from its mean."""
SEARCH_TOLERANCE = 1e-2
"""Convergence while choosing: smaller values choose the same."""
FIT_TOLERANCE = 1e-4
"""Convergence of the fit that is scored: as close to the optimum as scikit-learn's default."""


@dataclass(frozen=True)
class Choosing:
    """How layer and strength are chosen."""

    strengths: Sequence[float]
    """Values of C to choose from."""
    inner_folds: int
    """At most so many inner speaker folds."""
    balanced: bool
    """Weights classes inversely to their frequency, as UAR does."""
    seed: int
    """Decides ties in the inner folds."""


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
    """What one budget gave on the test side."""

    predicted: Ints
    """Label indices, shape (n_test,)."""
    layer: str
    strength: float | None
    """None where nothing but the training itself was chosen."""
    chosen: bool
    """False where the budget was too small to choose and the declared defaults were used."""


def fold_features(layers: Mapping[str, npt.NDArray[np.floating]], fold: Fold) -> FoldFeatures:
    """Standardises each layer on the training side and rotates it into its principal axes.

    Args:
        layers: layer name → embeddings of all utterances, shape (n, dim).
        fold: which rows are trained and tested on.
    """
    pairs = []
    for values in layers.values():
        train, test = standardised(np.asarray(values, np.float64), fold.train, fold.test)
        axes = principal_axes(train)
        pairs.append((train @ axes, test @ axes))
    rank = max(1, *(train.shape[1] for train, _ in pairs))
    return FoldFeatures(
        list(layers),
        np.stack([padded(train, rank) for train, _ in pairs]),
        np.stack([padded(test, rank) for _, test in pairs]),
    )


def standardised(values: Floats, train: Ints, test: Ints) -> tuple[Floats, Floats]:
    """Centres and scales columns by the training rows, and cuts them off at ±`LIMIT`.

    A constant column becomes 0. One that is nearly constant on the training side (a band that
    stays on its floor for all but a few) would otherwise be scaled up without bound for a test
    speaker who differs, and that speaker alone would decide R².
    """
    rows = values[train]
    centre, spread = rows.mean(0), rows.std(0)
    constant = spread <= 1e-12 * np.maximum(np.abs(centre), 1e-300)
    scale = np.where(constant, 0.0, 1 / np.where(constant, 1, spread))
    inside, outside = (rows - centre) * scale, (values[test] - centre) * scale
    inside, outside = np.clip(inside, -LIMIT, LIMIT), np.clip(outside, -LIMIT, LIMIT)
    # Cutting off one side moves the mean, and principal axes and ridge count on its being 0.
    moved = inside.mean(0)
    return inside - moved, outside - moved


def answer(
    features: FoldFeatures,
    labels: Ints,
    speakers: Sequence[str],
    n_labels: int,
    rows: Ints,
    choosing: Choosing,
) -> Answer:
    """Chooses layer and strength on the budget's rows, fits them and predicts the test side.

    Args:
        features: the fold's features.
        labels: label indices of the training side, shape (n_train,).
        speakers: its speakers.
        n_labels: size of the label set.
        rows: positions in the training side whose labels may be used.
        choosing: how layer and strength are chosen.
    """
    label = labels[rows]
    units = [speakers[row] for row in rows]
    best, found = choose_and_fit(features.train[:, rows], label, units, n_labels, choosing)
    fit = found[best]
    logits = features.test[best] @ fit.coef + fit.intercept
    # A class without labels in the budget cannot be answered.
    logits[:, np.bincount(label, minlength=n_labels) == 0] = -np.inf
    return Answer(logits.argmax(1), features.names[best], fit.strength, chosen=fit.chosen)


@dataclass(frozen=True, slots=True)
class Chosen:
    """A regression whose layer and strength were chosen on its own rows."""

    layer: int
    strength: float
    chosen: bool
    """False where the rows were too few to choose."""
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
) -> tuple[int, dict[int, Chosen]]:
    """Chooses layer and strength by inner folds and fits them on all rows.

    Choosing is by log-loss over inner speaker folds, pooled, averaged within each class first as
    UAR does: it moves smoothly where UAR of a few held-out labels jumps. The budget must allow it:
    at least 2 speakers, and every class with at least 2 labels. Otherwise the last layer and
    `DEFAULT_STRENGTH` are used.

    Args:
        features: standardised rows in principal axes, shape (L, n, r).
        label: label indices, shape (n,).
        units: what inner folds keep apart, such as speakers; one per row.
        n_labels: size of the label set.
        choosing: what is chosen from, and how.
        every: fits all layers, each at its own best strength.

    Returns:
        The layer chosen, and a regression for it or for every layer.
    """
    group = inner_groups(units, label, choosing.inner_folds, choosing.seed)
    batch, back = _reduced(features)
    strengths, balanced = choosing.strengths, choosing.balanced
    best, picks, start = len(features) - 1, [DEFAULT_STRENGTH] * len(features), None
    if group is not None:
        best, at, start = _choose(batch, label, group, n_labels, strengths, balanced)
        picks = [strengths[c] for c in at]
    weight = class_weights(label, np.ones(len(label), np.bool_), n_labels, balanced)
    found = {}
    for layer in range(len(features)) if every else (best,):
        fit = fit_batch(
            batch[layer : layer + 1],
            label,
            weight[:, None],
            [picks[layer]],
            n_labels,
            tolerance=FIT_TOLERANCE,
            start=None if start is None else start[layer],
        )
        coef = fit.coef[0, :, 0]
        found[layer] = Chosen(
            layer,
            float(picks[layer]),
            group is not None,
            np.asarray(coef if back is None else back[layer] @ coef, np.float64),
            np.asarray(fit.intercept[0, 0], np.float64),
        )
    return best, found


def inner_groups(speakers: Sequence[str], labels: Ints, folds: int, seed: int) -> Ints | None:
    """Inner speaker folds of a budget, shape (rows,); None where it is too small for them."""
    counts = np.unique(labels, return_counts=True)[1]
    n_speakers = len(set(speakers))
    if n_speakers < 2 or counts.min() < 2:
        return None
    return group_speakers(speakers, labels, min(folds, n_speakers), seed)


def class_weights(
    labels: Ints, used: npt.NDArray[np.bool_], n_labels: int, balanced: bool
) -> Floats:
    """Weight of each row: 0 where it is not used; ``balanced`` as in scikit-learn."""
    if not balanced:
        return used.astype(np.float64)
    counts = np.bincount(labels[used], minlength=n_labels)
    present = counts > 0
    weight = np.divide(used.sum(), present.sum() * counts, out=np.zeros(n_labels), where=present)
    return np.asarray(weight[labels] * used)


def _choose(
    features: Floats,
    labels: Ints,
    group: Ints,
    n_labels: int,
    strengths: Sequence[float],
    balanced: bool,
) -> tuple[int, list[int], list[Fit]]:
    """Returns the best layer, each layer's best strength, and means of its inner fits to begin at.

    Strengths are given by their position.
    """
    folds = range(int(group.max()) + 1)
    weights = np.stack(
        [class_weights(labels, group != g, n_labels, balanced) for g in folds], axis=1
    )
    fit = fit_batch(
        features,
        labels,
        np.repeat(weights, len(strengths), axis=1),
        list(strengths) * len(folds),
        n_labels,
        tolerance=SEARCH_TOLERANCE,
        dtype=np.float32,
    )
    logits = fit.logits(features).astype(np.float64)
    shape = (len(features), len(labels), len(folds), len(strengths), n_labels)
    # Each row is judged by the fit that did not see its speaker.
    held = logits.reshape(shape)[:, np.arange(len(labels)), group]
    # Rounding must not decide between equals; then the later layer, the stronger penalty.
    loss = _balanced_loss(held, labels).round(6)
    picks = [
        min(range(len(strengths)), key=lambda c: (loss[layer, c], strengths[c]))
        for layer in range(len(features))
    ]
    best = min(range(len(features)), key=lambda layer: (loss[layer, picks[layer]], -layer))
    starts = []
    for layer, c in enumerate(picks):
        own = slice(layer, layer + 1), slice(c, None, len(strengths))
        starts.append(
            Fit(
                fit.coef[own[0], :, own[1]].mean(2, keepdims=True),
                fit.intercept[own].mean(1, keepdims=True),
                fit.converged[own],
            )
        )
    return best, picks, starts


def _balanced_loss(held: Floats, labels: Ints) -> Floats:
    """Log-loss of held-out scores (L, n, strengths, K), the mean over classes: (L, strengths)."""
    top = held.max(-1)
    norm = top + np.log(np.exp(held - top[..., None]).sum(-1))
    own = np.take_along_axis(held, labels[None, :, None, None], -1)[..., 0]
    # A class that an inner training part lacks has no probability; it must not outweigh the rest.
    loss = np.minimum(norm - own, 20.0)
    return np.asarray(np.stack([loss[:, labels == c].mean(1) for c in np.unique(labels)]).mean(0))


def _reduced(features: Floats) -> tuple[Floats, Floats | None]:
    """Few rows lie in few dimensions: coordinates in their own span, and the way there."""
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


def padded(values: Floats, width: int) -> Floats:
    """Adds zero columns on the right: layers of lower rank stand beside the others."""
    return np.pad(values, ((0, 0), (0, width - values.shape[1])))
