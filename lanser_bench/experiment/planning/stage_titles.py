"""Titles of a plan's stages: equal titles are distinguished by their cells."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from .plan import Cell, Node

Facets = dict[str, set[str]]
"""Name of an axis, ``control``, ``seed`` or ``place`` → its texts in the cells of one stage."""


def distinct_titles(nodes: Mapping[str, Node], cells: Sequence[Cell]) -> dict[str, Node]:
    """Returns the nodes; equal titles get a suffix with axes, seed or place.

    A title such as ``ravdess by cnn, pre-trained`` becomes ``ravdess by cnn, pre-trained
    [labeler=lexicon, seed=1]``. The suffix names only what all cells of a stage share, so a stage
    that serves every taxonomy names none. Titles are no part of a key.
    """
    groups: dict[tuple[str, str], list[str]] = defaultdict(list)
    for key, node in nodes.items():
        groups[node.stage, node.title].append(key)
    equal = [keys for keys in groups.values() if len(keys) > 1]
    facets: dict[str, Facets] = {key: defaultdict(set) for keys in equal for key in keys}
    for cell in cells if equal else ():
        of_cell = _of_cell(cell)
        for place, key in cell.stages.items():
            if key in facets:
                for name, text in of_cell:
                    facets[key][name].add(text)
                facets[key]["place"].add(place.partition(" ")[2])
    titled = dict(nodes)
    for keys in equal:
        for key, text in zip(keys, _differences([facets[key] for key in keys]), strict=True):
            if text:
                titled[key] = replace(nodes[key], title=f"{nodes[key].title} [{text}]")
    return titled


def _of_cell(cell: Cell) -> list[tuple[str, str]]:
    """Returns the parts of a cell's name; a text is empty where the name has no such part."""
    parts = [(axis, f"{axis}={value}") for axis, value in cell.axes.items()]
    parts.append(("control", (cell.control or "").replace("_", " ")))
    return [*parts, ("seed", "" if cell.seed is None else f"seed={cell.seed}")]


def _differences(group: Sequence[Facets]) -> Iterable[str]:
    """Yields for each stage the facets that all its cells share and the whole group does not."""
    names = dict.fromkeys(name for facets in group for name in facets)
    varying = [n for n in names if any(facets.get(n) != group[0].get(n) for facets in group)]
    for facets in group:
        shared = (t for name in varying if len(facets.get(name, ())) == 1 for t in facets[name])
        yield ", ".join(filter(None, dict.fromkeys(shared)))
