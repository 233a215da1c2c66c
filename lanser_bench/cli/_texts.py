"""Texts from a file, for commands that label without audio: the dataset `text` reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import DataError


def texts_options(path: Path, column: str) -> dict[str, Any]:
    """Returns the options with which the dataset `text` reads one file of its folder.

    Args:
        path: a table (CSV, TSV, JSONL or Parquet), or a ``.txt`` file with one text per line.
        column: the table's column of the texts.

    Raises:
        DataError: there is no such file, or a ``.txt`` file is asked for a column.
    """
    if not path.is_file():
        raise DataError(f"The texts {path} cannot be read: No such file.")
    if path.suffix.lower() != ".txt":
        return {"tables": [path.name], "columns": {"text": column}}
    if column != "text":
        raise DataError(f"{path} has one text per line and no column '{column}'. Omit --column.")
    return {"tables": [path.name], "columns": {}}


def read_texts(path: Path, column: str = "text") -> list[str]:
    """Reads the texts of a file; an empty cell is an empty text.

    Args:
        path: as for `texts_options`.
        column: the table's column of the texts.

    Raises:
        DataError: the file cannot be read, holds no text, or has no such column.
    """
    from ..plugins.discovery import registry

    plugin = registry().create("dataset", "text", texts_options(path, column))
    found = [row.transcript or "" for row in plugin.utterances(path.resolve().parent)]
    if not any(found):
        raise DataError(f"The file {path} holds no text.")
    return found
