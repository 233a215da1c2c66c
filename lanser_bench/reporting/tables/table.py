"""A table before it is drawn: columns, rows and notes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ...evaluation.results import Metric
from ...evaluation.statistics import LEVEL

NONE = "–"
"""Shown for a missing value."""
NBSP = "\N{NO-BREAK SPACE}"
ONE_SEED = "* one training seed: variation between seeds is not included"
"""Note on a p-value that is marked with a star."""
APART = ("control", "majority", "mean")
"""Roles of rows that follow a rule."""


class Shown(NamedTuple):
    """A value with its own text, where the column's format does not say enough."""

    value: Any
    text: str


@dataclass(frozen=True)
class Column:
    """One column of a sheet."""

    key: str
    """Name in CSV and JSON, and of the value in a row."""
    head: str | None
    """Heading; None for a column of CSV and JSON alone."""
    show: Callable[[Any], str] = str
    """Formats a value that is not missing."""
    right: bool = False
    about: str = ""
    """What the column means."""
    order: int | None = None
    """None: always shown. Else terminals show columns of low order first and leave out the rest."""
    beside: bool = False
    """Whether terminals show it only beside the column before it."""
    names: str = ""
    """``axes``: an axis that identifies rows, shown if all of them fit. ``name``: shown if not."""
    judged: bool = False
    """Whether it has the colour of a row's verdict."""


@dataclass(frozen=True)
class Entry:
    """One row of a sheet."""

    values: Mapping[str, Any]
    """Column's key → value, or `Shown`; a missing one is shown as a dash."""
    role: str = ""
    """How it is set off: see `terminal.STYLES`; HTML has it as a class."""
    verdict: str = ""
    """``better`` or ``worse`` where a test decided, else empty."""


@dataclass(frozen=True)
class Sheet:
    """A titled table with notes."""

    title: str
    columns: Sequence[Column]
    rows: Sequence[Entry]
    notes: Sequence[str] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What all rows share: the first columns in CSV and JSON."""
    shared: str = ""
    """What all rows share, in words, for people."""
    faults: Sequence[str] = ()
    """Notes on what could not be used; terminals show the first of them in any case."""

    @property
    def remarks(self) -> list[str]:
        """All notes, faults first."""
        return [*self.faults, *self.notes]

    @property
    def shown(self) -> list[Column]:
        """Columns that people see."""
        return [column for column in self.columns if column.head is not None]

    @property
    def heads(self) -> list[str]:
        """Headings of the columns that people see."""
        return [column.head or "" for column in self.shown]

    def texts(self, entry: Entry) -> list[str]:
        """Returns a row's texts under `heads`."""
        return [_text(column, entry.values.get(column.key)) for column in self.shown]

    def records(self) -> list[dict[str, Any]]:
        """Returns rows as plain values; a score's interval is in ``KEY_low`` and ``KEY_high``."""
        return [
            {
                **self.facts,
                **{
                    key: value
                    for column in self.columns
                    for key, value in _fields(column.key, entry.values.get(column.key))
                },
            }
            for entry in self.rows
        ]


def _text(column: Column, value: Any) -> str:
    if isinstance(value, Shown):
        return value.text
    return NONE if value is None else column.show(value)


def _fields(key: str, value: Any) -> list[tuple[str, Any]]:
    value = value.value if isinstance(value, Shown) else value
    if not isinstance(value, Metric):
        return [(key, value)]
    made = value.interval
    low, high = (None, None) if made is None else (made.low, made.high)
    return [(key, value.value), (f"{key}_low", low), (f"{key}_high", high)]


def set_off(before: Entry, entry: Entry) -> bool:
    """Whether a rule separates two rows: one precedes the controls, and one the mean."""
    return entry.role in APART and before.role not in APART


def verdict(difference: Metric | None, p: float | None, *, lower_is_better: bool = False) -> str:
    """Returns ``better`` or ``worse`` for a difference with an adjusted p of at most 5 %."""
    if difference is None or p is None or p > 1 - LEVEL:
        return ""
    return "better" if (difference.value > 0) != lower_is_better else "worse"


def axis_columns(rows: Iterable[Mapping[str, str]]) -> list[Column]:
    """Returns columns of CSV and JSON alone: an axis each, with its value as in records."""
    return [Column(axis, None) for axis in dict.fromkeys(axis for row in rows for axis in row)]
