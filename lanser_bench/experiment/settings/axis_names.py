"""Readable names for the values of axes, as short as possible but distinct."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from ...errors import SettingsError
from ...store import canonical
from .model import DatasetRef, Experiment, PluginRef

ROWS = frozenset(
    f"controls.{name}"
    for name in (
        "random_init",
        "logmel_stats",
        "text",
        "shuffled",
        "shuffled_within_speaker",
        "gold",
    )
)
"""Settings that do not change the record of a point, only which controls are added."""
LEVELS = 12
"""Number of lengths that are tried for a name; see `readable`."""


class Shown:
    """Readable values of all axes."""

    def __init__(
        self,
        label: str,
        values: Mapping[str, list[Any]],
        points: Sequence[tuple[Mapping[str, Any], Experiment]],
    ) -> None:
        """Finds distinct names for all values of an axis, also those that no grid sets."""
        self._names: dict[tuple[str, int], str] = {}
        self._unset: dict[tuple[str, str], str] = {}
        for axis, given in values.items():
            same = {_text(value, f"{label}: axis '{axis}'"): value for value in given}
            for chosen, settings in points:
                if axis not in chosen:
                    value = _value(settings, axis)
                    same.setdefault(canonical(value), value)
            short = names_of(list(same.values()), f"{label}: axis '{axis}'")
            names = dict(zip(same, short, strict=True))
            for value in given:
                self._names[axis, id(value)] = names[_text(value, axis)]
            for text, name in names.items():
                self._unset[axis, text] = name

    def axes(self, chosen: Mapping[str, Any], settings: Experiment) -> dict[str, str]:
        """Returns axis → readable value of a point, without axes that only add controls."""
        return {
            axis: self._names[axis, id(chosen[axis])]
            if axis in chosen
            else self._unset[axis, canonical(_value(settings, axis))]
            for axis in self._all
        }

    @cached_property
    def _all(self) -> list[str]:
        axes = dict.fromkeys(axis for axis, _ in self._names)
        return [axis for axis in axes if axis not in ROWS]


def _text(value: Any, where: str) -> str:
    try:
        return canonical(_plain(value))
    except (TypeError, ValueError) as error:
        raise SettingsError(f"{where}: {error}. Use numbers, words, lists or mappings.") from None


def _plain(value: Any) -> Any:
    """Returns a plugin without options as its name."""
    if isinstance(value, Mapping) and list(value) == ["name"]:
        return value["name"]
    return value


def _value(settings: Experiment, axis: str) -> Any:
    """Returns the value of a point at a dotted key that its grid does not set, as in a file."""
    value: Any = settings
    for step in axis.split("."):
        if isinstance(value, PluginRef | DatasetRef):
            value = {**_options(value), **value.options}
        elif isinstance(value, BaseModel):
            value = dict(value)
        if isinstance(value, Sequence) and not isinstance(value, str):
            inside = step.isdecimal() and len(step) < 10 and int(step) < len(value)
            value = value[int(step)] if inside else None
        else:
            value = value.get(step) if isinstance(value, Mapping) else None
        if value is None:
            return "default"
    return _as_written(value)


def _options(ref: PluginRef | DatasetRef) -> dict[str, Any]:
    return ref.model_dump(mode="json", exclude={"options"}, exclude_defaults=True)


def _as_written(value: Any) -> Any:
    if isinstance(value, PluginRef | DatasetRef):
        return _plain({**_options(value), **value.options})
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, tuple | list):
        return [_as_written(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def names_of(values: list[Any], where: str) -> list[str]:
    """Returns readable, distinct names of an axis' values, as short as possible.

    Raises:
        SettingsError: a duplicate value, or one that JSON does not have, such as NaN or a date.
    """
    names: dict[int, str] = {}
    tried: list[str] = []
    try:
        for level in range(LEVELS):
            tried = [readable(value, level) for value in values]
            count = Counter(tried)
            unique = {place: name for place, name in enumerate(tried) if count[name] == 1}
            names = unique | names  # the shortest
            if len(names) == len(values):
                break
    except (TypeError, ValueError) as error:
        raise SettingsError(f"{where}: {error}. Use numbers, words, lists or mappings.") from None
    found = [names.get(place, name) for place, name in enumerate(tried)]
    doubled = next((name for name, count in Counter(found).items() if count > 1), None)
    if doubled is not None:
        raise SettingsError(f"{where}: duplicate value {doubled}.")
    return found


def readable(value: Any, level: int = 1) -> str:
    """Returns a value as text: at level 0 only names of plugins, from 1 on with their options.

    Paths keep only `level` last parts: records contain names and must show no home folder.
    """
    if isinstance(value, Mapping):
        name = str(value.get("name") or value.get("dataset") or "")
        rest = {k: v for k, v in value.items() if k not in ("name", "dataset")}
        if name and level == 0:
            return name
        inner = ",".join(f"{key}={readable(option, level)}" for key, option in rest.items())
        return f"{name}({inner})" if inner else name
    if isinstance(value, list):
        return "[" + ",".join(readable(item, level) for item in value) + "]"
    if isinstance(value, str):
        return "/".join(value.split("/")[-max(1, level) :]).removesuffix(".yaml")
    return canonical(value)


def slug(name: str) -> str:
    """Returns a name as part of a file name: letters, digits, dots and dashes, at most 80."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-.").lower()[:80] or "cell"
