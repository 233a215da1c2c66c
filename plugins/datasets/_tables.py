"""Tables as datasets read them: CSV, TSV, JSON lines and Parquet, row by row with their places."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from lanser_bench import DataError, PluginOptions, SettingsError

from ._columns import WORDS, Naming, counted, empty, likely, nfc
from ._files import csv_rows, lines, read_text

Row = tuple[str, dict[str, Any]]
"""Where a row was read, and its cells by column; None, "" and NaN stand for nothing."""
DELIMITERS = {".csv": ",", ".tsv": "\t"}
TABLES = (".csv", ".tsv", ".jsonl", ".parquet")
"""Suffixes of tables, in the order in which they are looked for."""
_COMMON_VOICE = {"client_id", "path", "sentence"}
"""Columns of Common Voice's tables, which quote nothing."""


class TableOptions(PluginOptions):
    """How the tables of a dataset are written."""

    names: tuple[str, ...] = ()
    """Columns of CSV and TSV files that have no header line."""
    delimiter: Literal[",", ";", "tab", "pipe"] | None = None
    """What separates the cells of CSV and TSV files; left out: what suffix and header line show."""
    quoted: bool | None = None
    """True where quotes enclose cells in CSV and TSV files, false where they are ordinary
    characters; left out: TSV files whose quotes do not pair up are read as if it were false."""
    missing: tuple[str, ...] = ("nan", "None", "<NA>", "NaT")
    """Texts that stand for an empty cell, as pandas writes them; among sentences `None` only if
    more than 1 % of the rows have it."""


@dataclass
class TableRow:
    """A row by the columns' names here; cells that stand for nothing are missing."""

    origin: str
    cells: dict[str, Any] = field(default_factory=dict)
    extras: dict[str, Any] = field(default_factory=dict)


def read_table(path: Path, options: TableOptions, notes: list[str]) -> Iterator[Row]:
    """Yields the rows of a table by its suffix.

    Args:
        path: the table.
        options: how it is written.
        notes: gets a sentence where something about the table was guessed.

    Raises:
        DataError: the table cannot be read; names file and line.
        SettingsError: its suffix is not that of a table.
    """
    kind = path.suffix.lower()
    if kind in DELIMITERS:
        for line, cells in _delimited(path, options, notes):
            yield f"{path}, line {line}", {column: text.strip() for column, text in cells.items()}
    elif kind == ".jsonl":
        yield from _read_jsonl(path)
    elif kind == ".parquet":
        yield from _read_parquet(path)
    else:
        raise SettingsError(f"The table '{path.name}' must end in {', '.join(sorted(TABLES))}.")


def table_rows(
    path: Path, options: TableOptions, naming: Naming, notes: list[str]
) -> tuple[list[TableRow], list[str]]:
    """Returns the rows of a table by the columns' names here, and all columns of the table.

    Args:
        path: the table.
        options: how it is written.
        naming: what the names of columns mean; other columns become extras.
        notes: gets a sentence for all that is missing, ignored or may be a mistake.

    Raises:
        DataError: the table cannot be read, lacks a column or has two that mean the same; names
            file and line.
    """
    read = list(read_table(path, options, notes))
    found = list(dict.fromkeys(column for _, cells in read for column in cells if column))
    meant = naming.meanings(str(path), found) if read else {}
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
                    f"{origin}: two columns mean '{ours}', one of them '{column}'. Say which with "
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
    notes += _mistaken(path.name, found, meant, naming.known)
    return rows, found


def _missing(
    read: list[Row], meant: Mapping[str, str], markers: tuple[str, ...]
) -> dict[tuple[str, str], int]:
    """Returns column and text → how many cells of a known column stand for nothing by that text."""
    found = Counter(
        (column, value)
        for _, cells in read
        for column, value in cells.items()
        if isinstance(value, str) and value in markers and column in meant
    )
    # "None" is a sentence too, but hardly that of every hundredth row.
    return {
        (column, text): count
        for (column, text), count in found.items()
        if text != "None" or meant[column] not in WORDS or count > len(read) / 100
    }


def _mistaken(
    name: str, found: list[str], meant: Mapping[str, str], known: frozenset[str]
) -> Iterator[str]:
    """Yields a sentence for each extra whose name is much like that of an absent column."""
    absent = known - set(meant.values())
    absent -= {"label", "gold"} if "label" in meant.values() or "gold" in meant.values() else set()
    extras = [column for column in found if column not in meant]
    for column, ours in likely(extras, absent).items():
        yield (
            f"{name}: the column '{column}' is not read as {ours}. If it is, set the option "
            f"`columns: {{{ours}: {column}}}`."
        )


