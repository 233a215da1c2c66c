"""The two sides of a comparison: which cells they are, and which of them are paired."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...errors import SettingsError, did_you_mean
from ...evaluation.families import filters
from ...records.record import read_records
from ..groups import CellId, Group, axes_of, newest, unlike


def chosen(side: str, folder: Path) -> tuple[dict[CellId, Group], list[str]]:
    """Returns the cells of a side: those of a place, or those that filters pick in a folder.

    Beside them stands what could not be read there, in sentences.

    Raises:
        SettingsError: a filter names no axis, or no value that is there.
    """
    place = Path(side)
    by_place = "=" not in side or place.exists()
    reading = read_records([place if by_place else folder])
    groups = newest(reading.records)
    return groups if by_place else filtered(groups, side, folder), reading.left_out


def filtered(groups: dict[CellId, Group], side: str, folder: Path) -> dict[CellId, Group]:
    """Returns the cells that fit all filters.

    Raises:
        SettingsError: a filter names no axis, or no value that is there.
    """
    for axis, value in filters(side):
        known = {name for group in groups.values() for name in axes_of(group.first)}
        if axis not in known:
            raise SettingsError(
                f"No record in {folder} has the axis '{axis}'.{did_you_mean(axis, known)} There "
                f"are: {', '.join(sorted(known))}."
            )
        values = {axes_of(group.first).get(axis, "") for group in groups.values()} - {""}
        groups = {c: g for c, g in groups.items() if axes_of(g.first).get(axis) == value}
        if not groups:
            raise SettingsError(
                f"No record in {folder} has {axis}={value}.{did_you_mean(value, values)} There "
                f"are: {', '.join(sorted(values))}."
            )
    return groups


def pairs(
    a: dict[CellId, Group], b: dict[CellId, Group]
) -> tuple[list[tuple[str, Group, Group]], list[str]]:
    """Pairs of cells that agree in all but what tells the sides apart."""
    if len(a) == len(b) == 1:
        one, other = next(iter(a.values())), next(iter(b.values()))
        why = _hindrance(one, other)
        what = one.cell.dataset
        return ([(what, one, other)], []) if why is None else ([], [why])
    ignored = _distinguishing(a, b)
    # What all cells share tells none of them apart.
    if len({_axes(group)["experiment"] for side in (a, b) for group in side.values()}) == 1:
        ignored.add("experiment")
    places = [{_rest(group, ignored): group for group in side.values()} for side in (a, b)]
    matched, left_out = [], []
    for rest, one in places[0].items():
        match = places[1].get(rest)
        shown = ", ".join(rest)
        why = "only on the first side" if match is None else _hindrance(one, match)
        if match is not None and why is None:
            matched.append((shown, one, match))
        else:
            left_out.append(f"{shown}: {why}")
    left_out += [
        f"{', '.join(rest)}: only on the second side"
        for rest in places[1].keys() - places[0].keys()
    ]
    return matched, sorted(left_out)


def _hindrance(a: Group, b: Group) -> str | None:
    """Says why two cells are no pair; one damaged file leaves the other pairs as they are."""
    faults = [group.fault for group in (a, b) if group.has_predictions and group.fault]
    return faults[0] if faults else unlike(a, b)


def _distinguishing(a: dict[CellId, Group], b: dict[CellId, Group]) -> set[str]:
    """Axes in which no cell of one side agrees with any of the other."""
    axes = [_axes(group) for side in (a, b) for group in side.values()]
    names = {name for found in axes for name in found}
    return {
        name
        for name in names
        if not {_axes(g).get(name) for g in a.values()} & {_axes(g).get(name) for g in b.values()}
    }


def _axes(group: Group) -> dict[str, Any]:
    found = dict(axes_of(group.first))
    found.pop("group", None)
    return {**found, "dataset": f"{group.cell.dataset} {group.cell.target or ''}".strip()}


def _rest(group: Group, ignored: set[str]) -> tuple[str, ...]:
    """What two cells of a pair have in common, in words."""
    found = _axes(group)
    kept = [f"{axis}={value}" for axis, value in sorted(group.first.axes.items())]
    kept += [f"{name}={found[name]}" for name in ("control", "experiment")]
    shown = [text for text in kept if text.partition("=")[0] not in ignored]
    return (*(text for text in shown if text != "control=none"), str(found["dataset"]))
