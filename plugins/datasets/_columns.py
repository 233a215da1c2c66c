"""Columns of a table that a library has read, as columns of a manifest."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from lanser_bench import DataError, SettingsError

TEXTS = ("speaker", "dialogue_id", "sentence_id", "language", "split", "transcript")
"""Columns whose values are names or words."""


def checked_columns(columns: Mapping[str, str], known: tuple[str, ...]) -> None:
    """Refuses a name here that is no column of a manifest.

    Raises:
        ValueError: in a pydantic validator, with the columns there are.
    """
    unknown = sorted(columns.keys() - set(known))
    if unknown:
        raise ValueError(f"'{unknown[0]}' is no column of a manifest; there are {', '.join(known)}")


def present(columns: Mapping[str, str], found: list[str], what: str) -> None:
    """Refuses a name there that the table does not have.

    Raises:
        SettingsError: with the columns there are.
    """
    for ours, theirs in columns.items():
        if theirs not in found:
            raise SettingsError(
                f"{what} has no column '{theirs}', which the options name for '{ours}'. It has "
                f"{', '.join(found)}."
            )


def text(value: Any) -> str | None:
    """A cell as text; empty cells, NaN and missing values are None; 7.0 is 7 again."""
    if value is None or value == "" or value != value:
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value)


def turn(value: Any, origin: str) -> int | None:
    """A cell as a whole number.

    Raises:
        DataError: it is something else.
    """
    found = _number(value)
    if found is not None and not found.is_integer():
        raise DataError(f"{origin}: turn is '{value}'; it must be a whole number.")
    return None if found is None else int(found)


def seconds(value: Any, origin: str, column: str) -> float | None:
    """A cell as a time in seconds.

    Raises:
        DataError: it is something else.
    """
    found = _number(value)
    if found is not None and not math.isfinite(found):
        raise DataError(f"{origin}: {column} is '{value}'; it must be a number of seconds.")
    return found


def _number(value: Any) -> float | None:
    """None where a cell is empty, NaN where it holds something else than a number."""
    if value is None or value == "" or value != value:
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan
