"""Reads result records: single files, folders, and the newest record of each row."""

from __future__ import annotations

import codecs
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import from_json

from ..allocator import no_collection
from ..errors import DataError
from ..paths import read_whole
from ..validation import describe
from .failed import SUFFIX, FailedCell, read_failed
from .record import SCHEMA_VERSION, ResultRecord
from .upgrades import upgraded

Found = tuple[Path, ResultRecord]
"""A record and its file."""
_BEGIN = b'{\n "schema_version"'
"""How `save_record` begins a file."""
_CURRENT = _BEGIN + b": %d," % SCHEMA_VERSION
_MARKS = {"schema_version", "experiment", "datasets"}
_FIELDS = ResultRecord.model_fields.keys()
MOST_FILES = 500_000
"""Files below a folder of records; above, it is a whole disk, which takes minutes to walk."""


class ForeignFileError(DataError):
    """A JSON file that is not a result record."""


@dataclass
class Reading:
    """The contents of some folders."""

    records: list[Found] = field(default_factory=list)
    foreign: list[Path] = field(default_factory=list)
    """JSON files that are not result records."""
    damaged: list[str] = field(default_factory=list)
    """A sentence for each record that cannot be read."""
    failures: list[tuple[Path, FailedCell]] = field(default_factory=list)
    """All error records with their files."""

    @property
    def failed(self) -> list[FailedCell]:
        """Cells whose last try failed: those without a newer record."""
        newest: dict[tuple[str, str], str] = {}
        for _, record in self.records:
            cell = record.experiment, record.name
            newest[cell] = max(record.created, newest.get(cell, ""))
        return [
            one
            for _, one in self.failures
            if newest.get((one.experiment, one.cell), "") <= one.time
        ]

    @property
    def unread(self) -> list[str]:
        """Sentences on damaged records and on other files in the folders."""
        if not self.foreign:
            return self.damaged
        names = ", ".join(map(str, self.foreign[:3]))
        if len(self.foreign) == 1:
            return [*self.damaged, f"{names} is not a result record."]
        more = f" and {len(self.foreign) - 3} more" if self.foreign[3:] else ""
        return [*self.damaged, f"{names}{more} are not result records."]

    @property
    def left_out(self) -> list[str]:
        """Sentences on all that a table of the folders lacks: failed cells and unread files."""
        return [*map(str, self.failed), *self.unread]


def load_record(path: Path) -> ResultRecord:
    """Reads a record.

    Raises:
        ForeignFileError: the file is not a result record.
        DataError: the record is damaged, or a newer version wrote it.
    """
    raw = _bytes(path)
    if raw.startswith(_CURRENT):
        try:
            return ResultRecord.model_validate_json(raw)
        except ValidationError:
            pass  # read again below, for a sentence that says what is wrong
    content = _content(path, raw)
    version = content["schema_version"]
    if version > SCHEMA_VERSION:
        raise DataError(
            f"{path} has schema version {version}, but this lanser-bench reads up to "
            f"{SCHEMA_VERSION}. Install a newer one."
        )
    try:
        return ResultRecord.model_validate(upgraded(content))
    except ValidationError as error:
        raise DataError(describe(error, ResultRecord, str(path))) from None


def read_content(path: Path) -> dict[str, Any]:
    """Reads a record's JSON as it was written; its ``schema_version`` is a whole number.

    Raises:
        ForeignFileError: the file is not a result record.
        DataError: the file cannot be read, or is a truncated or overwritten record.
    """
    return _content(path, _bytes(path))


def _bytes(path: Path) -> bytes:
    try:
        return read_whole(path)
    except OSError as error:
        raise DataError(f"Result record {path} cannot be read: {error.strerror}.") from None


