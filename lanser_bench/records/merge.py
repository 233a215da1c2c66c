"""Merges the records of several machines into one folder.

Records of one cell are equal if their numbers and attached files are. Different numbers conflict,
and so do repetitions of one cell with different settings, plugins or data: a mean over seeds of two
settings means nothing.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import DataError
from ..paths import file_name
from ..store import write_atomic
from .attachments import attachments_of, read_attached
from .checks import check_record
from .failed import FailedCell
from .reading import Found, newest, read_records
from .record import ResultRecord

_NUMBERS = ("datasets", "labels", "transcripts", "training", "family")


@dataclass
class Merged:
    """What a merge did."""

    copied: int = 0
    equal: int = 0
    """Records whose numbers the folder, or an earlier source, already had."""
    notes: list[str] = field(default_factory=list)
    """Sentences on files that were not copied, and on failed cells."""
    failed: list[tuple[Path, FailedCell]] = field(default_factory=list)
    """Error records of cells that failed, which are copied too."""


def merge_records(sources: Sequence[Path], into: Path, *, newest_wins: bool = False) -> Merged:
    """Copies the newest record of each cell of some folders into one, with its attached files.

    Every record is validated first; nothing is copied if there is a fault or a conflict.

    Args:
        sources: folders of records, or single files.
        into: the folder; records that it already has take part.
        newest_wins: settle conflicts by the date of the records instead of raising.

    Raises:
        DataError: a record has a fault, two conflict, or the folder cannot be written.
    """
    merged = Merged()
    present = [into] if into.is_dir() and any(into.rglob("*.json")) else []
    groups: dict[tuple[str, str], list[Found]] = {}
    for path, record in _sound([*present, *sources], merged):
        groups.setdefault((record.experiment, record.group), []).append((path, record))
    kept: list[Found] = []
    conflicts: list[str] = []
    for found in groups.values():
        distinct = _distinct(found, merged)
        conflicts += _conflicts(distinct)
        kept += newest(distinct)
        lost = {path for path, _ in distinct} - {path for path, _ in kept}
        merged.notes += [
            f"{path} is older and was not kept" for path, _ in distinct if path in lost
        ]
    if conflicts and not newest_wins:
        raise DataError(
            "\n".join(["There are conflicts, so nothing was merged:", *conflicts])
            + "\nRemove one record of each, or keep the newest of each with --newest."
        )
    for path, record in kept:
        folder = _folder(into, record.experiment)
        if not path.is_relative_to(into):
            _copy(path, record, folder)
            merged.copied += 1
    for path, failed in merged.failed:
        folder = _folder(into, failed.experiment)
        with suppress(shutil.SameFileError):
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, folder / path.name)
    return merged


def _folder(into: Path, experiment: str) -> Path:
    try:
        return into if into.name == experiment else into / file_name(experiment)
    except ValueError as error:
        raise DataError(f"A record's experiment names no folder: {error}.") from None


def _sound(folders: Sequence[Path], merged: Merged) -> Iterator[Found]:
    """Yields the newest valid records of each folder; a fault of any record is a `DataError`."""
    faults: list[str] = []
    every: list[Found] = []
    for folder in folders:
        reading = read_records([folder])
        faults += reading.damaged
        merged.notes += [f"{path} is not a result record" for path in reading.foreign]
        merged.notes += map(str, reading.failed)
        merged.failed += [pair for pair in reading.failures if pair[1] in reading.failed]
        found = newest(reading.records)
        older = {path for path, _ in reading.records} - {path for path, _ in found}
        merged.notes += [f"{path} has a newer one in its folder" for path in sorted(older)]
        faults += [fault for path, _ in found for fault in check_record(path).faults]
        every += found
    if faults:
        raise DataError("\n".join(["Nothing was merged: some records are not valid.", *faults]))
    yield from every


def _distinct(found: Sequence[Found], merged: Merged) -> list[Found]:
    """Returns the records of one group, equal ones once: the first."""
    distinct: list[Found] = []
    for path, record in found:
        if any(_equal(path, record, *other) for other in distinct):
            merged.equal += 1
        else:
            distinct.append((path, record))
    return distinct


def _equal(path: Path, record: ResultRecord, other: Path, theirs: ResultRecord) -> bool:
    if (record.recipe, record.seed) != (theirs.recipe, theirs.seed):
        return False
    if any(_numbers(record, name) != _numbers(theirs, name) for name in _NUMBERS):
        return False
    ours, others = attachments_of(record), attachments_of(theirs)
    return ours.keys() == others.keys() and all(
        mine.sha256 == others[name].sha256
        # Another version of the library writes other bytes for the same table.
        or read_attached(path, mine).equals(read_attached(other, others[name]))
        for name, mine in ours.items()
    )


def _numbers(record: ResultRecord, name: str) -> object:
    training = record.training
    if name == "training" and training:
        return training.model_copy(update={"seconds": 0.0})
    return getattr(record, name)


def _conflicts(distinct: Sequence[Found]) -> Iterator[str]:
    """Yields a sentence for each pair of records that cannot both be kept."""
    first: dict[tuple[str, int | None], Found] = {}
    recipes: dict[str, Found] = {}
    for path, record in distinct:
        cell = f"- {record.name} of {record.experiment}"
        other, theirs = first.setdefault((record.recipe, record.seed), (path, record))
        if other != path:
            yield f"{cell}: {other} ({_uar(theirs)}) and {path} ({_uar(record)}) differ"
        recipes.setdefault(record.recipe, (path, record))
    (one, first_record), *others = recipes.values()
    for other, theirs in others:
        parts = ", ".join(_unlike(first_record, theirs)) or "data"
        yield f"- {theirs.group} of {theirs.experiment}: {one} and {other} have different {parts}"


def _unlike(a: ResultRecord, b: ResultRecord) -> list[str]:
    """Names the settings and plugins in which two records differ."""
    sides = (("settings", a.settings, b.settings), ("plugins", a.plugins, b.plugins))
    return [f"{what} ({name})" for what, x, y in sides for name in x if x[name] != y.get(name)]


def _uar(record: ResultRecord) -> str:
    scores = (result.evaluation.largest.uar.value for result in record.datasets)
    return "UAR " + ", ".join(f"{100 * score:.2f}" for score in scores)


def _copy(path: Path, record: ResultRecord, folder: Path) -> None:
    """Writes attached files first: a record always has its files."""
    try:
        (folder / path.name).unlink(missing_ok=True)
        for attached in attachments_of(record).values():
            content = path.with_name(attached.file).read_bytes()
            write_atomic(folder / attached.file, content)
        write_atomic(folder / path.name, path.read_bytes())
        for extra in path.parent.glob("*.yaml"):  # the kept experiment and its taxonomies
            if extra.is_symlink():
                raise DataError(f"{extra} is a link. Put the file in its place, or remove it.")
            if not (folder / extra.name).exists():
                write_atomic(folder / extra.name, extra.read_bytes())
    except OSError as error:
        raise DataError(f"{folder} cannot be written: {error.strerror}.") from None
