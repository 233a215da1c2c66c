"""Expands a grid into points: one set of settings each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ...errors import SettingsError, did_you_mean
from ...records.names import short_values, value_of
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
    replaced = {path[-1] for path in file.overrides if path[-2:-1] in (("grid",), ("zip",))}
    choices = [chosen for grid in file.grids for chosen in grid.choices(replaced)]
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
    made = [Point(shown.axes(chosen, settings), settings) for chosen, settings in points]
    for axis in made[0].settings.titles:
        _check_titles(file, axis, made)
    return made


def _check_titles(file: ExperimentFile, axis: str, points: Sequence[Point]) -> None:
    """Refuses titles of unknown axes and values, and one title for two values."""
    where, titles = file.where(["titles", axis]), points[0].settings.titles[axis]
    if axis not in points[0].axes:
        hint = did_you_mean(axis, points[0].axes)
        raise SettingsError(f"{where}: 'titles' names '{axis}', which is not an axis.{hint}")
    found = (value_of(p.settings.model_dump(mode="json"), axis, p.axes[axis]) for p in points)
    values = {value.identity: value for value in found}
    known = {*short_values(values).values(), *(value.recorded for value in values.values())}
    for value in titles:
        if value not in known:
            hint = did_you_mean(value, known)
            raise SettingsError(
                f"{where}: 'titles' names {axis}={value}, which is not a value of the grid.{hint}"
            )
    if len(set(titles.values())) < len(titles):
        raise SettingsError(f"{where}: two values of '{axis}' have the same title.")


_UNSET = object()


def _distinct(values: Iterable[Any]) -> list[Any]:
    """Returns distinct objects; equal values of different grids stay distinct."""
    return list({id(value): value for value in values if value is not _UNSET}.values())
