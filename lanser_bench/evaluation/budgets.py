"""Label budgets: nested, class-stratified subsets of a training side."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..errors import SettingsError
from .arrays import Ints
from .folds import ordinal


@dataclass(frozen=True, slots=True)
class Budget:
    """Labels that may be used: a share of the training side, or a number per class."""

    fraction: float | None = None
    per_class: int | None = None

    @property
    def name(self) -> str:
        """``"10%"`` or ``"k=5"``."""
        if self.per_class is not None:
            return f"k={self.per_class}"
        return f"{100 * (self.fraction or 0):.6g}%"

    def size(self, available: int) -> int:
        """Returns the labels to take of one class with `available` labels: at least one if any."""
        if self.per_class is not None:
            return min(self.per_class, available)
        # Rounding half up keeps sizes monotone in the fraction, so that subsets nest.
        return min(available, max(1, int(available * (self.fraction or 0) + 0.5)))


def parse_budget(value: float | str) -> Budget:
    """Reads a budget: a fraction in (0, 1], or ``"k=5"``.

    Raises:
        SettingsError: it is neither.
    """
    if isinstance(value, str):
        match = re.fullmatch(r"k=([1-9]\d*)", value.replace(" ", ""))
        if match:
            return Budget(per_class=int(match[1]))
    elif 0 < value <= 1:
        return Budget(fraction=float(value))
    raise SettingsError(
        f"Budget {value!r} is neither a fraction in (0, 1], such as 0.1, nor a number of labels "
        "per class, such as 'k=5'."
    )


def checked_budgets(values: tuple[float | str, ...]) -> tuple[float | str, ...]:
    """Returns a setting's budgets; for validators: raises `ValueError` if one is invalid."""
    try:
        names = [parse_budget(value).name for value in values]
    except SettingsError as error:
        raise ValueError(str(error).rstrip(".")) from None
    if len(set(names)) < len(names):
        raise ValueError("duplicate budget")
    return values


def class_orders(
    ids: Sequence[str], labels: npt.ArrayLike, train: Ints, seed: int, fold: int, draw: int
) -> list[Ints]:
    """Orders the training utterances of each class: budgets take them from the front.

    All budgets of one draw use the same orders, so smaller subsets are part of larger ones, and
    each subset keeps the proportions of the classes. The order is by a hash of the evaluation's
    seed, the fold's number, the draw's number and the id.

    Returns:
        Positions within the whole set, for each class of the training side `train`.
    """
    label = np.asarray(labels)[train]
    rank = np.array([ordinal(seed, "budget", fold, draw, ids[p]) for p in train], np.uint64)
    order = np.argsort(rank, kind="stable")
    return [train[order[label[order] == c]] for c in np.unique(label)]


def subset(orders: Sequence[Ints], budget: Budget) -> Ints:
    """Returns the sorted positions that a budget takes from the orders of the classes."""
    return np.sort(np.concatenate([order[: budget.size(len(order))] for order in orders]))
