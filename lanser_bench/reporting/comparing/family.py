"""Whether a comparison was declared before the run, and what else is in its family."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...errors import LanserError
from ...evaluation.contrast import Contrast
from ...evaluation.families import Declared, MetricName
from ...records.record import read_records
from ..groups import CellId, Group, declared_in, newest
from .sides import filtered, pairs

Groups = dict[CellId, Group]


@dataclass(frozen=True)
class Family:
    """What the records of both sides declared."""

    declared: tuple[Declared, ...] = ()
    """All that any of them declared."""
    confirmatory: bool = False
    """Whether this comparison is one of them, in every record of it."""
    others: tuple[float, ...] = ()
    """p-values of the family's other tests; 1 for what has no records, so that it counts too."""


def family_of(
    sides: Sequence[Groups], metric: MetricName, budget: str | None, places: Sequence[Path]
) -> Family:
    """Looks a comparison up in the declarations of its records.

    Args:
        sides: the cells of both sides.
        metric: the score.
        budget: the label budget.
        places: where the records of the family's other comparisons lie.

    Raises:
        LanserError: a record or its predictions cannot be read.
    """
    records = [r for side in sides for g in side.values() for _, r in g.members.values()]
    declared = declared_in(records)
    if not declared:
        return Family()
    pool = newest(read_records(places).records)
    wanted = {_seeds(sides[0]), _seeds(sides[1])}
    mine: Declared | None = None
    for one in declared:
        picked = _picked(one, pool, places[0])
        same = picked is not None and {_seeds(side) for side in picked} == wanted
        if same and (one.metric, one.budget) == (metric, budget):
            mine = one
    if mine is None or any(mine not in record.comparisons for record in records):
        return Family(declared)
    others = [p for one in declared if one != mine for p in _tests(one, pool, places[0])]
    return Family(declared, True, tuple(others))


def _seeds(side: Groups) -> frozenset[tuple[CellId, frozenset[int | None]]]:
    return frozenset((cell, frozenset(group.members)) for cell, group in side.items())


def _picked(one: Declared, pool: Groups, folder: Path) -> list[Groups] | None:
    try:
        return [filtered(pool, side, folder) for side in (one.a, one.b)]
    except LanserError:  # not run, or not yet
        return None


def _tests(one: Declared, pool: Groups, folder: Path) -> list[float]:
    picked = _picked(one, pool, folder)
    matched = [] if picked is None else pairs(*picked)[0]
    found = []
    for _, a, b in matched:
        sides = [a.side(one.metric, one.budget), b.side(one.metric, one.budget)]
        p_value = Contrast(sides, [1.0, -1.0]).p_value()
        found.append(1.0 if p_value is None else p_value)
    return found or [1.0]
