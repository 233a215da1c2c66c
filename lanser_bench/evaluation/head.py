"""The linear protocol's classifier as it is exported: one affine map from an embedding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .arrays import Floats, Ints, Layers
from .linear import principal_axes
from .selection import LIMIT, Choosing, choose_and_fit, scaling, stacked


@dataclass(frozen=True, slots=True)
class LinearHead:
    """Standardisation and regression: ``clip((x − centre) · scale, ±5) @ weight + bias``."""

    layer: str
    strength: float
    centre: Floats
    """Shape (dim,)."""
    scale: Floats
    """Shape (dim,); 0 for a constant column."""
    weight: Floats
    """Shape (dim, K)."""
    bias: Floats
    """Shape (K,)."""

    def logits(self, embeddings: npt.NDArray[np.floating]) -> Floats:
        """Returns the scores of rows of shape (n, dim), shape (n, K)."""
        values = np.asarray(embeddings, np.float64)
        inside = np.clip((values - self.centre) * self.scale, -LIMIT, LIMIT)
        return np.asarray(inside @ self.weight + self.bias)


def fit_head(
    layers: Layers, labels: Ints, speakers: Sequence[str], n_labels: int, choosing: Choosing
) -> LinearHead:
    """Fits the linear protocol on all labelled utterances, as a fold does, without a test side.

    Layers have embeddings of shape (n, dim); they and the strength are chosen over folds of
    speakers.
    """
    scales = [scaling(np.asarray(values, np.float64)) for values in layers.values()]
    axes = [principal_axes(scale.rows) for scale in scales]
    rotated = [scale.rows @ axis for scale, axis in zip(scales, axes, strict=True)]
    best, fits = choose_and_fit(stacked(rotated), labels, speakers, n_labels, choosing)
    fit, own, axis = fits[best], scales[best], axes[best]
    weight = axis @ fit.coef[: axis.shape[1]]
    bias = fit.intercept - own.shift @ weight
    return LinearHead(list(layers)[best], fit.strength, own.centre, own.scale, weight, bias)
