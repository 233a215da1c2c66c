"""Texts from a file, for commands that label without audio."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from pathlib import Path

from ..errors import DataError, did_you_mean

DELIMITERS = {".csv": ",", ".tsv": "\t"}


def read_texts(path: Path, column: str = "text") -> list[str]:
    """Reads texts: a column of CSV or TSV with a head line, a key of JSONL, or one text per line.

    Args:
        path: the file, UTF-8; its ending says how it is read.
        column: column or key of the texts.

    Raises:
        DataError: the file cannot be read, holds no text, or has no such column.
    """
    try:
        # Read as it is: a field of CSV may hold line ends of its own.
        with path.open(encoding="utf-8-sig", newline="") as file:
            whole = file.read()
    except (OSError, UnicodeDecodeError) as error:
        reason = "not UTF-8" if isinstance(error, UnicodeDecodeError) else error.strerror
        raise DataError(f"The texts {path} cannot be read: {reason}.") from None
    kind = path.suffix.lower()
    if kind in DELIMITERS:
        found = _table(path, whole, column, DELIMITERS[kind])
    elif kind == ".jsonl":
        found = [_entry(path, i, line, column) for i, line in _lines(whole)]
    else:
        found = [line for _, line in _lines(whole)]
    if not any(text.strip() for text in found):
        raise DataError(f"The file {path} holds no text.")
    return found


def _lines(whole: str) -> Iterable[tuple[int, str]]:
    """Numbered lines that are not blank; only line ends part them, not what Unicode counts too."""
    lines = whole.replace("\r\n", "\n").split("\n")
    return [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]


def _table(path: Path, whole: str, column: str, delimiter: str) -> list[str]:
    try:
        rows = csv.DictReader(io.StringIO(whole, newline=""), delimiter=delimiter)
        known = [name for name in rows.fieldnames or [] if name]
        if column not in known:
            raise DataError(
                f"{path}, line 1: there is no column '{column}'.{did_you_mean(column, known)} Name "
                "the column of the texts with --column."
            )
        return [row[column] or "" for row in rows]
    except csv.Error as error:
        raise DataError(f"{path} is not a table: {error}.") from None


def _entry(path: Path, number: int, line: str, column: str) -> str:
    try:
        row = json.loads(line)
    except ValueError:
        raise DataError(f"{path}, line {number}: not JSON.") from None
    if not isinstance(row, dict) or not isinstance(row.get(column), str):
        raise DataError(f"{path}, line {number}: there is no text under '{column}'.")
    return str(row[column])
