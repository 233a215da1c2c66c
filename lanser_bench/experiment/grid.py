"""Expands a grid into points: one set of settings each."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from ..errors import SettingsError
from ..store import canonical
from ..validation import describe
from .files import ExperimentFile, assigned, resolved
from .settings import Experiment

LEVELS = 12
"""How many lengths of a name are tried; see `_name`."""


@dataclass(frozen=True)
class Point:
    """One point of a grid."""

    axes: dict[str, str]
    """Axis → readable value."""
    settings: Experiment


def expand(file: ExperimentFile) -> list[Point]:
    """Returns the points of an experiment in the file's order; one point if there is no grid.

    Raises:
        SettingsError: settings that are not valid, an axis of unequal length under `zip`, or a
            grid of which nothing is left.
    """
    shown = {
        axis: _names(values, f"{file.label}: axis '{axis}'")
        for axis, values in {**file.grid, **file.zip}.items()
    }
    points = []
    for chosen in _choices(file):
        if any(_matches(entry, chosen, file) for entry in file.exclude):
            continue
        settings = dict(file.settings)
        for axis, position in chosen.items():
            values = file.grid.get(axis) or file.zip[axis]
            where = f"{file.label}: axis '{axis}'"
            settings = assigned(settings, axis.split("."), values[position], where)
        axes = {axis: shown[axis][position] for axis, position in chosen.items()}
        points.append(Point(axes, _validated(resolved(settings, file.label), file)))
    if not points:
        raise SettingsError(f"{file.label}: 'exclude' leaves no point of the grid.")
    return points


def _validated(settings: Mapping[str, Any], file: ExperimentFile) -> Experiment:
    try:
        return Experiment.model_validate(settings)
    except ValidationError as error:
        raise SettingsError(describe(error, Experiment, file.where)) from None


def _choices(file: ExperimentFile) -> Iterator[dict[str, int]]:
    """Yields axis → position of its value."""
    lengths = {len(values) for values in file.zip.values()}
    if len(lengths) > 1:
        raise SettingsError(
            f"{file.label}: axes of 'zip' need equally many values; they have "
            f"{', '.join(f'{a}: {len(v)}' for a, v in file.zip.items())}."
        )
    doubled = file.grid.keys() & file.zip.keys()
    if doubled:
        raise SettingsError(f"{file.label}: '{min(doubled)}' is an axis of both 'grid' and 'zip'.")
    together = [dict.fromkeys(file.zip, i) for i in range(lengths.pop())] if lengths else [{}]
    for positions in itertools.product(*(range(len(values)) for values in file.grid.values())):
        for pair in together:
            yield {**dict(zip(file.grid, positions, strict=True)), **pair}


def _matches(entry: Mapping[str, Any], chosen: Mapping[str, int], file: ExperimentFile) -> bool:
    axes = {**file.grid, **file.zip}
    for axis, value in entry.items():
        if axis not in chosen:
            raise SettingsError(f"{file.label}: 'exclude' names '{axis}', which is not an axis.")
        if axes[axis][chosen[axis]] != value:
            return False
    return True


def _names(values: list[Any], where: str) -> list[str]:
    """Readable and distinct names of an axis' values: as short as they may be.

    Raises:
        SettingsError: a value is there twice, or is none of JSON's, such as NaN or a date.
    """
    try:
        tried = [[_name(value, level) for value in values] for level in range(LEVELS)]
    except (TypeError, ValueError) as error:
        raise SettingsError(f"{where}: {error}. Use numbers, words, lists or mappings.") from None
    names = [
        next(
            (name for name, level in zip(own, tried, strict=True) if level.count(name) == 1),
            own[-1],
        )
        for own in zip(*tried, strict=True)
    ]
    doubled = next((name for name in names if names.count(name) > 1), None)
    if doubled is not None:
        raise SettingsError(f"{where} has the value {doubled} twice.")
    return names


def _name(value: Any, level: int) -> str:
    """Level 0: names of plugins alone; from 1 on with options, paths cut to their last parts.

    As few parts as tell two paths apart: names stand in records, which must not show where
    somebody's home is.
    """
    if isinstance(value, Mapping):
        name = str(value.get("name") or value.get("dataset") or "")
        rest = {k: v for k, v in value.items() if k not in ("name", "dataset")}
        if name and level == 0:
            return name
        inner = ",".join(f"{key}={_name(option, level)}" for key, option in rest.items())
        return f"{name}({inner})" if inner else name
    if isinstance(value, list):
        return "[" + ",".join(_name(item, level) for item in value) + "]"
    if isinstance(value, str):
        return "/".join(value.split("/")[-max(1, level) :]).removesuffix(".yaml")
    return canonical(value)


def slug(name: str) -> str:
    """Returns a name as part of a file name: letters, digits, dots and dashes, at most 80."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-.").lower()[:80] or "cell"
