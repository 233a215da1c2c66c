"""Merges cells with the same numbers: a control needs no copy per labeler."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from ...errors import SettingsError
from .plan import Cell


def merged(cells: Sequence[Cell]) -> list[Cell]:
    """Returns distinct cells, main ones first; merged ones keep the axes they agree on.

    Raises:
        SettingsError: two different cells have the same name.
    """
    groups: dict[tuple[str | None, str], list[Cell]] = {}
    for cell in cells:
        groups.setdefault((cell.control, cell.key), []).append(cell)
    found = [_one(group) for group in groups.values()]
    shared = Counter(cell.name for cell in found)
    # Where too few axes are left to tell two cells apart, they keep those of their first points.
    found = [
        group[0] if shared[cell.name] > 1 else cell
        for cell, group in zip(found, groups.values(), strict=True)
    ]
    name, times = Counter(cell.name for cell in found).most_common(1)[0]
    if times > 1:
        raise SettingsError(f"Two different cells are both named '{name}'.")
    return sorted(found, key=lambda cell: cell.role == "control")


def _one(group: list[Cell]) -> Cell:
    first = group[0]
    if len(group) == 1:
        return first
    shared = {
        axis: value
        for axis, value in first.axes.items()
        if all(cell.axes.get(axis) == value for cell in group)
    }
    return replace(first, axes=shared)
