"""Expands a grid into points: one set of settings each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ...errors import SettingsError
from .axis_names import Shown, names_of
from .files import ExperimentFile
from .model import Experiment
from .sections import Sections


@dataclass(frozen=True)
class Point:
    """One point of a grid."""

    axes: dict[str, str]
    """Axis → readable value."""
    settings: Experiment


def expand(file: ExperimentFile) -> list[Point]:
    """Returns the points of an experiment in the file's order; one point if there is no grid.

    Points with the same settings are one point, whichever grids they come from. What a point does
    not set is shown with the value it has, so that points of different grids can be compared.

    Raises:
        SettingsError: settings that are not valid, an axis of unequal length under `zip`, or a
            grid of which nothing is left.
    """
    for grid in file.grids:
        for axis, given in grid.axes.items():
            names_of(given, f"{grid.label}: axis '{axis}'")
    choices = [chosen for grid in file.grids for chosen in grid.choices()]
    if not choices:
        raise SettingsError(f"{file.label}: 'exclude' leaves no point of the grid.")
    axes = dict.fromkeys(axis for chosen in choices for axis in chosen)
    values = {axis: _distinct(chosen.get(axis, _UNSET) for chosen in choices) for axis in axes}
    sections = Sections(file, values)
    found = []
    seen: set[tuple[int, ...]] = set()
    for chosen in choices:
        settings = sections.settings(chosen)
        identity = tuple(id(part) for part in settings.__dict__.values())
        if identity not in seen:
            seen.add(identity)
            found.append((chosen, settings))
    shown = Shown(file.label, values, found)
    return [Point(shown.axes(chosen, settings), settings) for chosen, settings in found]


_UNSET = object()


def _distinct(values: Iterable[Any]) -> list[Any]:
    """Returns the objects, each once; equal values of different grids are still two."""
    return list({id(value): value for value in values if value is not _UNSET}.values())
