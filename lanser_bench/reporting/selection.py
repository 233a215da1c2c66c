"""Records of some folders, read once: their newest ones, as cells that filters pick."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path

from ..errors import SettingsError, did_you_mean
from ..evaluation.families import filters
from ..records.reading import Found, newest, read_records
from .groups import CellId, Group, axes_of, grouped

Groups = dict[CellId, Group]


class Selection:
    """The newest records of each row (`found`, oldest first), out of `every` record read."""

    def __init__(
        self, found: Sequence[Found], left_out: Sequence[str] = (), where: str = "the records"
    ) -> None:
        """Selects records.

        Args:
            found: records with their files.
            left_out: sentences on files that were not read.
            where: what messages call the place of the records.
        """
        self.every = list(found)
        self.found = newest(found)
        self.left_out = list(left_out)
        self.where = where

    @classmethod
    def read(cls, places: Iterable[Path]) -> Selection:
        """Reads the records below some folders, or single files.

        Raises:
            DataError: a place has no records.
        """
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

        Raises:
            SettingsError: a filter names an unknown axis or value.
        """
        groups = self.groups
        for axis, value in filters(wanted):
            axes = {name for group in groups.values() for name in axes_of(group.first)}
            if axis not in axes:
                hint = did_you_mean(axis, axes)
                raise SettingsError(f"No record in {self.where} has the axis '{axis}'.{hint}")
            values = {axes_of(group.first).get(axis, "") for group in groups.values()} - {""}
            groups = {c: g for c, g in groups.items() if axes_of(g.first).get(axis) == value}
            if not groups:
                hint = did_you_mean(value, values)
                raise SettingsError(f"No record in {self.where} has {axis}={value}.{hint}")
        return groups
