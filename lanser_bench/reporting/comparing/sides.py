"""Pairs the cells of two sides that agree in everything else."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...records.names import MAIN, Names
from ..groups import Group, axes_of
from ..selection import Groups


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
    first, second = ({_shared(g, ignored): g for g in side.values()} for side in (a, b))
    matched, left_out = [], []
    for shared, one in first.items():
        match, text = second.get(shared), _what(names, one, ignored)
        why = "only on the first side" if match is None else hindrance(one, match)
        if match is not None and why is None:
            matched.append((text, one, match))
        else:
            left_out.append(f"{text}: {why}")
    left_out += [
        f"{_what(names, group, ignored)}: only on the second side"
        for shared, group in second.items()
        if shared not in first
    ]
    return matched, sorted(left_out)


def _what(names: Names, group: Group, ignored: set[str]) -> str:
    """Returns what two cells of a pair share, in words."""
    name, dataset = names.name(group.first, ignored), _axes(group)["dataset"]
    return dataset if name == MAIN else f"{name} on {dataset}"


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
