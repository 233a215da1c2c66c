"""What the readers of datasets share: walking a tree and reading tables beside it."""

from __future__ import annotations

import codecs
import csv
import io
import os
import re
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path

from lanser_bench import DataError

AUDIO = (".flac", ".mp3", ".ogg", ".opus", ".wav")
"""Suffixes of files that soundfile reads, in lower case."""
_SOUND = (
    *AUDIO,
    ".3gp",
    ".aac",
    ".ac3",
    ".aif",
    ".aifc",
    ".aiff",
    ".amr",
    ".ape",
    ".au",
    ".avi",
    ".caf",
    ".flv",
    ".m4a",
    ".m4b",
    ".m4v",
    ".mka",
    ".mkv",
    ".mov",
    ".mp2",
    ".mp4",
    ".mpeg",
    ".mpg",
    ".oga",
    ".snd",
    ".sph",
    ".spx",
    ".wave",
    ".webm",
    ".wma",
    ".wmv",
    ".wv",
)
_SYSTEM = ("__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information", "lost+found")
"""Folders that operating systems add."""
_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # begins with the mark of UTF-16, so it is looked for first
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def walk(root: Path, notes: list[str]) -> Iterator[Path]:
    """Yields the files with sound below a folder, sorted, each real folder once.

    Sound in formats that are not read (.m4a, .mp4) is yielded too: the survey reports it as
    unusable instead of losing a class. Hidden files and folders of the system are left out.

    Args:
        root: the folder.
        notes: gets a sentence on links that are not followed.

    Raises:
        DataError: a folder is not readable, or a name is not valid Unicode.
    """
    top = os.path.realpath(root)
    seen = {top}
    ignored: list[Path] = []
    for folder, folders, files in os.walk(root, followlinks=True, onerror=_refuse_folder):
        kept = []
        for name in sorted(folders):
            if name.startswith(".") or name in _SYSTEM:
                continue
            path = Path(folder, name)
            real = os.path.realpath(path)
            if real in seen or (path.is_symlink() and _is_walked(real, top)):
                ignored.append(path)
                continue
            seen.add(real)
            kept.append(name)
        folders[:] = kept
        for name in sorted(files):
            path = Path(folder, name)
            # Copies made on a Mac leave `._name.wav` files that hold no sound.
            if is_sound(path):
                yield _checked_name(path)
            elif path.is_symlink() and not os.path.exists(path):  # noqa: PTH110, never raises
                ignored.append(path)
    if ignored:
        notes.append(
            f"{counted(len(ignored), 'link')} not followed, because the target is missing or is "
            f"read already: {_named(ignored, root)}."
        )


def is_sound(path: Path) -> bool:
    """Whether a name is that of a file with sound, readable or not."""
    return path.name.lower().endswith(_SOUND) and not path.name.startswith(".")


def _is_walked(real: str, top: str) -> bool:
    """Whether a link's target is reached without the link: below the top, not below hidden."""
    path = Path(real)
    return path.is_relative_to(top) and not any(
        part.startswith(".") or part in _SYSTEM for part in path.relative_to(top).parts
    )


def _refuse_folder(error: OSError) -> None:
    raise DataError(
        f"The folder {error.filename} cannot be read: {error.strerror}. Allow reading it, or move "
        "it out of the dataset's folder."
    )


def _checked_name(path: Path) -> Path:
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise DataError(
            f"The file name {str(path)!a} is not valid UTF-8. Rename it, for example with "
            "`convmv -f latin1 -t utf8 --notest`."
        ) from None
    return path


def preferred(
    paths: Iterable[Path], notes: list[str], key: Callable[[Path], str] = lambda path: path.stem
) -> list[Path]:
    """Leaves out films and the like where a readable recording has the same key.

    Args:
        paths: files with sound.
        notes: gets a sentence on what is left out.
        key: what is equal for two files of one recording.
    """
    listed = list(paths)
    readable = {key(path) for path in listed if path.suffix.lower() in AUDIO}
    kept = [p for p in listed if p.suffix.lower() in AUDIO or key(p) not in readable]
    if len(kept) < len(listed):
        films = sorted(set(listed) - set(kept))
        notes.append(
            f"{counted(len(films), 'file')} ignored, because the format is not read and a "
            f"readable file has the same name: {_named(films)}."
        )
    return kept


