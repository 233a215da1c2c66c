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
    """Returns the points of an experiment in the file's order; one point without a grid.

    Points with the same settings are merged, also those of different grids. Every point shows the
    values of all axes, also of those that its own grid does not set.

    Raises:
        SettingsError: invalid settings, axes of unequal length under `zip`, or an empty grid.
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
    points = []
    seen: set[tuple[int, ...]] = set()
    for chosen in choices:
        settings = sections.settings(chosen)
        identity = tuple(id(part) for part in settings.__dict__.values())
        if identity not in seen:
            seen.add(identity)
            points.append((chosen, settings))
    shown = Shown(file.label, values, points)
    return [Point(shown.axes(chosen, settings), settings) for chosen, settings in points]


_UNSET = object()


def _distinct(values: Iterable[Any]) -> list[Any]:
    """Returns distinct objects; equal values of different grids stay distinct."""
    return list({id(value): value for value in values if value is not _UNSET}.values())
