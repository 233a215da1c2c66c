"""Extras: columns of tables without a meaning here, as JSON values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from ._files import counted
from ._tables import TableRow

_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")
_DIGITS = re.compile(r"[+-]?\d+")
_MISSING = {"na", "n/a", "#n/a", "nan", "null", "none", "<na>", "nat", "-", "?"}
"""Common names of a missing number, in lower case."""


def plain_extras(name: str, rows: list[TableRow], *, typed: bool, notes: list[str]) -> None:
    """Turns the rows' extras into numbers, texts, truth values, or lists and objects of these.

    In a column of numbers, any common name of a missing number counts as missing. Dates become
    text. Bytes are ignored. In a format that is not `typed`, such as CSV, columns whose cells all
    look like numbers become numbers. Each column with changed cells gives a note.
    """
    for column in dict.fromkeys(column for row in rows for column in row.extras):
        changes = set()
        for row in rows:
            if column in row.extras:
                value, change = _plain(row.extras.pop(column))
                changes.add(change)
                if value is not None:
                    row.extras[column] = value
        changes.discard("")
        notes += [f"{name}: the column '{column}' {change}." for change in sorted(changes)]
        present = [row for row in rows if column in row.extras]
        _number_column(name, column, present, typed=typed, notes=notes)


def _number_column(
    table: str, column: str, rows: list[TableRow], *, typed: bool, notes: list[str]
) -> None:
    def is_number(value: Any) -> bool:
        if typed:
            return isinstance(value, (int, float)) and not isinstance(value, bool)
        return isinstance(value, str) and _NUMBER.fullmatch(value) is not None

    numbers = [row for row in rows if is_number(row.extras[column])]
    others = [row for row in rows if not is_number(row.extras[column])]
    if not numbers or not all(isinstance(row.extras[column], str) for row in others):
        if rows and all(re.fullmatch(r"-?\d+,\d+", str(row.extras[column])) for row in rows):
            notes.append(f"{table}: '{column}' is text, because its numbers have decimal commas.")
        return
    cells = [str(row.extras[column]) for row in rows]
    words = [row for row in others if row.extras[column].casefold() not in _MISSING]
    first = next(iter(words or others), None)
    if first is not None:
        word, place = first.extras[column], first.origin.rpartition(", ")[2]
        if not words:
            notes.append(
                f"{table}: '{word}' in the number column '{column}' counts as missing "
                f"({counted(others, 'cell')}, the first in {place})."
            )
        elif len(numbers) > len(others) and not all(_DIGITS.fullmatch(cell) for cell in cells):
            notes.append(f"{table}: the column '{column}' is text because of '{word}' in {place}.")
    if words:
        return
    for row in others:
        del row.extras[column]
    if not typed:
        for row in numbers:
            row.extras[column] = float(row.extras[column])


def _plain(value: Any) -> tuple[Any, str]:
    """Returns a cell as a JSON value, and how it was changed, if it is worth a note."""
    match value:
        case Decimal():
            return (float(value) if value.is_finite() else None), ""
        case date() | time():
            return value.isoformat(), "is read as text: it has dates or times"
        case timedelta():
            return value.total_seconds(), "is read as seconds: it has durations"
        case bytes():
            return None, "is ignored: it has bytes"
        case UUID():
            return str(value), ""
        case Mapping():
            return {str(key): _plain(one)[0] for key, one in value.items()}, ""
        case list() | tuple():
            return [_plain(one)[0] for one in value], ""
        case float() if value != value:
            return None, ""
        case float() if value in (float("inf"), float("-inf")):
            return None, "has infinite numbers, which count as missing"
    return value, ""
