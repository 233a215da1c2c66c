"""Guesses what columns of an unknown table, and parts of file names, mean."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from lanser_bench import SOUND_SUFFIXES, DataError, label_word

from ._columns import SPLITS, WORDS, Naming, empty, likely
from ._paths import Recordings, exists
from ._tables import TABLES
from ._text_files import read_bytes

OWN_TABLES = ("manifest.csv", "manifest.tsv", "manifest.jsonl", "manifest.parquet")
"""Tables that `manifest` reads without the option `table`."""
_HUB = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
_MOST = 0.8
"""Share of the cells or names that must fit a guess."""
_SENTENCE = 3
"""Words of a cell that looks like a transcript."""


def guessed_columns(
    rows: Sequence[Mapping[str, Any]], naming: Naming, emotions: Container[str]
) -> tuple[dict[str, str], dict[str, str], tuple[str, ...]]:
    """Guesses columns from some rows, by content where it says enough, else by name.

    Returns column here → column of the table: for the option `columns`, which needs only columns
    whose names are not clear to `naming`; and all. Then a sentence for each.
    """
    columns = list(dict.fromkeys(column for row in rows for column in row if column))
    try:
        meant = naming.meanings("", columns)
    except DataError:  # two columns have names of one: the first is taken
        meant = {}
    guessed: dict[str, str] = {}
    tests: dict[str, Callable[[str], bool]] = {
        "audio": lambda cell: cell.lower().endswith(SOUND_SUFFIXES),
        "label": lambda cell: label_word(cell) in emotions,
        **dict.fromkeys(WORDS, lambda cell: len(cell.split()) >= _SENTENCE),
    }
    cells = {c: [str(row[c]) for row in rows if not empty(row.get(c))] for c in columns}
    for ours, fits in tests.items():
        if ours in naming.known and ours not in meant.values():
            free = [c for c in columns if c not in meant and c not in guessed.values()]
            share = {c: sum(map(fits, cells[c])) / len(cells[c]) for c in free if cells[c]}
            best = max(share, key=share.__getitem__, default="")
            if share.get(best, 0.0) >= _MOST and len(set(cells[best])) > 1:
                guessed[ours] = best
    rest = [column for column in columns if column not in meant and column not in guessed.values()]
    for column, ours in likely(rest, naming.known - {*meant.values(), *guessed}).items():
        guessed.setdefault(ours, column)
    named = {ours: column for column, ours in meant.items()} | guessed
    return guessed, named, tuple(f"{ours}: column '{column}'" for ours, column in named.items())


def guessed_pattern(paths: Sequence[str], emotions: Container[str]) -> tuple[str, list[str]]:
    """Returns a pattern for `audiofolder`, given paths below its folder, and what its groups are.

    Folders are read first, then the parts of file names between ``_``, ``-``, blanks or dots. A
    part with words for emotions is the label, one with names of splits the split; the first other
    part that groups the files and has letters is the speaker.
    """
    split = [PurePosixPath(path).with_suffix("").parts for path in paths]
    depth = {len(parts) for parts in split}
    if len(depth) != 1:
        return ".+", []
    folders = list(zip(*(parts[:-1] for parts in split), strict=True))
    stems = [parts[-1] for parts in split]
    sign, fields = _fields(stems, emotions)
    columns = [*folders, *fields]
    roles = _roles(columns, len(folders), emotions)
    if not roles:
        return ".+", []
    mark = sign.replace(".", r"\.")
    places = {column: role for role, column in roles.items()}
    groups = [
        f"(?P<{places[i]}>{rest})" if i in places else rest
        for i, rest in enumerate(["[^/]+"] * len(folders) + [f"[^/{sign}]+"] * len(fields))
    ]
    last = max((column for column in roles.values() if column >= len(folders)), default=None)
    if last is None:
        name = ".+"
    else:
        name = mark.join(groups[len(folders) : last + 1])
        name += f"{mark}.+" if last + 1 < len(columns) else r"\.\w+"
    findings = []
    for role, column in roles.items():
        values = sorted(set(columns[column]))
        place = (
            f"folder {column + 1}"
            if column < len(folders)
            else (f"part {column - len(folders) + 1} of the file name")
        )
        shown = ", ".join(values[:5]) + (f" and {len(values) - 5} more" if values[5:] else "")
        findings.append(f"{role}: {place} ({shown})")
    return "/".join([*groups[: len(folders)], name]), findings


def _fields(stems: list[str], emotions: Container[str]) -> tuple[str, list[tuple[str, ...]]]:
    """Returns the sign between the parts of all names, and the parts; none if numbers differ."""
    found: list[tuple[str, list[tuple[str, ...]]]] = []
    for sign in "_- .":
        parts = [stem.split(sign) for stem in stems]
        if len({len(one) for one in parts}) == 1 and len(parts[0]) > 1:
            found.append((sign, list(zip(*parts, strict=True))))
    labelled = [one for one in found if any(_is_label(values, emotions) for values in one[1])]
    return next(iter([*labelled, *found]), ("", []))


def _is_label(values: Sequence[str], emotions: Container[str]) -> bool:
    names = set(values)
    return len(names) > 1 and sum(label_word(n) in emotions for n in names) >= _MOST * len(names)


def _roles(
    columns: Sequence[Sequence[str]], folders: int, emotions: Container[str]
) -> dict[str, int]:
    """Returns role → its column."""
    roles: dict[str, int] = {}
    for i, values in enumerate(columns):
        if "label" not in roles and _is_label(values, emotions):
            roles["label"] = i
        elif i < folders and {value.lower() for value in values} <= SPLITS.keys():
            roles["split"] = i
    for i, values in enumerate(columns):
        grouping = 1 < len(set(values)) <= len(values) / 2
        named = i < folders or any(c.isalpha() for c in values[0]) or (i == folders and roles)
        if "speaker" not in roles and i not in roles.values() and grouping and named:
            roles["speaker"] = i
    return roles


def listed_tables(path: Path) -> list[dict[str, str]]:
    """Returns the tables that may list the recordings of a folder, the likely first.

    Each is a mapping of split to path below the folder; the split "" is the whole.
    """
    if path.is_file():
        return [{"": path.name}] if path.suffix.lower() in TABLES else []
    inside = sorted(p.name for p in path.iterdir() if p.suffix.lower() in TABLES)
    parts = {Path(name).stem: name for name in inside if Path(name).stem.lower() in SPLITS}
    whole = [name for name in OWN_TABLES if name in inside]
    tables = [{"": name} for name in [*whole, *(n for n in inside if n not in whole)]]
    if len(parts) > 1:
        tables.insert(len(whole), parts)
    if hub := hub_tables(path):
        tables.insert(0, hub)
    return tables


def hub_tables(root: Path) -> dict[str, str]:
    """Returns split → table of a folder in Hugging Face's layout; empty for others."""
    places = [path for n in range(3) for name in _HUB for path in root.glob("*/" * n + name)]
    tables = {p.parent.name: p for p in sorted(places) if _lists_files(p)}
    if root.name in tables:
        tables = {"": tables[root.name]}
    return {part: path.relative_to(root).as_posix() for part, path in tables.items()}


def audio_root(root: Path, folder: Path, cells: Sequence[str]) -> dict[str, str]:
    """Returns the option of this name if recordings are not where the paths of a table start."""
    if not cells or any(exists(Recordings(folder).located(cell)) for cell in cells):
        return {}
    cell = Path(cells[0].replace("\\", "/"))
    for path in sorted(root.rglob(cell.name)):
        if path.parts[-len(cell.parts) :] == cell.parts:
            return {"audio_root": path.parents[len(cell.parts) - 1].relative_to(root).as_posix()}
    return {}


def _lists_files(table: Path) -> bool:
    """Whether a table has the column of Hugging Face's layout, by its first line or schema."""
    raw = read_bytes(table)
    return b"file_name" in (raw if table.suffix == ".parquet" else raw.partition(b"\n")[0])
