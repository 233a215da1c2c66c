"""Many small multinomial logistic regressions at once, the same optimum as scikit-learn's.

A label-efficiency study fits thousands of regressions, for each strength, inner fold and layer. For
every layer, fold f and strength C

    minimise over W, b:  ½‖W‖² + C · Σ_i weight_if · (−log softmax(W z_i + b)[y_i])

by L-BFGS (Nocedal 1980) in coordinates where the Hessian at W = 0 is near the identity: the
features are rotated into the eigenvectors of the training side, and coordinate j is scaled by
1/√(1 + C λ_jf / K), since there the softmax curvature is exactly (I − 11ᵀ/K)/K. The first step is
then Newton's. All strengths of a fold are columns of one matrix product over the rows of that fold,
and those that have converged leave it. The intercept is not penalised.

With two labels W has two opposite rows, so C here is scikit-learn's 2C (it fits one row).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

MEMORY = 8
"""Pairs kept by L-BFGS."""
MAX_ITERATIONS = 500
"""A problem that needs more is reported in `Fit.converged`."""


@dataclass(frozen=True, slots=True)
class Fit:
    """Coefficients of regressions on G layers, F folds and S strengths."""

    coef: Floats
    """Shape (G, F, S, r, K)."""
    intercept: Floats
    """Shape (G, F, S, K)."""
    converged: Bools
    """Shape (G, F, S)."""

    def mean(self, layer: int, strength: int) -> Fit:
        """Returns the mean over folds of one layer at one strength."""
        at = slice(layer, layer + 1), slice(None), slice(strength, strength + 1)
        coef, intercept = (part[at].mean(1, keepdims=True) for part in (self.coef, self.intercept))
        return Fit(coef, intercept, self.converged[at][:, :1])


class Regressions:
    """Regressions on the rows of some layers and folds, to be fitted at any strengths.

    Args:
        features: standardised rows, shape (G, n, r): the same utterances in G layers. Rotated into
            principal axes (`principal_axes`) they converge fastest.
        labels: shape (n,); or distributions over the labels, shape (n, K): the loss of a row is
            then the cross-entropy Σ_k t_k · (−log softmax_k), as if it were K rows with one label
            each, weighted by t_k.
        weights: weight of each row in each fold, shape (n, F); 0 leaves a row out.
        n_labels: size K of the label set.
        dtype: float32 is precise enough to choose a strength, and twice as fast.
    """

    def __init__(
        self,
        features: Floats,
        labels: Ints | Floats,
        weights: Floats,
        n_labels: int,
        dtype: type[np.floating[Any]] = np.float64,
    ) -> None:
        used = [np.flatnonzero(fold) for fold in weights.T]
        width = max(map(len, used))
        # Shorter folds are filled up with rows of weight 0.
        at = np.stack([np.pad(own, (0, width - len(own))) for own in used])
        filled = np.arange(width) < np.array([[len(own)] for own in used])
        weight = np.take_along_axis(weights.T, at, 1) * filled
        rows = np.ones((len(features), *at.shape, features.shape[2] + 1), dtype)
        rows[..., :-1] = features.astype(dtype, copy=False)[:, at]
        self.rows = rows
        # A product with a transposed matrix is slow where the other one has few rows.
        self.columns = np.ascontiguousarray(rows.swapaxes(2, 3))
        self.weight = weight.astype(dtype)
        given = np.asarray(labels)[at]
        self.labels = given if given.ndim == 2 else None
        targets = np.eye(n_labels)[given] if given.ndim == 2 else given
        self.targets = targets.transpose(0, 2, 1).astype(dtype)
        self.curvature = (np.square(self.columns) @ self.weight[..., None])[..., 0] / n_labels
        # The gradient at W = 0 for C = 1, shape (G, F, K, r + 1).
        self.slope = (self.weight[:, None] * (1 / dtype(n_labels) - self.targets)) @ rows

    def fit(
        self,
        strengths: npt.ArrayLike,
        tolerance: float = 1e-6,
        layers: Ints | None = None,
        start: Fit | None = None,
    ) -> Fit:
        """Fits all folds of all or some layers at some strengths C.

        A problem has converged when the norm of its preconditioned gradient is below `tolerance`
        times the norm at W = 0. Nearby solutions to start from change the time, not the optimum.
        """
        chosen = np.arange(len(self.rows)) if layers is None else layers
        given = np.asarray(strengths, self.rows.dtype)
        solution, converged = _minimise(_Problem(self, chosen, given), tolerance, start)
        shape = (len(chosen), -1, *solution.shape[1:])
        both = solution.reshape(shape).swapaxes(3, 4)
        return Fit(both[..., :-1, :], both[..., -1, :], converged.reshape(shape[:3]))


class _Problem:
    """The objective over preconditioned coefficients v of shape (B, S, K, r + 1), B = G · F."""

    def __init__(self, data: Regressions, layers: Ints, strengths: Floats) -> None:
        def blocks(values: Floats) -> Floats:
            own = values if len(layers) == len(values) else values[layers]
            return own.reshape(-1, *own.shape[2:])

        self.rows, self.columns = blocks(data.rows), blocks(data.columns)
        self.curvature, self.slope = blocks(data.curvature), blocks(data.slope)
        self.weight = np.tile(data.weight, (len(layers), 1))
        self.targets = np.tile(data.targets, (len(layers), 1, 1))
        self.at: tuple[Any, ...] | None = None
        if data.labels is not None:
            block, row = np.ogrid[: len(self.rows), : self.rows.shape[1]]
            self.at = block, slice(None), np.tile(data.labels, (len(layers), 1)), row
        self.penalty = np.ones(self.rows.shape[2], self.rows.dtype)
        self.penalty[-1] = 0
        self.keep(strengths)

    def keep(self, strengths: Floats) -> None:
        """Sets the strengths of the problems that are left."""
        self.strengths = strengths[:, None]
        self.cost = self.strengths * self.weight[:, None]
        curvature = self.penalty + self.strengths * self.curvature[:, None]
        tiny = np.finfo(strengths.dtype).tiny
        self.scale = (1 / np.sqrt(np.maximum(curvature, tiny)))[:, :, None]

    def value_and_gradient(self, v: Floats) -> tuple[Floats, Floats]:
        """Returns the objective (B, S) and its gradient in v."""
        w = self.scale * v
        blocks, strengths, n_labels, width = w.shape
        flat = w.reshape(blocks, -1, width) @ self.columns
        p = flat.reshape(blocks, strengths, n_labels, -1)
        p -= p.max(2, keepdims=True)
        soft = self.at is None
        hit = (p * self.targets[:, None]).sum(2) if soft else p[self.at].swapaxes(1, 2)
        np.exp(p, out=p)
        total = p.sum(2)
        loss = dot(np.log(total) - hit, self.cost)
        p *= (self.cost / total)[:, :, None]
        if soft:
            p -= self.cost[:, :, None] * self.targets[:, None]
        else:
            p[self.at] -= self.cost.swapaxes(1, 2)
        gradient = (flat @ self.rows).reshape(w.shape)
        penalised = self.penalty * w
        gradient += penalised
        gradient *= self.scale
        return loss + 0.5 * dot(w, penalised), gradient


def dot(a: Floats, b: Floats) -> Floats:
    """Inner products of each problem: (B, S, …) → (B, S)."""
    blocks, strengths = a.shape[:2]
    left, right = a.reshape(blocks, strengths, 1, -1), b.reshape(blocks, strengths, -1, 1)
    return np.asarray((left @ right)[..., 0, 0])


class _History:
    """L-BFGS of each problem in its compact form (Byrd, Nocedal & Schnabel 1994, theorem 2.2)."""

    def __init__(self, like: Floats) -> None:
        shape = like.shape[:2]
        self.pairs = np.zeros((*shape, 2 * MEMORY, like[0, 0].size), like.dtype)
        """Changes of the gradient at even, steps at odd positions, the oldest first."""
        self.inverse = np.zeros((*shape, MEMORY, MEMORY))
        """Inverse of the upper triangle of step · change."""
        self.changes = np.zeros((*shape, MEMORY, MEMORY))
        """change · change."""
        self.products = np.zeros((*shape, MEMORY, 1))
        """step · change of each pair."""
        self.gamma = np.ones((*shape, 1, 1))
        self.count = 0

    def direction(self, gradient: Floats, step: Floats | None, change: Floats | None) -> Floats:
        """Adds a pair (step, change of the gradient) and returns −H·gradient."""
        if step is None or change is None:
            return -gradient
        flat = gradient.reshape(*gradient.shape[:2], -1)
        by_change, by_step = self._added(step.reshape(flat.shape), change.reshape(flat.shape), flat)
        n = self.count
        inverse, changes = self.inverse[..., :n, :n], self.changes[..., :n, :n]
        u = inverse @ by_step
        inner = self.products[:, :, :n] * u + self.gamma * (changes @ u - by_change)
        shares = np.empty((*flat.shape[:2], 1, 2 * n), flat.dtype)
        shares[:, :, 0, ::2] = (self.gamma * u)[..., 0]
        shares[:, :, 0, 1::2] = (inverse.swapaxes(2, 3) @ -inner)[..., 0]
        moved = (shares @ self.pairs[:, :, : 2 * n])[:, :, 0]
        return (moved - self.gamma[..., 0].astype(flat.dtype) * flat).reshape(gradient.shape)

    def _added(self, step: Floats, change: Floats, gradient: Floats) -> tuple[Floats, Floats]:
        """Adds a pair; returns the products of all changes and steps with the gradient.

        A problem without positive curvature gets a pair of zeros, which has no effect.
        """
        if self.count == MEMORY:
            self.count -= 1
            self.pairs[:, :, :-2] = self.pairs[:, :, 2:]
            self.products[:, :, :-1] = self.products[:, :, 1:]
            for square in (self.inverse, self.changes):
                square[..., :-1, :-1] = square[..., 1:, 1:]
        k, self.count = self.count, self.count + 1
        new, pairs = self.pairs[:, :, 2 * k :], self.pairs[:, :, : 2 * k + 2]
        new[:, :, 0], new[:, :, 1] = change, step
        # Float64 from here on: the triangle's inverse may be badly conditioned.
        dots = (pairs @ np.stack([change, gradient], -1)).astype(np.float64)
        usable = dots[:, :, -1, 0] > np.finfo(step.dtype).eps * dots[:, :, -2, 0]
        if not usable.all():
            new[:, :, :2] *= usable[..., None, None]
            dots[:, :, -2:] *= usable[..., None, None]
            dots[..., 0] *= usable[..., None]
        product = np.where(usable, dots[:, :, -1, 0], 1)[..., None]
        column = self.inverse[..., :k, :k] @ dots[:, :, 1:-1:2, :1]
        self.inverse[..., :k, k] = column[..., 0] / -product
        self.inverse[..., k, :k] = 0
        self.inverse[..., k, k] = 1 / product[..., 0]
        self.changes[..., k, : k + 1] = self.changes[..., : k + 1, k] = dots[:, :, ::2, 0]
        self.products[..., k, :] = product
        gamma = product / np.where(usable, dots[:, :, -2, 0], 1)[..., None]
        self.gamma = np.where(usable[..., None, None], gamma[..., None], self.gamma)
        return dots[:, :, ::2, 1:], dots[:, :, 1::2, 1:]

    def keep(self, stay: Ints) -> None:
        """Drops all problems but these."""
        for name in ("pairs", "inverse", "changes", "products", "gamma"):
            setattr(self, name, getattr(self, name)[:, stay])


def _minimise(problem: _Problem, tolerance: float, start: Fit | None) -> tuple[Floats, Bools]:
    """Returns W and b, shape (B, S, K, r + 1), and what has converged, (B, S)."""
    n_labels = problem.slope.shape[1]
    value: Floats = problem.cost.sum(-1) * np.log(problem.slope.dtype.type(n_labels))  # at v = 0
    gradient: Floats = problem.scale * problem.strengths[..., None] * problem.slope[:, None]
    solution, converged = np.zeros_like(gradient), np.zeros(value.shape, np.bool_)
    active, strengths = np.arange(value.shape[1]), problem.strengths[:, 0]
    v = np.zeros_like(gradient)
    # Without signal the gradient is rounding noise from the start.
    noise = (32 * np.finfo(v.dtype).eps) ** 2 * n_labels * problem.cost.sum(-1)
    goal = tolerance**2 * dot(gradient, gradient) + noise
    if start is not None:
        begin = np.concatenate([start.coef, start.intercept[..., None, :]], axis=-2)
        v = begin.reshape(-1, *begin.shape[2:]).swapaxes(2, 3).astype(v.dtype) / problem.scale
        value, gradient = problem.value_and_gradient(v)
    history, step, change = _History(v), None, None
    for _ in range(MAX_ITERATIONS):
        done = dot(gradient, gradient) <= goal
        converged[:, active] = done
        stay = np.flatnonzero(~done.all(0))
        if len(stay) < len(active):
            solution[:, active] = problem.scale * v
            problem.keep(strengths[active[stay]])
            history.keep(stay)
            active, v, gradient = active[stay], v[:, stay], gradient[:, stay]
            value, goal, done = value[:, stay], goal[:, stay], done[:, stay]
            if step is not None and change is not None:
                step, change = step[:, stay], change[:, stay]
        if not len(active):
            break
        direction = history.direction(gradient, step, change)
        step, value, after, stuck = _search(problem, v, value, gradient, direction, done)
        goal = np.where(stuck, np.inf, goal)
        change = after - gradient
        v, gradient = v + step, after
    solution[:, active] = problem.scale * v
    return solution, converged


def _search(
    problem: _Problem, v: Floats, value: Floats, gradient: Floats, direction: Floats, done: Bools
) -> tuple[Floats, Floats, Floats, Bools]:
    """Steps along a direction, shortened while the objective does not fall (Armijo)."""
    slope = dot(direction, gradient)
    length = np.where(done, 0, 1).astype(v.dtype)
    slack = 4 * np.finfo(v.dtype).eps * np.abs(value)  # a change within rounding counts as a fall
    for _ in range(20):
        step = length[..., None, None] * direction
        new, after = problem.value_and_gradient(v + step)
        failed = new > value + 1e-4 * length * slope + slack
        if not failed.any():
            break
        length = np.where(failed, length / 4, length)
    # A problem that no step improves has reached the limit of rounding: it stays where it is.
    if failed.any():
        step = np.where(failed, 0, length)[..., None, None] * direction
        new, after = problem.value_and_gradient(v + step)
    return step, new, after, failed


def principal_axes(features: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Returns the principal axes of centred rows (n, d), shape (d, rank), the strongest first.

    The solution of a ridge regression is in their span, so ``features @ axes`` gives the same
    predictions with at most min(n, d) columns.
    """
    n, d = features.shape
    if n < d:
        values, left = np.linalg.eigh(features @ features.T)
        keep = values > max(values[-1], 0) * 1e-10 * d
        axes = features.T @ (left[:, keep] / np.sqrt(values[keep]))
    else:
        values, axes = np.linalg.eigh(features.T @ features)
        axes = axes[:, values > max(values[-1], 0) * 1e-10 * d]
    return np.ascontiguousarray(axes[:, ::-1])
