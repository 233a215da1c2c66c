"""Validated settings of many points that share most of their sections.

A section is the value of a top-level key. The points of a grid combine a few values of each, so
each distinct section is resolved and validated once: equal sections are the same object.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from ...errors import SettingsError, did_you_mean
from ...store import canonical
from ...validation import describe, validate
from .axes import GRID_KEYS, MANY
from .files import ExperimentFile, assigned
from .interpolation import involved, resolved
from .model import Experiment

EXTRA_KEYS = (*GRID_KEYS, MANY, "seeds")
"""Top-level keys that are not settings of a cell; for suggestions."""


class Sections:
    """Creates the settings of points."""

    def __init__(self, file: ExperimentFile, axes: Mapping[str, Iterable[Any]]) -> None:
        """Takes the file and all values of each axis, which must outlive this object."""
        self._file = file
        for key in file.settings:
            if key not in Experiment.model_fields:
                hint = did_you_mean(key, [*Experiment.model_fields, *EXTRA_KEYS])
                raise SettingsError(f"{file.where([key])}: unknown key '{key}'.{hint}")
        self._heads = {axis: axis.partition(".")[0] for axis in axes}
        self._interpolated = involved(file.settings, axes)
        self._raw: dict[tuple[Any, ...], Any] = {}
        self._resolved: dict[tuple[tuple[str, int], ...], dict[str, Any]] = {}
        self._valid: dict[tuple[str, int], Any] = {}
        self._distinct: dict[tuple[str, str], Any] = {}
        self._whole: dict[frozenset[str], tuple[dict[str, Any], Experiment]] = {}

    def settings(self, chosen: Mapping[str, Any]) -> Experiment:
        """Returns the settings of the point that sets `chosen`: dotted key → value.

        Raises:
            SettingsError: they are not valid.
        """
        parts: dict[str, list[str]] = {}
        for axis in chosen:
            parts.setdefault(self._heads[axis], []).append(axis)
        changed = {head: self._section(head, axes, chosen) for head, axes in parts.items()}
        if self._interpolated:
            changed |= self._interpolate(changed)
        heads = frozenset(changed)
        if heads not in self._whole:
            first = {**self._file.settings, **changed}
            model = _validated(first, self._file)
            own = {head: self._shared(head, model) for head in Experiment.model_fields}
            self._whole[heads] = first, model.model_copy(update=own)
        first, model = self._whole[heads]
        update = {head: self._validate(head, value, first) for head, value in changed.items()}
        return model.model_copy(update=update)

    def _section(self, head: str, axes: list[str], chosen: Mapping[str, Any]) -> Any:
        memo = (head, *((axis, id(chosen[axis])) for axis in axes))
        if memo not in self._raw:
            settings = {k: v for k, v in self._file.settings.items() if k == head}
            for axis in axes:
                where = f"{self._file.label}: axis '{axis}'"
                settings = assigned(settings, axis.split("."), chosen[axis], where)
            self._raw[memo] = settings[head]
        return self._raw[memo]

    def _interpolate(self, changed: Mapping[str, Any]) -> dict[str, Any]:
        base = self._file.settings
        raw = {
            head: changed[head] if head in changed else base[head]
            for head in self._interpolated
            if head in changed or head in base
        }
        # Values of the base and of `_raw` live as long as this object, so their ids are unique.
        memo = tuple((head, id(value)) for head, value in raw.items())
        if memo not in self._resolved:
            self._resolved[memo] = resolved(raw, self._file.label)
        return self._resolved[memo]

    def _validate(self, head: str, raw: Any, first: Mapping[str, Any]) -> Any:
        memo = (head, id(raw))
        if memo not in self._valid:
            settings = _validated({**first, head: raw}, self._file)
            self._valid[memo] = self._shared(head, settings)
        return self._valid[memo]

    def _shared(self, head: str, settings: Experiment) -> Any:
        text = canonical(settings.model_dump(mode="json", include={head}))
        return self._distinct.setdefault((head, text), getattr(settings, head))


def _validated(settings: Mapping[str, Any], file: ExperimentFile) -> Experiment:
    try:
        return validate(Experiment, settings, file.written)
    except ValidationError as error:
        raise SettingsError(describe(error, Experiment, file.where, "")) from None