def _content(path: Path, raw: bytes) -> dict[str, Any]:
    # A damaged record is recognised by the predictions beside it, or by how the file begins.
    ours = path.with_name(f"{path.stem}.predictions.parquet").is_file()
    ours = ours or raw.startswith(_BEGIN) or _BEGIN.startswith(raw.strip())
    try:
        content = from_json(raw.removeprefix(codecs.BOM_UTF8), allow_inf_nan=False)
    except ValueError as error:
        why = f"it is not JSON ({error})"
        ours = ours or all(f'"{name}"'.encode() in raw for name in _MARKS)
    else:
        why = "it has no schema_version"
        if isinstance(content, dict):
            version, marks = content.get("schema_version"), _MARKS & content.keys()
            whole = isinstance(version, int) and content.keys() <= _FIELDS
            ours = ours or whole or len(marks) > 1
            if ours and isinstance(version, int):
                return content
    if ours:
        raise DataError(
            f"{path} is a damaged result record: {why}. Copy it again from where it was made, or "
            "delete it and run its experiment again."
        )
    raise ForeignFileError(f"{path} is not a result record: {why}.")


def load_records(folders: Iterable[Path]) -> list[Found]:
    """Reads all records below some folders (or single files), in the order of their paths.

    Other JSON files are ignored; `read_records` names them, and skips damaged records.

    Raises:
        DataError: a folder does not exist or has no record, or a record is damaged.
    """
    reading = read_records(folders)
    if reading.damaged:
        raise DataError("\n".join(reading.damaged))
    return reading.records


def read_records(folders: Iterable[Path], *, outlines: bool = False) -> Reading:
    """Reads all readable records below some folders (or single files), ordered by path.

    With `outlines`, without their scores, in a quarter of the memory.

    Raises:
        DataError: a folder does not exist or has no record, or a single file is not a record.
    """
    reading = Reading()
    for folder in folders:
        before = len(reading.records)
        paths, failed = _listed(folder)
        failures, damaged = read_failed(failed)
        reading.failures += failures
        reading.damaged += damaged
        with no_collection():
            for path in paths:
                try:
                    record = load_record(path)
                    reading.records.append((path, record.outline if outlines else record))
                except DataError as error:
                    if path == folder:
                        raise
                    if isinstance(error, ForeignFileError):
                        reading.foreign.append(path)
                    else:
                        reading.damaged.append(str(error))
        if len(reading.records) == before:
            raise DataError("\n".join([f"{folder} has no result records.", *reading.left_out]))
    return reading


def record_files(place: Path) -> list[Path]:
    """Returns the JSON files below a folder, in order, or the file itself.

    Raises:
        DataError: the place does not exist, has no JSON file, or has over `MOST_FILES` files.
    """
    return _listed(place)[0]


def _listed(place: Path) -> tuple[list[Path], list[Path]]:
    """Returns the same, and the error records of failed cells."""
    if not place.exists():
        raise DataError(f"{place} does not exist; `lanser-bench run quickstart` makes results.")
    if not place.is_dir():
        return [place], []
    every = []
    # Not `rglob`, which fails if a folder is removed meanwhile.
    below = (Path(folder, name) for folder, _, names in os.walk(place) for name in names)
    for count, path in enumerate(below):
        if count == MOST_FILES:
            raise DataError(
                f"{place} has more than {MOST_FILES:,} files, so it is no folder of results. Name "
                "the folder of the records."
            )
        # A broken link may be a record that was not downloaded.
        if path.suffix == ".json" and (path.is_file() or path.is_symlink()):
            every.append(path)
    if not every:
        raise DataError(f"{place} has no result records (*.json). Name the folder of a run.")
    every.sort()
    failed = [path for path in every if path.name.endswith(SUFFIX)]
    return [path for path in every if not path.name.endswith(SUFFIX)], failed


def latest(records: Iterable[ResultRecord]) -> list[ResultRecord]:
    """Keeps one record per seed of each row's newest settings, oldest first.

    A row is an experiment and a group. If its settings, plugins or data have changed, records of
    the older ones are left out, even for seeds that were not run again: a mean over seeds of two
    different settings means nothing.
    """
    ordered = sorted(records, key=lambda record: record.created)
    recipes = {(record.experiment, record.group): record.recipe for record in ordered}
    kept = {
        (record.recipe, record.seed): record
        for record in ordered
        if recipes[record.experiment, record.group] == record.recipe
    }
    return list(kept.values())


def newest(found: Sequence[Found]) -> list[Found]:
    """Keeps the records that `latest` keeps, in its order, with their files."""
    files = {id(record): path for path, record in found}
    return [(files[id(record)], record) for record in latest(record for _, record in found)]
