"""What the readers of datasets share: walking a tree and reading tables beside it."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from lanser_bench import DataError

AUDIO = (".flac", ".mp3", ".ogg", ".opus", ".wav")
"""Suffixes of files that soundfile reads, in lower case."""


def walk(root: Path) -> Iterator[Path]:
    """Yields the sound files under a folder, sorted, without hidden ones."""
    for folder, folders, files in os.walk(root, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            # Copies made on a Mac leave `._name.wav` files that hold no sound.
            if not name.startswith(".") and name.lower().endswith(AUDIO):
                yield Path(folder) / name


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
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(
                file, delimiter=delimiter, strict=True,
                quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE,
            )  # fmt: skip
            header = list(names) or next(reader, [])
            _check_header(path, header)
            for cells in reader:
                if not cells:
                    continue
                if len(cells) != len(header):
                    raise DataError(
                        f"{path}, line {reader.line_num}: {len(cells)} cells, but the header has "
                        f"{len(header)}. Quote cells that hold the delimiter."
                    )
                yield reader.line_num, dict(zip(header, cells, strict=True))
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 (byte {error.start}). Save it as UTF-8.") from None
    except csv.Error as error:
        raise DataError(f"{path}, line {reader.line_num}: {error}.") from None


def _check_header(path: Path, header: list[str]) -> None:
    if not any(name.strip() for name in header):
        raise DataError(f"{path} has no header line with the names of its columns.")
    doubled = sorted({name for name in header if header.count(name) > 1})
    if doubled:
        raise DataError(f"{path}, line 1: column '{doubled[0]}' is there twice.")


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
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 (byte {error.start}). Save it as UTF-8.") from None
    # Not splitlines(): a line of speech may hold what Unicode counts as line ends too.
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield number, line
