"""Parquet files that may come from elsewhere: read in one place, with checked types and ranges."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ..errors import DataError
from .arrays import Ints

_FILE = b"file"
"""Entry of a table's metadata that names its file in messages."""
_REMEDY = "Take the file and its record from where they were made, or run the experiment again."


@dataclass(frozen=True)
class Sheet:
    """Columns of a file: whole numbers are not negative, others are finite, and none is null."""

    columns: pa.Schema
    lowest: Mapping[str, int] = field(default_factory=dict)
    """Column of whole numbers → its smallest value, if not 0."""
    optional: tuple[str, ...] = ()
    """Columns that may have nulls."""

    def read(self, content: bytes, file: Path, columns: Sequence[str] | None = None) -> pa.Table:
        """Returns the table of a file, or some of its columns.

        Raises:
            DataError: it is not Parquet, or its columns are not these; the message names `file`.
        """
        try:
            # Not `read_table`, which loads pandas. Threads cost more than they save here.
            table = pq.ParquetFile(pa.BufferReader(content)).read(columns, use_threads=False)
            names = self.columns.names if columns is None else columns
            if table.schema.names != list(names):
                raise ValueError(f"its columns are {', '.join(table.schema.names)[:200]}")
            table.validate(full=True)
            kinds = pa.schema([self.columns.field(name) for name in names])
            if not table.schema.equals(kinds):
                table = table.cast(kinds)
        except (pa.ArrowException, OSError, ValueError) as error:  # also `UnicodeDecodeError`
            raise DataError(f"{file} is damaged: {_line(error)}. {_REMEDY}") from None
        for name in names:
            if why := self._fault(name, table[name]):
                raise DataError(f"{file} is damaged: its column {name} has {why}. {_REMEDY}")
        metadata = table.schema.metadata or {}
        return table.replace_schema_metadata({**metadata, _FILE: str(file)})

    def _fault(self, name: str, column: pa.ChunkedArray) -> str:
        kind = column.type
        if column.null_count and name not in self.optional:
            return "empty cells"
        if pa.types.is_integer(kind):
            low, least = self.lowest.get(name, 0), pc.min(column).as_py()
            if least is not None and least < low:
                return f"the number {least}, below {low}"
        if pa.types.is_list(kind):
            column = pc.list_flatten(column)
            kind = column.type
        if pa.types.is_floating(kind) and not np.isfinite(column.to_numpy()).all():
            return "numbers that are not finite"
        return ""


@contextmanager
def fitting(table: pa.Table) -> Iterator[None]:
    """Names the file of a table if its rows do not fit together, such as in their number.

    Raises:
        DataError: the code inside could not use the rows.
    """
    try:
        yield
    except (ArithmeticError, LookupError, OSError, TypeError, ValueError) as error:
        raise DataError(f"{_named(table)} do not fit together: {_line(error)}. {_REMEDY}") from None


def rows_with(table: pa.Table, column: str, value: str) -> pa.Table:
    """Returns the rows with a value that the record names, else a `DataError`: there are some."""
    rows = table.filter(pc.equal(table[column], value))
    if not len(rows):
        raise DataError(f"{_named(table)} have none with {column} '{value}'. {_REMEDY}")
    return rows


def codes(table: pa.Table, column: str, n: int) -> Ints:
    """Returns a column of positions in n labels, else a `DataError`; −1 is no label."""
    found: Ints = table[column].to_numpy().astype(np.int64)
    if len(found) and found.max() >= n:
        raise DataError(
            f"{_named(table)} have the label number {found.max()} as {column}, but the record has "
            f"{n} labels. {_REMEDY}"
        )
    return found


def _named(table: pa.Table) -> str:
    file = (table.schema.metadata or {}).get(_FILE, b"")
    return f"The rows of {file.decode()}" if file else "The rows"


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200].rstrip(".")
