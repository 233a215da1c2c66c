"""Reads text files and CSV tables; every error names file and line."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from lanser_bench import DataError

from ._columns import nfc
from ._files import near

_PAGE = re.compile(rb"(\xef\xbb\xbf)?\s*<(!doctype html|html|\?xml)", re.IGNORECASE)
_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16, whose mark it begins with
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def read_bytes(path: Path, advice: str = "") -> bytes:
    """Returns the content of a file; raises `DataError` (with `advice`) if it cannot be read."""
    try:
        refuse_stream(path)
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.{advice}") from None
    if raw.startswith(b"version https://git-lfs"):
        raise DataError(f"{path} is a Git LFS pointer. Run `git lfs pull` in its repository.")
    if _PAGE.match(raw):
        raise DataError(f"{path} is a web page, such as a sign-in page. Download it again.")
    return raw


def refuse_stream(path: Path) -> None:
    """Raises `DataError` if a path is a pipe or a device, which may never end."""
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise DataError(f"{path} is a pipe or a device. Write its content to a file.")


def read_text(path: Path, advice: str = "") -> str:
    """Returns the text of a file in UTF-8, or in the encoding that its byte-order mark names.

    Raises:
        DataError: the file cannot be read (with `advice`) or has another encoding.
    """
    raw = read_bytes(path, advice)
    encoding = next((name for mark, name in _MARKS.items() if raw.startswith(mark)), "utf-8")
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path} is not {encoding.removesuffix('-sig').upper()} (line {line}, byte "
            f"{error.start}). Save it as UTF-8."
        ) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise DataError(
            f"{path} is not UTF-8 (a zero byte in line {line}); it may be UTF-16 without a "
            "byte-order mark, or not a text. Save it as UTF-8."
        )
    return text


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yields the non-empty lines of a text file with their numbers; raises as `read_text`."""
    text = read_text(path).replace("\r\n", "\n")
    # Not splitlines(): speech may contain other characters that Unicode counts as line ends.
    for number, line in enumerate(text.split("\n" if "\n" in text else "\r"), start=1):
        if line.strip():
            yield number, line


def all_lines(path: Path, advice: str = "") -> list[str]:
    """Returns all lines of a text file, also empty ones; raises as `read_text`."""
    return io.StringIO(read_text(path, advice), newline=None).read().split("\n")


def csv_rows(
    path: Path, text: str, delimiter: str = ",", names: Sequence[str] = (), *, quoted: bool = True
) -> Iterator[tuple[int, int, dict[str, str]]]:
    """Yields the rows of a table, each with the numbers of its first and last line.

    Blank rows are skipped. Cells below an empty header have the name "". `path` is for messages,
    `names` are the columns of a table without a header line; with `quoted` false, quotes are
    ordinary characters.

    Raises:
        DataError: the table has no header or repeats a column, or a row has more or fewer cells
            than the header.
    """
    quoting: Any = csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE
    file = io.StringIO(text, newline="")
    reader = csv.reader(file, delimiter=delimiter, strict=True, quoting=quoting)
    header = _checked_header(f"{path}, option `names`", names)
    last = 0
    try:
        for cells in reader:
            begin, last = last + 1, reader.line_num
            if not any(cell.strip() for cell in cells):
                continue
            if not header:
                header = _checked_header(f"{path}, line {begin}", cells)
                continue
            if len(cells) != len(header):
                raise DataError(
                    f"{path}, line {begin}: {len(cells)} cells, but the header has {len(header)} "
                    f"({', '.join(header)}). Put quotes around cells that contain the "
                    "delimiter, add missing cells, or remove a line that is not of the table."
                )
            pairs = zip(header, cells, strict=True)
            yield begin, last, {name: cell for name, cell in pairs if name or cell.strip()}
    except csv.Error as error:
        raise DataError(
            f"{path}, line {last + 1}: {error}. A quote opens a cell here that is not closed, or "
            "is closed before its end. Double a quote inside a quoted cell; if quotes are "
            "ordinary characters, set `quoted: false` (datasets `manifest` and `text`)."
        ) from None
    if not header:
        raise DataError(f"{path} has no header line with the names of its columns.")


def _checked_header(origin: str, cells: Sequence[str]) -> list[str]:
    header = [nfc(name) for name in cells]
    repeated = sorted({name for name in header if name and header.count(name) > 1})
    if repeated:
        raise DataError(f"{origin}: duplicate column '{repeated[0]}'. Rename one of them.")
    return header


def rows_with(
    columns: Collection[str], table: Path, delimiter: str = ","
) -> Iterator[tuple[int, dict[str, str]]]:
    """Yields the rows of a corpus's table with their lines; raises if a column is missing."""
    for line, _, row in csv_rows(table, read_text(table), delimiter):
        if not row.keys() >= set(columns):
            raise DataError(
                f"{table} needs the columns {', '.join(sorted(columns))}; it has {', '.join(row)}."
            )
        yield line, row


def table_beside(root: Path) -> dict[str, dict[str, str]]:
    """Returns id → row of ``manifest.csv``, which partial copies of a corpus often have."""
    path = near(root, "manifest.csv", above=False)
    rows = rows_with((), path) if path else ()
    return {row["id"]: row for _, row in rows if row.get("id")}