def by_stem(paths: Iterable[Path], notes: list[str]) -> dict[str, list[Path]]:
    """Returns name without suffix → files: all copies of a recording, for the survey to judge."""
    found: dict[str, list[Path]] = {}
    for path in preferred(paths, notes):
        found.setdefault(path.stem, []).append(path)
    return found


def named(
    root: Path,
    pattern: re.Pattern[str],
    notes: list[str],
    key: Callable[[Path], str] = lambda path: path.stem,
) -> Iterator[tuple[Path, re.Match[str]]]:
    """Yields the files with sound whose names without suffix fit a pattern, sorted by path.

    Args:
        root: the folder.
        pattern: of the name.
        notes: gets sentences on what is left out.
        key: what is equal for two files of one recording.

    Raises:
        DataError: as `walk`.
    """
    others = []
    for path in preferred(walk(root, notes), notes, key):
        match = pattern.fullmatch(path.stem)
        if match is None:
            others.append(path)
        else:
            yield path, match
    if others:
        notes.append(
            f"{counted(len(others), 'sound file')} ignored, because the name is not one of the "
            f"corpus: {_named(others, root)}."
        )


def folders_without(root: Path, paths: Iterable[Path]) -> list[str]:
    """Returns the folders that have none of the files below them, with what they have instead."""
    used = {folder for path in paths for folder in path.parents}
    found = []
    for folder in sorted(root.rglob("*/")):
        hidden = folder.name.startswith(".") or folder.name in _SYSTEM or folder.is_symlink()
        if folder.parent in used and folder not in used and not hidden:
            ends = sorted({p.suffix or p.name for p in folder.rglob("*") if p.is_file()})
            found.append(f"'{folder.relative_to(root).as_posix()}' ({', '.join(ends) or 'empty'})")
    return found


def counted(number: int, what: str) -> str:
    """Returns such as ``3 files are`` and ``1 file is``."""
    return f"{number} {what}{' is' if number == 1 else 's are'}"


def _named(paths: Sequence[Path], root: Path | None = None) -> str:
    names = [str(path.relative_to(root)) if root else path.name for path in paths[:3]]
    return ", ".join(names) + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")


def near(root: Path, *names: str, above: bool = True) -> Path | None:
    """Returns the first file or folder of a name in the folder, up to two below it, or above it.

    Args:
        root: the folder, or its parent or child where users name that.
        names: paths below the folder that the corpus means, as patterns.
        above: look in the parent too.
    """
    places = [
        path for below in ("", "*/", "*/*/") for n in names for path in _glob(root, below + n)
    ]
    if above and not places:
        places = [path for name in names for path in _glob(root.parent, name)]
    return places[0] if places else None


def _glob(root: Path, pattern: str) -> list[Path]:
    found = sorted(root.glob(pattern))
    return [p for p in found if not any(part in _SYSTEM for part in p.relative_to(root).parts)]


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
        io.StringIO(text, newline=""),
        delimiter=delimiter,
        strict=True,
        quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE,
    )
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


def rows_with(columns: Collection[str], table: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Yields the rows of a comma-separated table, each with its line.

    Raises:
        DataError: as `read_csv`, or a column is missing.
    """
    for line, row in read_csv(table):
        if not row.keys() >= set(columns):
            raise DataError(
                f"{table} needs the columns {', '.join(sorted(columns))}; it has {', '.join(row)}."
            )
        yield line, row


def table_beside(root: Path) -> dict[str, dict[str, str]]:
    """Returns the rows of ``manifest.csv`` in the folder or below it, by their column ``id``.

    Copies of a corpus that were cut down often carry their transcripts there. Empty if there is
    no such file or it has no ids.
    """
    path = near(root, "manifest.csv", above=False)
    if path is None:
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
