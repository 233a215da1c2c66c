"""Checks of plugins whose result for an item must not depend on the other items of the batch."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import astuple, is_dataclass
from typing import Any, ClassVar

import numpy as np

from ._base import PluginSuite

BATCH_REMEDY = (
    "Compute each item from itself alone: no mean, scale, table or padding shared by the batch."
)


def difference(one: Any, other: Any, tolerance: float = 0.0) -> str:
    """Describes the first difference of two values; empty if there is none.

    Numbers may differ by `tolerance`; NaN equals NaN.
    """
    if is_dataclass(one) and not isinstance(one, type) and type(one) is type(other):
        one, other = astuple(one), astuple(other)
    if isinstance(one, str) or one is None:
        return "" if one == other else f"{one!r} became {other!r}"
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        one, other = list(one.items()), list(other.items())
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        if len(one) != len(other):
            return f"{len(one)} values became {len(other)}"
        found = (difference(a, b, tolerance) for a, b in zip(one, other, strict=True))
        return next(filter(None, found), "")
    first, second = np.asarray(one), np.asarray(other)
    if first.shape != second.shape:
        return f"shape {first.shape} became {second.shape}"
    if first.dtype.kind not in "fiub":
        return "" if (first == second).all() else f"{one!r} became {other!r}"
    if np.allclose(first, second, rtol=0, atol=tolerance, equal_nan=True):
        return ""
    apart = np.abs(np.subtract(first, second, dtype=np.float64))
    return f"a number differs by {np.nanmax(apart) if np.isfinite(apart).any() else np.nan:.3g}"


class BatchSuite(PluginSuite):
    """Base of the suites of plugins that get batches."""

    tolerance: ClassVar[float] = 1e-5
    """Largest difference of a number that other items in the batch may cause."""
    ties: ClassVar[int] = 0
    """Items whose result other items may change, because rounding decides between two words."""

    @abstractmethod
    def items(self) -> Sequence[Any]:
        """Returns the usual batch, with no more than the plugin reads."""

    @abstractmethod
    def run(self, plugin: Any, items: Sequence[Any]) -> list[Any]:
        """Returns the result of each item, after checks of its form."""

    def use(self, plugin: Any) -> list[Any]:
        """Runs the usual batch."""
        return self.run(plugin, deepcopy(self.items()))

    def full_items(self) -> Sequence[Any] | None:
        """Returns the usual batch with all fields filled; None if there are no others."""
        return None

    def large_batch(self) -> Sequence[Any]:
        """Returns a large batch that begins and ends with the usual one."""
        return [*self.items(), *self.items()]

    def alike(self) -> Sequence[Any] | None:
        """Returns a batch in which no item needs padding; None for the usual batch."""
        return None

    def _same(
        self, what: str, rows: list[Any], other: list[Any], remedy: str = BATCH_REMEDY
    ) -> None:
        """Requires equal results of the same items, within the tolerance and but for ties."""
        pairs = enumerate(zip(rows, other, strict=True))
        changed = {n: d for n, (a, b) in pairs if (d := difference(a, b, self.tolerance))}
        number, found = next(iter(changed.items()), (0, ""))
        self.require(
            len(changed) <= self.ties,
            f"{what}, {len(changed)} of {len(rows)} items changed; item {number}: {found}.",
            remedy,
        )

    def _again(self) -> tuple[list[Any], list[Any], str]:
        """Results of the reversed batch and of the usual one, and changes of its input."""

        def compute() -> tuple[list[Any], list[Any], str]:
            self._first()
            turned = self.run(self.plugin, deepcopy(self.items()[::-1]))
            given = deepcopy(self.items())
            return turned, self.run(self.plugin, given), difference(self.items(), given)

        return self.kept("again", compute)

    def test_it_is_deterministic(self) -> None:
        """The same input gives the same result from every instance, whatever the random state."""
        found = difference(self._first(), self._fresh()[0])
        self.require(
            not found,
            f"A new instance with the same options, under another global seed, differs: {found}.",
            "Seed a generator of your own from the options or the item; iterate over sorted sets.",
        )

    def test_it_keeps_its_input(self) -> None:
        """A plugin does not change what it is given."""
        changed = self._again()[2]
        self.require(
            not changed,
            f"The input was changed in place: {changed}.",
            "Work on a copy; the harness uses the same arrays again.",
        )

    def test_it_keeps_no_state(self) -> None:
        """Earlier calls do not change a result."""
        found = difference(self._first(), self._again()[1])
        self.require(
            not found,
            f"The same batch gave other results after another batch: {found}.",
            "Keep only weights between calls; a cache must name everything that it depends on.",
        )

    def test_it_keeps_the_order(self) -> None:
        """Results are in the order of the batch."""
        first, turned = self._first(), self._again()[0]
        ordered = difference(first, turned, self.tolerance)
        self.require(
            ordered or not difference(first, turned[::-1], self.tolerance),
            "A reversed batch gave the results in the same order as before.",
            "Sort inside, for instance by length, only if you undo it before you return.",
        )

    def test_neighbours_change_nothing(self) -> None:
        """An item has the same result alone and among others."""
        alike = self.alike()
        items = self.items() if alike is None else alike
        together = self._first() if alike is None else self.run(self.plugin, deepcopy(items))
        alone = [self.run(self.plugin, [deepcopy(item)])[0] for item in items]
        self._same("Alone instead of among others", together, alone)

    def test_repeats_in_a_large_batch_change_nothing(self) -> None:
        """A batch of any size is accepted, and may hold equal items."""
        usual, large = self._first(), self.large_batch()
        rows = self.run(self.plugin, deepcopy(large))
        size = len(usual)
        self._same(f"At the start of a batch of {len(large)}", usual, rows[:size])
        self._same(f"Repeated in a batch of {len(large)}", usual, rows[-size:])

    def test_it_reads_only_what_it_declares(self) -> None:
        """`reads` names every field that can change a result."""
        full = self.full_items()
        if full is None:
            return
        rows = self.run(self.plugin, deepcopy(full))
        found = difference(self._first(), rows, self.tolerance)
        self.require(
            not found,
            f"The result changes with a field that `reads` does not name: {found}.",
            "Add the field to `reads`, or do not use it: the harness leaves other fields blank.",
        )
