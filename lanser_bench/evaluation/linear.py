"""Many small multinomial logistic regressions at once, the same optimum as scikit-learn's.

A label-efficiency study fits thousands of regressions on the same rows, for each strength, inner
fold and layer. Here they are columns of one matrix product. For every problem p

    minimise over W, b:  ½‖W‖² + Σ_i c_ip · (−log softmax(W z_i + b)[y_i]),  c_ip = C_p · weight_ip

by L-BFGS (Nocedal 1980) in coordinates where the Hessian at W = 0 is near the identity: the
features are rotated into the eigenvectors of the training side, and coordinate j is scaled by
1/√(1 + λ_jp / K), since there the softmax curvature is exactly (I − 11ᵀ/K)/K. The first step is
then Newton's. Converged problems leave the batch. The intercept is not penalised.

With two labels W has two opposite rows, so C here is scikit-learn's 2C (it fits one row).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.int64]

MEMORY = 8
"""Pairs kept by L-BFGS."""
MAX_ITERATIONS = 500
"""A problem that needs more is reported in `Fit.converged`."""


@dataclass(frozen=True, slots=True)
class Fit:
    """Coefficients of G × P regressions over r features and K labels."""

    coef: Floats
    """Shape (G, r, P, K)."""
    intercept: Floats
    """Shape (G, P, K)."""
    converged: npt.NDArray[np.bool_]
    """Shape (G, P)."""

    def logits(self, features: Floats) -> Floats:
        """Scores of new rows: (G, n, r) → (G, n, P, K)."""
        groups, _, problems, labels = self.coef.shape
        flat = self.coef.reshape(groups, -1, problems * labels)
        logits = features.astype(flat.dtype, copy=False) @ flat
        shaped = logits.reshape(groups, features.shape[1], problems, labels)
        return np.asarray(shaped + self.intercept[:, None])


def fit_batch(
    features: Floats,
    labels: Ints | Floats,
    weights: Floats,
    strengths: npt.ArrayLike,
    n_labels: int,
    *,
    tolerance: float = 1e-6,
    dtype: type[np.floating[Any]] = np.float64,
    start: Fit | None = None,
) -> Fit:
    """Fits G × P regressions.

    Args:
        features: standardised rows, shape (G, n, r): the same utterances in G layers. Rotated into
            principal axes (`principal_axes`) they converge fastest.
        labels: shape (n,); or distributions over the labels, shape (n, K): the loss of a row is
            then the cross-entropy Σ_k t_k · (−log softmax_k), as if it were K rows with one label
            each, weighted by t_k.
        weights: weight of each row in each problem, shape (n, P); 0 leaves a row out.
        strengths: C of each problem, shape (P,).
        n_labels: size K of the label set.
        tolerance: a problem has converged when the norm of its preconditioned gradient is below
            this share of the norm at W = 0.
        dtype: float32 is precise enough to choose a strength, and twice as fast.
        start: a nearby solution to start from; it changes the time, not the optimum.
    """
    cost = np.asarray(weights) * np.asarray(strengths)
    return _minimise(_Problem(features, labels, cost, n_labels, dtype), tolerance, start)


class _Problem:
    """The objective over preconditioned coefficients v of shape (G, r + 1, P·K)."""

    def __init__(
        self, features: Floats, labels: Ints | Floats, cost: Floats, n_labels: int, dtype: Any
    ) -> None:
        groups, n, _ = features.shape
        ones = np.ones((groups, n, 1), dtype)
        self.rows = np.concatenate([features.astype(dtype, copy=False), ones], axis=2)
        self.columns = np.ascontiguousarray(self.rows.transpose(0, 2, 1))
        self.n_labels = n_labels
        given = np.asarray(labels)
        self.votes = given.astype(dtype)[:, None] if given.ndim == 2 else None
        self.labels = np.zeros(0, np.int64) if given.ndim == 2 else given.astype(np.int64)
        self.cost = np.ascontiguousarray(cost, dtype)
        self.penalty = np.ones((self.rows.shape[2], 1), dtype)
        self.penalty[-1] = 0
        curvature = np.square(self.columns) @ self.cost / n_labels  # (G, r + 1, P)
        tiny = np.finfo(dtype).tiny
        scale = 1 / np.sqrt(np.maximum(self.penalty + curvature, tiny))
        self.scale = np.repeat(scale, n_labels, axis=2).astype(dtype)

    @property
    def shape(self) -> tuple[int, int, int]:
        """G, r + 1, P·K."""
        return self.scale.shape[0], self.scale.shape[1], self.scale.shape[2]

    def value_and_gradient(self, v: Floats) -> tuple[Floats, Floats]:
        """Returns the objective (G, P) and its gradient in v."""
        w = self.scale * v
        logits = self.rows @ w
        groups, n, width = logits.shape
        p = logits.reshape(groups, n, width // self.n_labels, self.n_labels)
        p -= p.max(-1, keepdims=True)
        if self.votes is not None:
            hit = (p * self.votes).sum(-1)
        else:
            hit = np.take_along_axis(p, self.labels[None, :, None, None], -1)[..., 0]
        np.exp(p, out=p)
        total = p.sum(-1)
        loss = ((np.log(total) - hit) * self.cost).sum(1)
        p *= (self.cost / total)[..., None]
        if self.votes is not None:
            p -= self.cost[..., None] * self.votes
        else:
            index = (slice(None), np.arange(n), slice(None), self.labels)
            p[index] -= self.cost[:, None, :]
        penalised = self.penalty * w
        value = loss + 0.5 * self.per_problem(w * penalised)
        return value, self.scale * (self.columns @ logits + penalised)

    def per_problem(self, products: Floats) -> Floats:
        """Sums (G, r + 1, P·K) over coefficients → (G, P)."""
        summed = products.sum(1)
        return np.asarray(summed.reshape(len(summed), -1, self.n_labels).sum(-1))

    def spread(self, per_problem: Floats) -> Floats:
        """Expands (G, P) to (G, 1, P·K), to multiply coefficients by."""
        return np.repeat(per_problem, self.n_labels, axis=1)[:, None]

    def keep(self, problems: Ints) -> None:
        """Drops all problems but these."""
        self.cost = np.ascontiguousarray(self.cost[:, problems])
        self.scale = np.ascontiguousarray(self.scale[..., self.columns_of(problems)])

    def columns_of(self, problems: Ints) -> Ints:
        """Returns the positions of some problems' coefficients on the last axis."""
        return np.asarray((problems[:, None] * self.n_labels + np.arange(self.n_labels)).ravel())


