"""Extras of tables: the columns that mean nothing here, as JSON has them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from ._columns import counted
from ._tables import TableRow

_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")
_DIGITS = re.compile(r"[+-]?\d+")
_MISSING = {"na", "n/a", "#n/a", "nan", "null", "none", "<na>", "nat", "-", "?"}
"""What stands for a missing number, in lower case."""


def plain_extras(name: str, rows: list[TableRow], *, typed: bool, notes: list[str]) -> None:
    """Makes extras numbers, texts, truth values, or lists and objects of these.

    A column of numbers may have missing ones under any common name. Dates become text. Bytes are
    ignored.

    Args:
        name: the table's, for messages.
        rows: changed in place.
        typed: whether the table's format tells numbers from texts; else columns whose cells all
            look like numbers become numbers.
        notes: gets a sentence for each column where a cell is missing, ignored or of another kind.
    """
    for column in dict.fromkeys(column for row in rows for column in row.extras):
        having = [row for row in rows if column in row.extras]
        kinds = set()
        for row in having:
            value, kind = _plain(row.extras[column])
            row.extras[column] = value
            kinds.add(kind)
        for kind in sorted(kinds - {""}):
            notes.append(f"{name}: the column '{column}' {kind}.")
        having = [row for row in having if row.extras[column] is not None]
        for row in rows:
            if column in row.extras and row.extras[column] is None:
                del row.extras[column]
        _number_column(name, column, having, typed=typed, notes=notes)


def _number_column(
    table: str, column: str, rows: list[TableRow], *, typed: bool, notes: list[str]
) -> None:
    def is_number(value: Any) -> bool:
        if typed:
            return isinstance(value, (int, float)) and not isinstance(value, bool)
        return isinstance(value, str) and _NUMBER.fullmatch(value) is not None

    numbers = [row for row in rows if is_number(row.extras[column])]
    others = [row for row in rows if not is_number(row.extras[column])]
    if not numbers or (others and not all(isinstance(r.extras[column], str) for r in others)):
        commas = [r for r in rows if re.fullmatch(r"-?\d+,\d+", str(r.extras[column]))]
        if rows and len(commas) == len(rows):
            notes.append(f"{table}: '{column}' is text, because its numbers have decimal commas.")
        return
    strange = [r for r in others if r.extras[column].casefold() not in _MISSING]
    if strange:
        word, place = strange[0].extras[column], strange[0].origin.rpartition(", ")[2]
        if len(numbers) > len(others) and not _DIGITS.fullmatch(word):
            notes.append(f"{table}: the column '{column}' is text because of '{word}' in {place}.")
        return
    if others:
        word, place = others[0].extras[column], others[0].origin.rpartition(", ")[2]
        notes.append(
            f"{table}: '{word}' in the number column '{column}' counts as missing "
            f"({counted(len(others), 'cell')}, the first in {place})."
        )
    for row in others:
        del row.extras[column]
    if not typed:
        for row in numbers:
            row.extras[column] = float(row.extras[column])


def _plain(value: Any) -> tuple[Any, str]:
    """Returns a cell as JSON has it, and what was done to it, if anything."""
    if isinstance(value, Decimal):
        return (float(value) if value.is_finite() else None), ""
    if isinstance(value, (date, time)):
        return value.isoformat(), "is read as text: it has dates or times"
    if isinstance(value, timedelta):
        return value.total_seconds(), "is read as seconds: it has durations"
    if isinstance(value, bytes):
        return None, "is ignored: it has bytes"
    if isinstance(value, UUID):
        return str(value), ""
    if isinstance(value, Mapping):
        return {str(key): _plain(one)[0] for key, one in value.items()}, ""
    if isinstance(value, (list, tuple)):
        return [_plain(one)[0] for one in value], ""
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None, "has infinite numbers, which count as missing" if value == value else ""
    return value, ""
