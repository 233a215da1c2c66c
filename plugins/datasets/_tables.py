"""Reads tables row by row with their origins: CSV, TSV, JSON lines and Parquet."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from lanser_bench import SOUND_SUFFIXES, DataError, PluginOptions, SettingsError

from ._columns import WORDS, Naming, empty, likely, nfc
from ._files import counted
from ._text_files import csv_rows, lines, read_bytes, read_text, refuse_stream

Row = tuple[str, dict[str, Any]]
"""Where a row was read, and its cells by column; None, "" and NaN are empty cells."""
Lines = list[tuple[int, int, dict[str, str]]]
"""Rows of a CSV table, each with its first and last line."""
DELIMITERS = {".csv": ",", ".tsv": "\t"}
TABLES = (".csv", ".tsv", ".jsonl", ".parquet")
"""Suffixes of tables, in the order of search."""
_WORDS_OF_NAME = 6
"""More words than a column's name has."""
_COMMON_VOICE = {"client_id", "path", "sentence"}
"""Columns of Common Voice's tables, in which quotes are ordinary characters."""


class TableOptions(PluginOptions):
    """How the tables of a dataset are written."""

    names: tuple[str, ...] = ()
    """Columns of CSV and TSV files that have no header line."""
    delimiter: Literal[",", ";", "tab", "pipe"] | None = None
    """Separates the cells of CSV and TSV files; guessed from suffix and header line if not set."""
    quoted: bool | None = None
    """True if quotes enclose cells in CSV and TSV files, false if they are ordinary characters. If
    not set, false for TSV files whose quotes do not pair up."""
    missing: tuple[str, ...] = ("nan", "None", "<NA>", "NaT")
    """Texts that mean an empty cell, as pandas writes them; in columns of sentences `None` counts
    only if more than 1 % of the rows have it."""


@dataclass
class TableRow:
    """A row by the columns' names here, without empty cells."""

    origin: str
    cells: dict[str, Any] = field(default_factory=dict)
    extras: dict[str, Any] = field(default_factory=dict)


def table_rows(
    path: Path, options: TableOptions, naming: Naming, notes: list[str]
) -> tuple[list[TableRow], list[str]]:
    """Returns the rows of a table by the columns' names here, and all columns of the table.

    Columns without a meaning by `naming` become extras. Everything that is missing, ignored,
    guessed or a likely mistake gives a note.

    Raises:
        DataError: the table cannot be read, lacks a column or has two that mean the same.
        SettingsError: its suffix is not that of a table.
    """
    read = list(_read_table(path, options, notes))
    columns = list(dict.fromkeys(column for _, cells in read for column in cells if column))
    meant = naming.meanings(str(path), columns) if read else {}
    missing = _missing(read, meant, options.missing)
    rows = []
    for origin, cells in read:
        naming.check_required(origin, cells, meant)
        row = TableRow(origin)
        for column, value in cells.items():
            ours = meant.get(column)
            if empty(value) or (isinstance(value, str) and (column, value) in missing):
                continue
            if ours is None:
                row.extras[column] = value
            elif ours in row.cells:
                raise DataError(
                    f"{origin}: two columns mean '{ours}', one of them '{column}'. Choose one with "
                    "the option `columns`, or rename one."
                )
            else:
                row.cells[ours] = value
        rows.append(row)
    notes += [
        f"{path.name}: '{text}' in the column {column} counts as empty "
        f"({counted(count, 'cell')}; option `missing`)."
        for (column, text), count in missing.items()
    ]
    nameless = sum(row.extras.pop("", None) is not None for row in rows)
    if nameless:
        notes.append(
            f"{path.name}: cells below an empty header are ignored in {counted(nameless, 'row')}."
        )
    absent = naming.known - set(meant.values())
    if {"label", "gold"} & set(meant.values()):
        absent -= {"label", "gold"}
    extras = [column for column in columns if column not in meant]
    notes += [
        f"{path.name}: the column '{column}' is not read as {ours}. If it is, set the option "
        f"`columns: {{{ours}: {column}}}`."
        for column, ours in likely(extras, absent, by_part=True).items()
    ]
    return rows, columns


def sample_rows(path: Path, options: TableOptions, count: int = 300) -> list[dict[str, Any]]:
    """Returns cells by column of the first rows; raises as `table_rows`, or without a header."""
    rows = [cells for _, cells in islice(_read_table(path, options, []), count)]
    for column in rows[0] if rows else ():
        if column.lower().endswith(SOUND_SUFFIXES) or len(column.split()) > _WORDS_OF_NAME:
            raise DataError(
                f"{path}: '{column}' is not the name of a column. Name the columns of a table "
                "without a header line with the option `names`, such as names=[audio, label]."
            )
    return rows


def _read_table(path: Path, options: TableOptions, notes: list[str]) -> Iterable[Row]:
    """Reads a table by its suffix."""
    match path.suffix.lower():
        case ".csv" | ".tsv":
            return (
                (f"{path}, line {line}", {column: text.strip() for column, text in cells.items()})
                for line, _, cells in _delimited(path, options, notes)
            )
        case ".jsonl":
            return _read_jsonl(path)
        case ".parquet":
            return _read_parquet(path)
    raise SettingsError(f"The table '{path.name}' must end in {', '.join(sorted(TABLES))}.")