def _delimited(
    path: Path, options: TableOptions, notes: list[str]
) -> list[tuple[int, dict[str, str]]]:
    text = read_text(path)
    default = DELIMITERS[path.suffix.lower()]
    delimiter = {"tab": "\t", "pipe": "|"}.get(options.delimiter or "", options.delimiter)
    if text[:4].lower() == "sep=" and len(text) > 4:  # Excel's own first line
        delimiter, text = delimiter or text[4], text[5:]
    all_lines = list(io.StringIO(text, newline=""))
    head = next((line for line in all_lines if line.strip()), "")
    if not delimiter:
        delimiter = _guessed_delimiter(head, default, len(options.names))
        if delimiter != default:
            notes.append(f"{path.name}: cells are parted by {delimiter!r}, as in its first line.")
    quoted = options.quoted
    if quoted is None and not options.names and {*map(nfc, head.split(delimiter))} >= _COMMON_VOICE:
        quoted = False
    if quoted is not None:
        rows = csv_rows(path, text, delimiter, options.names, quoted=quoted)
        return [(line, row) for line, _, row in rows]
    return _quoted_rows(path, text, all_lines, delimiter, options, notes)


def _guessed_delimiter(head: str, default: str, columns: int) -> str:
    """Returns the default unless it is absent from the first line and one other is there."""
    others = [sign for sign in (",", ";", "\t") if sign != default and sign in head]
    return default if default in head or len(others) != 1 or columns == 1 else others[0]


def _quoted_rows(
    path: Path,
    text: str,
    all_lines: list[str],
    delimiter: str,
    options: TableOptions,
    notes: list[str],
) -> list[tuple[int, dict[str, str]]]:
    """Reads quotes as enclosing cells, unless a TSV file shows that it does not quote."""
    try:
        rows = list(csv_rows(path, text, delimiter, options.names, quoted=True))
        _check_spanned(path, rows, all_lines, delimiter, notes)
        return [(begin, row) for begin, _, row in rows]
    except DataError as error:
        fault = error
    if delimiter != "\t":
        raise fault
    try:
        plain = list(csv_rows(path, text, delimiter, options.names, quoted=False))
    except DataError:
        raise fault from None
    if not plain or any(name.startswith('"') for name in plain[0][2]):
        raise fault
    notes.append(
        f"{path.name}: quotes are read as ordinary characters, because they do not pair up within "
        "cells (option `quoted`)."
    )
    return [(begin, row) for begin, _, row in plain]


def _check_spanned(
    path: Path,
    rows: list[tuple[int, int, dict[str, str]]],
    all_lines: list[str],
    delimiter: str,
    notes: list[str],
) -> None:
    """Refuses rows of several lines that are each a whole row if quotes are not read."""
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
            f"({counted(len(spanned), 'row')})."
        )


def _read_jsonl(path: Path) -> Iterator[Row]:
    for number, line in lines(path):
        origin = f"{path}, line {number}"
        try:
            row = json.loads(line, object_pairs_hook=_unique, parse_constant=_constant)
            if "\\u" in line:
                json.dumps(row, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise DataError(f"{origin}: holds half of a surrogate pair (\\ud…).") from None
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
    names = [nfc(name) for name, _ in pairs]
    found = dict(zip(names, (value for _, value in pairs), strict=True))
    if len(found) < len(pairs):
        raise ValueError(f"duplicate key '{next(n for n in names if names.count(n) > 1)}'")
    return found


def _constant(name: str) -> None:
    """NaN stands for nothing; other constants are no numbers."""
    if name != "NaN":
        raise ValueError(f"{name} is not a number of JSON")


def _read_parquet(path: Path) -> Iterator[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
        repeated = [
            n for n, count in Counter(map(nfc, file.schema_arrow.names)).items() if count > 1
        ]
        if repeated:
            raise DataError(f"{path}: duplicate column '{repeated[0]}'. Rename one of them.")
        number = 0
        for batch in file.iter_batches(batch_size=8192):
            for row in batch.to_pylist():
                number += 1
                yield f"{path}, row {number}", {nfc(column): cell for column, cell in row.items()}
    except (pa.ArrowException, OSError, ValueError, OverflowError, LookupError) as error:
        raise DataError(f"{path} cannot be read as Parquet: {error}.") from None
