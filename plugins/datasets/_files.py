"""What the readers of datasets share: walking a tree and reading tables beside it."""

from __future__ import annotations

import codecs
import csv
import io
import os
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path

from lanser_bench import DataError

AUDIO = (".flac", ".mp3", ".ogg", ".opus", ".wav")
"""Suffixes of files that soundfile reads, in lower case."""
_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # begins with the mark of UTF-16, so it is looked for first
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def walk(root: Path) -> Iterator[Path]:
    """Yields the sound files under a folder, sorted, without hidden ones."""
    for folder, folders, files in os.walk(root, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            # Copies made on a Mac leave `._name.wav` files that hold no sound.
            if not name.startswith(".") and name.lower().endswith(AUDIO):
                yield Path(folder) / name


def read_text(path: Path) -> str:
    """Returns the text of a file in UTF-8, or in the encoding that its byte-order mark names.

    Raises:
        DataError: the file cannot be read or holds bytes of another encoding; names file and line.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from None
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
            "byte-order mark, or no text at all. Save it as UTF-8."
        )
    return text


def read_csv(
    path: Path, delimiter: str = ",", names: Sequence[str] = (), *, quoted: bool = True
) -> Iterator[tuple[int, dict[str, str]]]:
    """Yields the rows of a table, each with the number of its line.

    Args:
        path: the file.
        delimiter: what parts its cells.
        names: its columns; empty where its first line names them.
        quoted: False where quotes are ordinary characters.

    Raises:
        DataError: the file cannot be read, is not UTF-8, has no header or repeats a column, or a
            row has more or fewer cells than the header; names file and line.
    """
    for begin, _, row in csv_rows(path, read_text(path), delimiter, names, quoted=quoted):
        yield begin, row


def csv_rows(
    path: Path, text: str, delimiter: str, names: Sequence[str], *, quoted: bool
) -> Iterator[tuple[int, int, dict[str, str]]]:
    """Yields the rows of a table's text, each with its first and last line; `read_csv` says how.

    Blank rows are skipped. Cells below an empty header stand under "".
    """
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=delimiter, strict=True,
        quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE,
    )  # fmt: skip
    header, last = _checked_header(f"{path}, option `names`", names) if names else [], 0
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
                    f"({', '.join(header)}). Quote cells that hold the delimiter."
                )
            pairs = zip(header, cells, strict=True)
            yield begin, last, {name: cell for name, cell in pairs if name or cell.strip()}
    except csv.Error as error:
        raise DataError(
            f"{path}, line {last + 1}: {error}. A quote opens a cell here that does not close, or "
            "that closes before its end. Write a quote inside a quoted cell twice; if "
            "quotes are ordinary characters, `manifest` and `text` take the option `quoted: false`."
        ) from None
    if not header:
        raise DataError(f"{path} has no header line with the names of its columns.")


def _checked_header(origin: str, cells: Sequence[str]) -> list[str]:
    header = [unicodedata.normalize("NFC", name.strip()) for name in cells]
    repeated = sorted({name for name in header if name and header.count(name) > 1})
    if repeated:
        raise DataError(f"{origin}: duplicate column '{repeated[0]}'. Rename one of them.")
    return header


def table_beside(root: Path) -> dict[str, dict[str, str]]:
    """Returns the rows of ``root/manifest.csv`` by their column ``id``.

    Copies of a corpus that were cut down often carry their transcripts there. Empty if there is
    no such file or it has no ids.
    """
    path = root / "manifest.csv"
    if not path.is_file():
        return {}
    return {row["id"]: row for _, row in read_csv(path) if row.get("id")}


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yields the non-empty lines of a text file with their numbers.

    Raises:
        DataError: the file cannot be read or is not UTF-8.
    """
    text = read_text(path).replace("\r\n", "\n")
    # Not splitlines(): a line of speech may hold what Unicode counts as line ends too.
    for number, line in enumerate(text.split("\n" if "\n" in text else "\r"), start=1):
        if line.strip():
            yield number, line
