"""The linear protocol's classifier as it leaves the bench: one affine map from an embedding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .linear import principal_axes
from .selection import LIMIT, Choosing, choose_and_fit, padded

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LinearHead:
    """Standardisation and regression: ``clip((x − centre) · scale, ±5) @ weight + bias``."""

    layer: str
    strength: float
    centre: Floats
    """Shape (dim,)."""
    scale: Floats
    """Shape (dim,); 0 for a column that is constant."""
    weight: Floats
    """Shape (dim, K)."""
    bias: Floats
    """Shape (K,)."""

    def logits(self, embeddings: npt.NDArray[np.floating]) -> Floats:
        """Scores of rows of shape (n, dim): shape (n, K)."""
        values = np.asarray(embeddings, np.float64)
        inside = np.clip((values - self.centre) * self.scale, -LIMIT, LIMIT)
        return np.asarray(inside @ self.weight + self.bias)


def fit_head(
    layers: Mapping[str, npt.NDArray[np.floating]],
    labels: npt.NDArray[np.int64],
    speakers: Sequence[str],
    n_labels: int,
    choosing: Choosing,
) -> LinearHead:
    """Fits the linear protocol on all labelled utterances: what a fold does, without a test side.

    Args:
        layers: layer name → embeddings, shape (n, dim).
        labels: label indices, shape (n,).
        speakers: who says each row; layer and strength are chosen over their folds.
        n_labels: size of the label set.
        choosing: how layer and strength are chosen.
    """
    parts = [_standardised(np.asarray(values, np.float64)) for values in layers.values()]
    axes = [principal_axes(inside) for _, _, _, inside in parts]
    turned = [inside @ axis for (_, _, _, inside), axis in zip(parts, axes, strict=True)]
    rank = max(1, *(rows.shape[1] for rows in turned))
    stacked = np.stack([padded(rows, rank) for rows in turned])
    best, fits = choose_and_fit(stacked, labels, speakers, n_labels, choosing)
    found = fits[best]
    centre, scale, moved, _ = parts[found.layer]
    axis = axes[found.layer]
    weight = axis @ found.coef[: axis.shape[1]]
    return LinearHead(
        list(layers)[found.layer],
        found.strength,
        centre,
        scale,
        weight,
        found.intercept - moved @ weight,
    )


def _standardised(values: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Returns centre, scale, what cutting off has moved the mean by, and the rows.

    The same arithmetic as `selection.standardised`, which keeps only the rows.
    """
    centre, spread = values.mean(0), values.std(0)
    constant = spread <= 1e-12 * np.maximum(np.abs(centre), 1e-300)
    scale = np.where(constant, 0.0, 1 / np.where(constant, 1, spread))
    inside = np.clip((values - centre) * scale, -LIMIT, LIMIT)
    moved = inside.mean(0)
    return centre, scale, moved, inside - moved