class _History:
    """The last pairs (step, change of gradient) of each problem."""

    def __init__(self, problem: _Problem) -> None:
        self.problem = problem
        self.pairs: list[tuple[Floats, Floats, Floats]] = []
        self.gamma: Floats | None = None

    def add(self, step: Floats, change: Floats) -> None:
        """Adds a pair; a problem without positive curvature ignores it."""
        product = self.problem.per_problem(step * change)
        size = self.problem.per_problem(np.square(change))
        usable = product > np.finfo(product.dtype).eps * size
        rho = np.where(usable, 1 / np.where(usable, product, 1), 0).astype(step.dtype)
        old = np.ones_like(rho) if self.gamma is None else self.gamma
        self.gamma = np.where(usable, product / np.where(size > 0, size, 1), old)
        self.pairs = [*self.pairs[-(MEMORY - 1) :], (step, change, rho)]

    def direction(self, gradient: Floats) -> Floats:
        """−H·gradient by the two-loop recursion."""
        problem, q = self.problem, gradient.copy()
        shares = []
        for step, change, rho in reversed(self.pairs):
            share = rho * problem.per_problem(step * q)
            q -= problem.spread(share) * change
            shares.append(share)
        if self.gamma is not None:
            q *= problem.spread(self.gamma)
        for (step, change, rho), share in zip(self.pairs, reversed(shares), strict=True):
            q += problem.spread(share - rho * problem.per_problem(change * q)) * step
        return -q

    def keep(self, problems: Ints, columns: Ints) -> None:
        """Drops all problems but these."""

        def part(values: Floats) -> Floats:
            return np.ascontiguousarray(values[..., columns])

        self.pairs = [(part(s), part(y), rho[:, problems]) for s, y, rho in self.pairs]
        if self.gamma is not None:
            self.gamma = self.gamma[:, problems]


