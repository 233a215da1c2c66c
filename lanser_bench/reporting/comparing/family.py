"""Whether a comparison was declared before the run, and the rest of its family."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ...errors import LanserError
from ...evaluation.contrast import difference
from ...evaluation.families import Declared
from ..groups import CellId, declared_in
from ..selection import Groups, Selection
from .responses import Response
from .sides import pairs


@dataclass(frozen=True)
class Family:
    """The comparisons that the records of both sides declared."""

    declared: tuple[Declared, ...] = ()
    """All that any of them declared."""
    confirmatory: bool = False
    """Whether this comparison is one of them, in every record of it."""
    others: tuple[float, ...] = ()
    """p-values of the family's other tests; a test without records counts as 1."""


def family_of(sides: Sequence[Groups], response: Response, pool: Callable[[], Selection]) -> Family:
    """Looks a comparison up in the declarations of its records.

    `pool` reads the records of the family's other comparisons, if any was declared.
    """
    records = [r for side in sides for g in side.values() for _, r in g.members.values()]
    declared = declared_in(records)
    if not declared:
        return Family()
    selection = pool()
    wanted = {_seeds(side) for side in sides}
    mine: Declared | None = None
    for one in declared:
        picked = picked_sides(one, selection)
        same = picked is not None and {_seeds(side) for side in picked} == wanted
        if same and (one.metric, one.budget) == (response.metric, response.budget):
            mine = one
    if mine is None or any(mine not in record.comparisons for record in records):
        return Family(declared)
    others = [p for one in declared if one != mine for p in _tests(one, selection)]
    return Family(declared, True, tuple(others))


def _seeds(side: Groups) -> frozenset[tuple[CellId, frozenset[int | None]]]:
    return frozenset((cell, frozenset(group.members)) for cell, group in side.items())


def picked_sides(one: Declared, selection: Selection) -> list[Groups] | None:
    """Returns both sides of a comparison; None if one of them has not been run."""
    try:
        return [selection.picked(side) for side in (one.a, one.b)]
    except LanserError:
        return None


def _tests(one: Declared, selection: Selection) -> list[float]:
    picked, response = picked_sides(one, selection), Response(one.metric, one.budget)
    p_values = [
        difference(*(response.side(cell) for cell in (a, b))).p_value()
        for _, a, b in (pairs(picked, response.hindrance)[0] if picked else [])
    ]
    return [1.0 if p is None else p for p in p_values] or [1.0]
