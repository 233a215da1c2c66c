"""Titles of a plan's stages: what works on the same with the same is told apart by its cells."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from .plan import Cell, Node

Facets = dict[str, set[str]]
"""Name of what cells differ in → all the texts of it among the cells of one stage."""


def told_apart(nodes: Mapping[str, Node], cells: Sequence[Cell]) -> dict[str, Node]:
    """Returns the nodes, each title of several with what sets it apart: axes, seed, place.

    A title such as ``ravdess by cnn, pre-trained`` becomes ``ravdess by cnn, pre-trained
    [labeler=lexicon, seed=1]``. Only what holds for all cells of a stage is said of it, so a stage
    that serves every taxonomy names none. Titles are no part of a key.
    """
    times = Counter((node.stage, node.title) for node in nodes.values())
    shared = {k: node for k, node in nodes.items() if times[node.stage, node.title] > 1}
    if not shared:
        return dict(nodes)
    facets: dict[str, Facets] = {key: defaultdict(set) for key in shared}
    for cell in cells:
        of_cell = _of_cell(cell)
        for place, key in cell.stages.items():
            if key in facets:
                for name, text in of_cell:
                    facets[key][name].add(text)
                facets[key]["place"].add(place.partition(" ")[2])
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for key, node in shared.items():
        groups[node.stage, node.title].append(key)
    added = {
        key: text
        for keys in groups.values()
        for key, text in zip(keys, _differences([facets[key] for key in keys]), strict=True)
        if text
    }
    return {
        key: replace(node, title=f"{node.title} [{added[key]}]") if key in added else node
        for key, node in nodes.items()
    }


def _of_cell(cell: Cell) -> list[tuple[str, str]]:
    """What tells a cell from the others, as its name says it; empty where nothing is to be said."""
    found = [(axis, f"{axis}={value}") for axis, value in cell.axes.items()]
    found.append(("control", (cell.control or "").replace("_", " ")))
    return [*found, ("seed", "" if cell.seed is None else f"seed={cell.seed}")]


def _differences(group: Sequence[Facets]) -> Iterable[str]:
    """Yields for each stage of a group what is true of all its cells and not of all the group's."""
    names = dict.fromkeys(name for facets in group for name in facets)
    varying = [n for n in names if any(facets.get(n) != group[0].get(n) for facets in group)]
    for facets in group:
        said = (text for name in varying if len(facets.get(name, ())) == 1 for text in facets[name])
        yield ", ".join(filter(None, dict.fromkeys(said)))