def _missing(
    read: list[Row], meant: Mapping[str, str], markers: tuple[str, ...]
) -> dict[tuple[str, str], int]:
    """Returns column and text → number of cells of a known column that are empty by that text."""
    counts = Counter(
        (column, value)
        for _, cells in read
        for column, value in cells.items()
        if isinstance(value, str) and value in markers and column in meant
    )
    # "None" is a sentence too, but hardly that of every hundredth row.
    return {
        (column, text): count
        for (column, text), count in counts.items()
        if text != "None" or meant[column] not in WORDS or count > len(read) / 100
    }


def _delimited(path: Path, options: TableOptions, notes: list[str]) -> Lines:
    text = read_text(path)
    default = DELIMITERS[path.suffix.lower()]
    delimiter = {"tab": "\t", "pipe": "|"}.get(options.delimiter or "", options.delimiter)
    if text[:4].lower() == "sep=" and len(text) > 4:  # Excel's own first line
        delimiter, text = delimiter or text[4], text[5:]
    head = next((line for line in io.StringIO(text, newline="") if line.strip()), "")
    if not delimiter:
        others = [sign for sign in (",", ";", "\t", "|") if sign != default and sign in head]
        certain = default in head or len(others) != 1 or len(options.names) == 1
        delimiter = default if certain else others[0]
        if not certain:
            notes.append(
                f"{path.name}: cells are separated by {delimiter!r}, as in the first line."
            )
    quoted = options.quoted
    if quoted is None and not options.names and {*map(nfc, head.split(delimiter))} >= _COMMON_VOICE:
        quoted = False
    if quoted is not None:
        return list(csv_rows(path, text, delimiter, options.names, quoted=quoted))
    return _quoted_rows(path, text, delimiter, options, notes)


def _quoted_rows(
    path: Path, text: str, delimiter: str, options: TableOptions, notes: list[str]
) -> Lines:
    """Reads quotes as enclosing cells, unless a TSV file turns out not to use them so."""
    try:
        rows = list(csv_rows(path, text, delimiter, options.names))
        _check_spanned(path, rows, text, delimiter, notes)
        return rows
    except DataError as error:
        if delimiter != "\t":
            raise
        fault = error
    try:
        rows = list(csv_rows(path, text, delimiter, options.names, quoted=False))
    except DataError:
        raise fault from None
    if not rows or any(name.startswith('"') for name in rows[0][2]):
        raise fault
    notes.append(
        f"{path.name}: quotes are read as ordinary characters, because they do not pair up within "
        "cells (option `quoted`)."
    )
    return rows


def _check_spanned(path: Path, rows: Lines, text: str, delimiter: str, notes: list[str]) -> None:
    """Refuses rows of several lines that are each a whole row if quotes are ordinary characters."""
    all_lines = list(io.StringIO(text, newline=""))
    spanned = [(begin, end) for begin, end, _ in rows if end > begin]
    width = max((len(row) for _, _, row in rows), default=0)
    for begin, end in spanned:
        parts = [line for line in all_lines[begin - 1 : end] if line.strip() or width == 1]
        whole = all(line.strip() and line.count(delimiter) == width - 1 for line in parts)
        if whole and (width > 1 or delimiter == "\t"):
            raise DataError(
                f"{path}, lines {begin} to {end}: a quote joins these lines into one row, but "
                "each is a whole row by itself. Set the option `quoted`: false if quotes are "
                "ordinary characters, true if a cell spans these lines."
            )
    if spanned:
        begin, end = spanned[0]
        notes.append(
            f"{path.name}: quoted cells span several lines, such as lines {begin} to {end} "
            f"({counted(spanned, 'row')})."
        )


def _read_jsonl(path: Path) -> Iterator[Row]:
    for number, line in lines(path):
        origin = f"{path}, line {number}"
        try:
            row = json.loads(line, object_pairs_hook=_unique, parse_constant=_constant)
            if "\\u" in line:
                json.dumps(row, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise DataError(f"{origin}: contains half of a surrogate pair (\\ud…).") from None
        except (ValueError, RecursionError) as error:
            reason = str(error)
            if isinstance(error, json.JSONDecodeError):
                reason = f"{error.msg}, column {error.colno}"
            array = " Write one object per line, not an array." if line.startswith("[") else ""
            raise DataError(f"{origin}: not JSON ({reason}).{array}") from None
        if not isinstance(row, dict):
            raise DataError(
                f"{origin}: expected a JSON object with columns as keys. Write one object per line."
            )
        yield origin, row


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    cells = {nfc(name): value for name, value in pairs}
    if len(cells) < len(pairs):
        raise ValueError(f"duplicate key '{_repeated(name for name, _ in pairs)}'")
    return cells


def _repeated(names: Iterable[str]) -> str:
    """Returns the first name that occurs more than once; empty if there is none."""
    return next((name for name, count in Counter(map(nfc, names)).items() if count > 1), "")


def _constant(name: str) -> None:
    """Reads NaN as an empty cell."""
    if name != "NaN":
        raise ValueError(f"{name} is not a number of JSON")


def _read_parquet(path: Path) -> Iterator[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        refuse_stream(path)
        file = pq.ParquetFile(path)
        if repeated := _repeated(file.schema_arrow.names):
            raise DataError(f"{path}: duplicate column '{repeated}'. Rename one of them.")
        for batch in file.iter_batches(batch_size=8192):
            for row in batch.to_pylist():
                number += 1
                yield f"{path}, row {number}", {nfc(column): cell for column, cell in row.items()}
    except (pa.ArrowException, OSError, ValueError, OverflowError, LookupError) as error:
        read_bytes(path)  # refuses a Git LFS pointer or a web page
        raise DataError(f"{path} cannot be read as Parquet: {error}.") from None
