"""Label budgets: nested, class-stratified subsets of a training side."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

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
    """Reads a fraction in (0, 1], ``"10%"``, or ``"k=5"``; else it is a `SettingsError`."""
    fraction = value
    if isinstance(value, str):
        text = value.replace(" ", "")
        if match := re.fullmatch(r"k=([1-9]\d*)", text):
            return Budget(per_class=int(match[1]))
        percent = re.fullmatch(r"(\d+(?:\.\d+)?)%", text)
        # Decimal: the same float, and so the same key, as that of the fraction.
        fraction = float(Decimal(percent[1]) / 100) if percent else 0.0
    if 0 < float(fraction) <= 1:
        return Budget(fraction=float(fraction))
    raise SettingsError(
        f"Budget {value!r} is neither a fraction in (0, 1], such as 0.1 or '10%', nor a number of "
        "labels per class, such as 'k=5'."
    )


def checked_budgets(values: tuple[float | str, ...]) -> tuple[float | str, ...]:
    """Returns a setting's budgets, percentages as fractions; a `ValueError` if one is invalid."""
    try:
        budgets = [parse_budget(value) for value in values]
    except SettingsError as error:
        raise ValueError(str(error).rstrip(".")) from None
    if len({budget.name for budget in budgets}) < len(budgets):
        raise ValueError("duplicate budget")
    return tuple(b.fraction or v for b, v in zip(budgets, values, strict=True))


def class_orders(
    ids: Sequence[str], labels: npt.ArrayLike, train: Ints, seed: int, fold: int, draw: int
) -> list[Ints]:
    """Orders the training utterances of each class: budgets take them from the front.

    All budgets of one draw use the same orders, so smaller subsets are part of larger ones, and
    each subset keeps the proportions of the classes. The order is by a hash of the evaluation's
    seed, the fold's number, the draw's number and the id. Positions are within the whole set.
    """
    label = np.asarray(labels)[train]
    rank = np.array([ordinal(seed, "budget", fold, draw, ids[p]) for p in train], np.uint64)
    order = np.argsort(rank, kind="stable")
    return [train[order[label[order] == c]] for c in np.unique(label)]


def subset(orders: Sequence[Ints], budget: Budget) -> Ints:
    """Returns the sorted positions that a budget takes from the orders of the classes."""
    return np.sort(np.concatenate([order[: budget.size(len(order))] for order in orders]))
