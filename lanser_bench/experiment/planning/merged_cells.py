"""Merges cells with the same numbers: a control is not repeated for each labeler."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from ...errors import SettingsError
from .plan import Cell


def merged(cells: Sequence[Cell]) -> list[Cell]:
    """Returns distinct cells, main ones first; merged cells keep the axes they agree on.

    Raises:
        SettingsError: two different cells have the same name.
    """
    groups: dict[tuple[str | None, str], list[Cell]] = {}
    for cell in cells:
        groups.setdefault((cell.control, cell.key), []).append(cell)
    distinct = [_one(group) for group in groups.values()]
    times = Counter(cell.name for cell in distinct)
    # Cells that the shared axes do not distinguish keep the axes of their first points.
    distinct = [
        group[0] if times[cell.name] > 1 else cell
        for cell, group in zip(distinct, groups.values(), strict=True)
    ]
    name, most = Counter(cell.name for cell in distinct).most_common(1)[0]
    if most > 1:
        raise SettingsError(f"Two different cells have the name '{name}'.")
    return sorted(distinct, key=lambda cell: cell.role == "control")


def _one(group: list[Cell]) -> Cell:
    first, *others = group
    axes = first.axes.items()
    shared = {a: value for a, value in axes if all(cell.axes.get(a) == value for cell in others)}
    return replace(first, axes=shared) if others else first
