"""Pairs the cells of two sides that agree in everything else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from ...evaluation.families import filters
from ...records.names import MAIN, Names
from ..groups import Group, axes_of
from ..selection import Groups

ALONE = ("only on the first side", "only on the second side")


def pairs(
    sides: Sequence[Groups], hindrance: Callable[[Group, Group], str | None]
) -> tuple[list[tuple[str, Group, Group]], list[str]]:
    """Returns pairs of cells with what they share, and sentences on the unpaired cells.

    `hindrance` returns why two cells cannot be paired, such as `Response.hindrance`.
    """
    a, b = sides
    if len(a) == len(b) == 1:
        one, other = next(iter(a.values())), next(iter(b.values()))
        why = hindrance(one, other)
        return ([(one.cell.dataset, one, other)], []) if why is None else ([], [why])
    ignored = _distinguishing(a, b)
    # An experiment that all cells share distinguishes none of them.
    if len({_axes(group)["experiment"] for side in (a, b) for group in side.values()}) == 1:
        ignored.add("experiment")
    names = Names(group.first for side in (a, b) for group in side.values())
    alone = len({_axes(group)["dataset"] for side in (a, b) for group in side.values()}) == 1
    first, second = ({_shared(g, ignored): g for g in side.values()} for side in (a, b))
    matched, left_out = [], []
    for shared, one in first.items():
        match, text = second.get(shared), _what(names, one, ignored, alone)
        why = ALONE[0] if match is None else hindrance(one, match)
        if match is not None and why is None:
            matched.append((text, one, match))
        else:
            left_out.append(f"{text}: {why}")
    left_out += [
        f"{_what(names, group, ignored, alone)}: {ALONE[1]}"
        for shared, group in second.items()
        if shared not in first
    ]
    return matched, sorted(left_out)


def _what(names: Names, group: Group, ignored: set[str], alone: bool) -> str:
    """Returns what two cells of a pair share, in words."""
    name, dataset = names.name(group.first, ignored), _axes(group)["dataset"]
    return dataset if name == MAIN else name if alone else f"{name} on {dataset}"


def shared_axes(a: Group, b: Group) -> dict[str, str]:
    """Returns the axes on which two cells agree, with their values in records."""
    theirs = _axes(b)
    return {axis: value for axis, value in _axes(a).items() if theirs.get(axis) == value}


def _distinguishing(a: Groups, b: Groups) -> set[str]:
    """Axes in which no cell of one side agrees with any cell of the other."""
    sides = [[_axes(group) for group in side.values()] for side in (a, b)]
    names = {name for axes in (*sides[0], *sides[1]) for name in axes}
    ours, theirs = ({n: {axes.get(n) for axes in side} for n in names} for side in sides)
    return {name for name in names if not ours[name] & theirs[name]}


def _axes(group: Group) -> dict[str, str]:
    axes = {name: value for name, value in axes_of(group.first).items() if name != "group"}
    return {**axes, "dataset": f"{group.cell.dataset} {group.cell.target or ''}".strip()}


def _shared(group: Group, ignored: set[str]) -> tuple[str, ...]:
    """What two cells of a pair share."""
    axes = _axes(group)
    named = dict(sorted(group.first.axes.items()))
    named |= {name: axes[name] for name in ("control", "experiment")}
    texts = [f"{axis}={value}" for axis, value in named.items() if axis not in ignored]
    return (*(text for text in texts if text != "control=none"), axes["dataset"])


def side_head(side: str) -> str:
    """Returns a side's filters as a heading, which may be broken between them."""
    return ", ".join(f"{axis}={value}" if value else axis for axis, value in filters(side))


def left_out_notes(left_out: Sequence[str]) -> tuple[list[str], list[str]]:
    """Returns notes on what was left out: its number first, and those of cells of both sides."""
    alone = [text for text in left_out if text.endswith(ALONE)]
    times = Counter(text.rpartition(": ")[2] for text in alone)
    counted = [f"{n} cell{'s' * (n > 1)} {why}" for why, n in times.items()]
    notes = [f"left out: {', '.join(counted)}"] if counted else []
    faults = [f"left out: {text}" for text in left_out if not text.endswith(ALONE)]
    return [*notes, *(f"left out: {text}" for text in alone)], faults
