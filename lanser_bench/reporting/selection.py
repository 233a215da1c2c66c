"""Records of some folders, read once: their newest ones, as cells that filters pick."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path

from ..errors import SettingsError, did_you_mean
from ..evaluation.families import filters
from ..records.names import Names
from ..records.reading import Found, newest, read_records
from .groups import CellId, Group, axes_of, axis_named, grouped

Groups = dict[CellId, Group]


class Selection:
    """The newest records of each row (`found`, oldest first), out of `every` record read."""

    def __init__(
        self, found: Sequence[Found], left_out: Sequence[str] = (), where: str = "the records"
    ) -> None:
        """Selects among records with their files.

        `left_out` are sentences on files that were not read, and messages call the place `where`.
        """
        self.every = list(found)
        self.found = newest(found)
        self.left_out = list(left_out)
        self.where = where

    @classmethod
    def read(cls, places: Iterable[Path]) -> Selection:
        """Reads records in folders and single files; a place without one is a `DataError`."""
        folders = list(places)
        reading = read_records(folders)
        return cls(reading.records, reading.left_out, ", ".join(map(str, folders)))

    @cached_property
    def ordered(self) -> list[Found]:
        """The newest records in the order of `every`."""
        kept = {id(record) for _, record in self.found}
        return [(path, record) for path, record in self.every if id(record) in kept]

    @cached_property
    def groups(self) -> Groups:
        """Cell and labelled set → its records, one per seed; in the order of `every`."""
        return grouped(self.ordered)

    def picked(self, wanted: str) -> Groups:
        """Returns the cells that fit all filters, such as ``encoder=cnn,control=none``.

        Axes and values are written as in records, or as tables show them.

        Raises:
            SettingsError: a filter names an unknown axis or value.
        """
        groups = self.groups
        for axis, value in filters(wanted):
            recorded = {cell: axes_of(group.first) for cell, group in groups.items()}
            known = {name for axes in recorded.values() for name in axes}
            name = axis_named(axis, self.groups.values())
            if name not in known:
                hint = did_you_mean(axis, {*known, *self._names.heads.values()})
                raise SettingsError(f"No record in {self.where} has the axis '{axis}'.{hint}")
            short = {c: self._names.shown(g.first).get(name) for c, g in groups.items()}
            for texts in ({c: axes.get(name) for c, axes in recorded.items()}, short):
                kept = {c: g for c, g in groups.items() if texts[c] == value}
                if kept:
                    break
            else:
                values = {t for c, a in recorded.items() for t in (a.get(name), short[c]) if t}
                hint = did_you_mean(value, values)
                raise SettingsError(f"No record in {self.where} has {axis}={value}.{hint}")
            groups = kept
        return groups

    def short(self, axis: str, value: str) -> tuple[str, str]:
        """Returns an axis and one of its values as tables show them."""
        of = (g.first for g in self.groups.values() if axes_of(g.first).get(axis) == value)
        text = next((self._names.shown(record).get(axis, value) for record in of), value)
        return self._names.heads.get(axis, axis), text

    @cached_property
    def _names(self) -> Names:
        return Names(group.first for group in self.groups.values())
