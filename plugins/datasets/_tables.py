"""Tables as datasets read them: CSV, TSV, JSON lines and Parquet, row by row with their places."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from lanser_bench import DataError, SettingsError

from ._files import lines, read_csv

Row = tuple[str, dict[str, Any]]
"""Where a row was read, and its cells by column; None, "" and NaN stand for nothing."""
DELIMITERS = {".csv": ",", ".tsv": "\t"}
TABLES = (".csv", ".tsv", ".jsonl", ".parquet")
"""Suffixes of tables, in the order in which they are looked for."""


def read_table(
    dataset: str, path: Path, names: Sequence[str] = (), *, quoted: bool = True
) -> Iterator[Row]:
    """Yields the rows of a table by its suffix.

    Args:
        dataset: the dataset's name, for messages.
        path: the table.
        names: columns of a CSV or TSV file that has no header line.
        quoted: False where quotes in a CSV or TSV file are ordinary characters.

    Raises:
        DataError: the table cannot be read; names file and line.
        SettingsError: its suffix is not that of a table.
    """
    kind = path.suffix.lower()
    if kind in DELIMITERS:
        for line, cells in read_csv(path, DELIMITERS[kind], names, quoted=quoted):
            yield f"{path}, line {line}", {column: text.strip() for column, text in cells.items()}
    elif kind == ".jsonl":
        yield from _read_jsonl(path)
    elif kind == ".parquet":
        yield from _read_parquet(path)
    else:
        raise SettingsError(
            f"dataset '{dataset}': table '{path.name}' must end in {', '.join(sorted(TABLES))}."
        )


def _read_jsonl(path: Path) -> Iterator[Row]:
    for number, line in lines(path):
        origin = f"{path}, line {number}"
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise DataError(f"{origin}: not JSON ({error.msg}, column {error.colno}).") from None
        if not isinstance(row, dict):
            raise DataError(f"{origin}: expected a JSON object with columns as keys.")
        yield origin, row


def _read_parquet(path: Path) -> Iterator[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
        number = 0
        for batch in file.iter_batches(batch_size=8192):
            for row in batch.to_pylist():
                number += 1
                yield f"{path}, row {number}", row
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path} cannot be read as Parquet: {error}.") from None


def plain_text(value: Any) -> str | None:
    """Returns a cell as text; names that a data frame has made numbers of (7.0) become 7 again."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return None if value is None else str(value)