def _minimise(problem: _Problem, tolerance: float, start: Fit | None) -> Fit:
    groups, width, _ = problem.shape
    n_problems, n_labels = problem.cost.shape[1], problem.n_labels
    solution = np.zeros((groups, width, n_problems, n_labels), problem.scale.dtype)
    converged = np.zeros((groups, n_problems), np.bool_)
    active = np.arange(n_problems)
    v = np.zeros(problem.shape, problem.scale.dtype)
    value, gradient = problem.value_and_gradient(v)
    # Without signal the gradient is rounding noise from the start.
    noise = (32 * np.finfo(v.dtype).eps) ** 2 * n_labels * problem.cost.sum(0)
    goal = tolerance**2 * problem.per_problem(np.square(gradient)) + noise
    if start is not None:
        begin = np.concatenate([start.coef, start.intercept[:, None]], axis=1)
        v = begin.reshape(problem.shape).astype(v.dtype) / problem.scale
        value, gradient = problem.value_and_gradient(v)
    history = _History(problem)
    for _ in range(MAX_ITERATIONS):
        size = problem.per_problem(np.square(gradient))
        done = size <= goal
        converged[:, active] = done
        stay = np.flatnonzero(~done.all(0))
        # Removing problems copies all arrays, so it waits until it pays.
        if len(stay) <= 0.75 * len(active):
            weights = (problem.scale * v).reshape(groups, width, len(active), n_labels)
            solution[:, :, active] = weights
            columns = problem.columns_of(stay)
            problem.keep(stay)
            history.keep(stay, columns)
            active, v = active[stay], np.ascontiguousarray(v[..., columns])
            gradient, value = gradient[..., columns], value[:, stay]
            goal, done = goal[:, stay], done[:, stay]
        if not len(active):
            break
        step, value, after, stuck = _search(problem, v, value, gradient, history, done)
        goal = np.where(stuck, np.inf, goal)
        history.add(step, after - gradient)
        v, gradient = v + step, after
    if len(active):
        weights = (problem.scale * v).reshape(groups, width, len(active), n_labels)
        solution[:, :, active] = weights
    return Fit(solution[:, :-1], solution[:, -1], converged)


def _search(
    problem: _Problem,
    v: Floats,
    value: Floats,
    gradient: Floats,
    history: _History,
    done: npt.NDArray[np.bool_],
) -> tuple[Floats, Floats, Floats, npt.NDArray[np.bool_]]:
    """Steps along the L-BFGS direction, shortened while the objective does not fall (Armijo)."""
    direction = history.direction(gradient)
    slope = problem.per_problem(direction * gradient)
    length = np.where(done, 0, 1).astype(v.dtype)
    slack = 4 * np.finfo(v.dtype).eps * np.abs(value)  # a change within rounding counts as a fall
    for _ in range(20):
        step = problem.spread(length) * direction
        new, after = problem.value_and_gradient(v + step)
        failed = new > value + 1e-4 * length * slope + slack
        if not failed.any():
            break
        length = np.where(failed, length / 4, length)
    # A problem that no step improves has reached the limit of rounding: it stays where it is.
    if failed.any():
        step = problem.spread(np.where(failed, 0, length)) * direction
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
