"""The parts of a grid: axes, zipped axes, excluded points and included points."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...errors import SettingsError, did_you_mean

GRID_KEYS = ("grid", "zip", "exclude", "include")
"""Keys of a grid; all others are settings of every cell."""
MANY = "grids"
"""Key of several grids in one file."""


@dataclass(frozen=True)
class Grid:
    """One grid as written."""

    label: str
    """Its name in messages: the file, and the entry of `grids`."""
    grid: dict[str, list[Any]] = field(default_factory=dict)
    """Axis (a dotted key) → values; all their combinations are points."""
    zip: dict[str, list[Any]] = field(default_factory=dict)
    """Axes that vary together, value by value."""
    exclude: list[dict[str, Any]] = field(default_factory=list)
    """Points to leave out: axis → value; an entry excludes points that match all its values."""
    include: list[dict[str, Any]] = field(default_factory=list)
    """Points to add: dotted key → value; other keys are those of the file. Without `grid` and `zip`
    these are all points."""

    @property
    def axes(self) -> dict[str, list[Any]]:
        """Axes of the product and of `zip`."""
        return {**self.grid, **self.zip}

    def choices(self, replaced: Collection[str] = ()) -> Iterator[dict[str, Any]]:
        """Yields the settings of each point: dotted key → value; one empty point without any.

        Args:
            replaced: axes with values of the command line, which may lack those that the file
                excludes.

        Raises:
            SettingsError: axes of `zip` of unequal length, an axis of both `grid` and `zip`, or
                `exclude` names an unknown axis, or matches no point.
        """
        self._check()
        unused = [entry for entry in self.exclude if not entry.keys() & set(replaced)]
        if self.axes or not self.include:
            for chosen in self._product():
                matching = [entry for entry in self.exclude if _matches(entry, chosen)]
                unused = [entry for entry in unused if entry not in matching]
                if not matching:
                    yield chosen
        for entry in unused:
            raise SettingsError(f"{self.label}: 'exclude' {self._unmatched(entry)}")
        for entry in self.include:
            yield {str(key): value for key, value in entry.items()}

    def _product(self) -> Iterator[dict[str, Any]]:
        together: list[dict[str, Any]] = [{}]
        if self.zip:
            together = [
                dict(zip(self.zip, values, strict=True))
                for values in zip(*self.zip.values(), strict=True)
            ]
        for chosen in itertools.product(*self.grid.values()):
            for pair in together:
                yield {**dict(zip(self.grid, chosen, strict=True)), **pair}

    def _check(self) -> None:
        if len({len(values) for values in self.zip.values()}) > 1:
            raise SettingsError(
                f"{self.label}: axes of 'zip' need equally many values; they have "
                f"{', '.join(f'{a}: {len(v)}' for a, v in self.zip.items())}."
            )
        doubled = self.grid.keys() & self.zip.keys()
        if doubled:
            raise SettingsError(
                f"{self.label}: '{min(doubled)}' is an axis of both 'grid' and 'zip'."
            )
        unknown = next((a for entry in self.exclude for a in entry if a not in self.axes), None)
        if unknown is not None:
            raise SettingsError(
                f"{self.label}: 'exclude' names '{unknown}', which is not an axis."
                f"{did_you_mean(str(unknown), self.axes)}"
            )

    def _unmatched(self, entry: Mapping[str, Any]) -> str:
        for axis, value in entry.items():
            if value not in self.axes[axis]:
                hint = did_you_mean(str(value), map(str, self.axes[axis]))
                return f"names {axis}={value}, which is not a value of this axis.{hint}"
        return f"has an entry that matches no point: {entry}. Remove it."


def _matches(entry: Mapping[str, Any], chosen: Mapping[str, Any]) -> bool:
    return all(chosen[axis] == value for axis, value in entry.items())


def take_grids(content: dict[str, Any], label: str) -> list[Grid]:
    """Removes the keys of grids from a file's content and returns the grids, at least one.

    Raises:
        SettingsError: a key has the wrong form.
    """
    own = {key: content.pop(key) for key in GRID_KEYS if key in content}
    if MANY not in content:
        return [_grid(own, label)]
    many = content.pop(MANY)
    if own:
        raise SettingsError(
            f"{label}: '{min(own)}' and '{MANY}' are both set: move '{min(own)}' into an entry of "
            f"'{MANY}' ({MANY}.0.{min(own)})."
        )
    if not isinstance(many, list) or not many or not all(isinstance(e, dict) for e in many):
        raise SettingsError(f"{label}: '{MANY}' is a list of mappings {{grid: …, include: …}}.")
    for position, entry in enumerate(many):
        unknown = next((key for key in entry if key not in GRID_KEYS), None)
        if unknown is not None:
            raise SettingsError(
                f"{label}: unknown key '{MANY}.{position}.{unknown}'."
                f"{did_you_mean(str(unknown), GRID_KEYS)}"
            )
    return [_grid(entry, f"{label}, {MANY}.{position}") for position, entry in enumerate(many)]


def _grid(keys: Mapping[str, Any], label: str) -> Grid:
    return Grid(
        label,
        _spans(keys.get("grid"), "grid", label),
        _spans(keys.get("zip"), "zip", label),
        _entries(keys.get("exclude"), "exclude", "axis", label),
        _entries(keys.get("include"), "include", "key", label),
    )


def _spans(value: Any, key: str, label: str) -> dict[str, list[Any]]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        many = f" Several grids are a list under '{MANY}'." if isinstance(value, list) else ""
        raise SettingsError(f"{label}: '{key}' is a mapping {{axis: [value, …]}}.{many}")
    for axis, values in value.items():
        if isinstance(values, list) and values:
            continue
        advice = ""
        if isinstance(values, dict) and values:
            advice = f" Write nested keys with dots: {key}: {{{axis}.{next(iter(values))}: […]}}."
        elif isinstance(values, str | int | float):
            advice = f" Write {axis}: [{values}]."
        raise SettingsError(f"{label}: axis '{axis}' of '{key}' needs a list of values.{advice}")
    return {_axis(str(axis)): values for axis, values in value.items()}


def _entries(value: Any, key: str, what: str, label: str) -> list[dict[str, Any]]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise SettingsError(f"{label}: '{key}' is a list of mappings {{{what}: value}}.")
    return [{_axis(str(axis)): v for axis, v in entry.items()} for entry in value]


def _axis(written: str) -> str:
    """`seeds` is short for `pretrain.seeds`, also as an axis."""
    return "pretrain.seeds" if written == "seeds" else written


def axes_of(content: Mapping[str, Any]) -> set[str]:
    """Returns the axes in the unchecked content of a file."""
    many = content.get(MANY)
    grids = [content, *(many if isinstance(many, list) else [])]
    spans = [g.get(key) for g in grids if isinstance(g, Mapping) for key in ("grid", "zip")]
    return {str(axis) for span in spans if isinstance(span, Mapping) for axis in span}


def override_path(key: str) -> list[str]:
    """Returns the steps of a dotted key; an axis is one step of its grid, dots included.

    ``grid.evaluate.seed`` → ``grid``, ``evaluate.seed``.
    """
    parts = key.split(".")
    if parts[0] == "seeds":
        return ["pretrain", *parts]
    depth = 3 if parts[0] == MANY else 1
    if len(parts) > depth and parts[depth - 1] in ("grid", "zip"):
        return [*parts[:depth], ".".join(parts[depth:])]
    return parts
