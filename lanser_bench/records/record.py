"""Result records: one typed JSON file per cell, with all that a reader needs to believe it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_serializer,
)

from ..errors import DataError
from ..evaluation.families import Declared, family_hash
from ..evaluation.results import EvaluationResult
from ..evaluation.summaries import LabelSummary, TrainingSummary, TranscriptSummary
from ..measurements import MEASUREMENTS, SECTIONS
from ..measurements.base import Measurement, R, with_fields
from ..store import PluginIdentity, digest, write_atomic
from ..validation import describe
from .upgrades import upgraded

SCHEMA_VERSION = 3
"""Raised when a field is added or changes its meaning; older files stay readable: `upgrades`."""
_SETTINGS = ("embed", "evaluate", "threads", *(s.name for s in SECTIONS if s.in_recipe))
"""Settings that make every number; plugins and manifests stand in a record by their identity."""
_LABEL_SETTINGS = ("transcribe", "label", "taxonomy")
"""Settings that make those of a pre-trained encoder too."""


class _Record(BaseModel):
    """Base: unknown fields are refused, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Commit(_Record):
    """The state of the source that made a record."""

    revision: str
    dirty: bool
    """True if tracked files differed from the revision."""


class StageUse(_Record):
    """One stage of a cell."""

    stage: str
    key: str
    seconds: float | None = None
    """Wall time when it ran; None for an artifact that is no longer in the store."""


class Attached(_Record):
    """A file that lies beside the record and belongs to it."""

    file: str
    """Its name; it is in the record's folder."""
    sha256: str
    rows: int


class PluginAbout(_Record):
    """What a plugin says of itself; it is no part of any key."""

    licence: str = ""
    """Licence of the weights or the data that it brings."""
    facts: dict[str, Any] = {}
    """Its ``describe()``; for a dataset its card."""


@with_fields(
    {
        m.name: (list[m.result], []) if m.many else (m.result | None, None)  # type: ignore[name-defined]
        for m in MEASUREMENTS
    }
)
class _Evaluated(_Record):
    dataset: str
    title: str = ""
    licence: str = ""
    fixed_sentences: bool = False
    """True where all speakers read the same sentences: words carry no emotion there."""
    evaluation: EvaluationResult


class DatasetResult(_Evaluated):
    """Results on one labelled set."""

    notes: list[str] = []
    """Measurements that were asked for and not possible, and what the published weights of the
    encoder were trained on of this set."""

    def of(self, measurement: Measurement[R]) -> list[R]:
        """Returns the results of a measurement: none, one, or one per plugin."""
        results = getattr(self, measurement.name)
        if isinstance(results, list):
            return results
        return [] if results is None else [results]


class ResultRecord(_Record):
    """One cell: what was done, with what, and what came out."""

    schema_version: Literal[3] = 3
    experiment: str
    name: str
    """Unique in its experiment."""
    group: str
    """Name without the seed: records of one group are repetitions."""
    key: str
    """Identity of the numbers: a digest of the keys of all results."""
    role: Literal["main", "control"]
    control: str | None = None
    """``random_init``, ``logmel_stats``, ``shuffled``, ``gold`` …"""
    axes: dict[str, str]
    """Axis of the grid → value."""
    seed: int | None
    """Seed of pre-training or of random weights; None where nothing is drawn."""
    seeds: dict[str, int]
    """Seeds of the other stages that draw."""
    asr: str | None
    """None where no labels take part, as for a frozen encoder."""
    labeler: str | None
    taxonomy: str | None
    taxonomy_hash: str | None = None
    """Content of the taxonomy that the weak labels were made with; None where none took part."""
    encoder: str
    settings: dict[str, Any]
    """The experiment's settings, defaults filled in, absolute paths cut to their last part."""
    family: str | None = None
    """Hash of the comparisons that `settings` declared when the record was written; None where
    nothing was declared."""
    stages: dict[str, StageUse]
    """Place in the cell, such as ``label corpora.0`` → stage, key and wall time."""
    plugins: dict[str, PluginIdentity]
    """Place and role → identity of every plugin that took part."""
    about: dict[str, PluginAbout] = {}
    """The same places and roles → licence and facts."""
    versions: dict[str, str]
    """Versions of Python, lanser-bench and the libraries that the plugins declare."""
    commit: Commit | None
    host: dict[str, Any]
    """Kind of machine, without its name."""
    datasets: list[DatasetResult] = Field(min_length=1)
    labels: dict[str, LabelSummary] = {}
    """Corpus → quality of its weak labels."""
    transcripts: dict[str, TranscriptSummary] = {}
    """Corpus → how its transcription went, with the word error rate where it is known."""
    training: Annotated[TrainingSummary | None, BeforeValidator(lambda given: given or None)] = None
    """How pre-training went, without its curve; None, in the file ``{}``, where nothing was."""
    predictions: Attached | None = None
    """What was predicted for every utterance, budget and draw, for paired comparisons later; None
    in records that are older than such files. `attached.classified` reads it."""
    probe_sums: Attached | None = None
    """Sums over each speaker from which the probes' scores follow, for paired differences of R²."""
    probe_hits: Attached | None = None
    """Recognised utterances of each speaker, sentence and class, from which the scores of probes
    follow whose targets are classes, for paired differences of UAR."""
    created: str
    """UTC, ISO 8601."""

    @field_serializer("training")
    def _training(self, training: TrainingSummary | None) -> TrainingSummary | dict[str, Any]:
        return training or {}

    @cached_property
    def comparisons(self) -> tuple[Declared, ...]:
        """The comparisons that were declared when the record was written.

        Raises:
            DataError: they are not those that were hashed then.
        """
        given = self.settings.get("comparisons", [])
        found = tuple(Declared.model_validate(declared) for declared in given)
        if family_hash(found) != self.family:
            raise DataError(
                f"The record {self.name} of {self.experiment}: its declared comparisons are not "
                "those it was written with (another hash). Take the record from where it was "
                "published."
            )
        return found

    @cached_property
    def recipe(self) -> str:
        """Identity of all that made the numbers but the seed: repetitions have it in common.

        Settings that take no part are left out: how labels are made is nothing to a frozen encoder.
        """
        trained = "pretrain" in self.stages
        names = (*_SETTINGS, *(_LABEL_SETTINGS if trained else ()))
        settings = {name: self.settings.get(name, {}) for name in names}
        if trained:
            settings["pretrain"] = {
                k: v for k, v in self.settings.get("pretrain", {}).items() if k != "seeds"
            }
        return digest(
            [
                self.experiment,
                self.group,
                settings,
                self.seeds,
                {place: use.key for place, use in self.stages.items() if use.stage == "manifest"},
                {place: plugin.model_dump(mode="json") for place, plugin in self.plugins.items()},
                {corpus: report.taxonomy_hash for corpus, report in self.labels.items()},
            ]
        )


def save_record(record: ResultRecord, path: Path) -> None:
    """Writes a record so that the file is either absent or whole.

    Raises:
        DataError: the place cannot be written.
    """
    text = json.dumps(record.model_dump(mode="json"), indent=1, ensure_ascii=False)
    try:
        write_atomic(path, text + "\n")
    except OSError as error:
        raise DataError(
            f"Result record {path} cannot be written: {error.strerror}. Choose another place with "
            "paths.results; no stage runs again for it."
        ) from None


class ForeignFileError(DataError):
    """A JSON file that no lanser-bench wrote as a record."""


@dataclass
class Reading:
    """What some folders hold."""

    records: list[tuple[Path, ResultRecord]] = field(default_factory=list)
    foreign: list[Path] = field(default_factory=list)
    """JSON files that are no records."""
    damaged: list[str] = field(default_factory=list)
    """A sentence for each record that cannot be read."""

    @property
    def left_out(self) -> list[str]:
        """What else is in the folders, in sentences; damaged records first."""
        if not self.foreign:
            return self.damaged
        names = ", ".join(map(str, self.foreign[:3]))
        if len(self.foreign) == 1:
            return [*self.damaged, f"{names} is not a result record."]
        more = f" and {len(self.foreign) - 3} more" if self.foreign[3:] else ""
        return [*self.damaged, f"{names}{more} are not result records."]


def load_record(path: Path) -> ResultRecord:
    """Reads a record.

    Raises:
        ForeignFileError: the file is no result record.
        DataError: the record is damaged, or of a newer version.
    """
    content = read_content(path)
    found = content["schema_version"]
    if found > SCHEMA_VERSION:
        raise DataError(
            f"{path} has schema version {found}, this lanser-bench reads up to {SCHEMA_VERSION}: "
            "install a newer one."
        )
    try:
        return ResultRecord.model_validate(upgraded(content))
    except ValidationError as error:
        raise DataError(describe(error, ResultRecord, str(path))) from None


def read_content(path: Path) -> dict[str, Any]:
    """Reads a record's JSON as it was written, with its whole number ``schema_version``.

    Raises:
        ForeignFileError: the file is no result record.
        DataError: it cannot be read, or is a record that was cut off or overwritten.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"Result record {path} cannot be read: {error.strerror}.") from None
    # Predictions beside a file, or the beginning of a record in it, show what it should be.
    ours = path.with_name(f"{path.stem}.predictions.parquet").is_file()
    ours = ours or raw.startswith(_BEGIN) or _BEGIN.startswith(raw.strip())
    try:
        content = json.loads(raw.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        why = f"it is not JSON ({error})"
        ours = ours or all(f'"{name}"'.encode() in raw for name in _MARKS)
    else:
        why = "it has no schema_version"
        if isinstance(content, dict):
            version, known = content.get("schema_version"), _MARKS & content.keys()
            whole = isinstance(version, int) and content.keys() <= _FIELDS
            ours = ours or whole or len(known) > 1
            if ours and isinstance(version, int):
                return content
    if ours:
        raise DataError(
            f"{path} is a damaged result record: {why}. Copy it again from where it was made, or "
            "delete it and run its experiment again."
        )
    raise ForeignFileError(f"{path} is not a result record: {why}.")


_BEGIN = b'{\n "schema_version"'
"""How `save_record` begins."""
_MARKS = {"schema_version", "experiment", "datasets"}
_FIELDS = ResultRecord.model_fields.keys()


def load_records(folders: Iterable[Path]) -> list[tuple[Path, ResultRecord]]:
    """Reads all records below some folders (or single files), in the order of their paths.

    Other JSON files in a folder are ignored; `read_records` names them, and leaves damaged records
    out instead of refusing them.

    Raises:
        DataError: a folder does not exist or holds no record, or a record is damaged.
    """
    found = read_records(folders)
    if found.damaged:
        raise DataError("\n".join(found.damaged))
    return found.records


def read_records(folders: Iterable[Path]) -> Reading:
    """Reads what can be read below some folders (or single files), in the order of their paths.

    Raises:
        DataError: a folder does not exist or holds no record, or a single file is none.
    """
    found = Reading()
    for folder in folders:
        before = len(found.records)
        for path in record_files(folder):
            try:
                found.records.append((path, load_record(path)))
            except ForeignFileError:
                if path == folder:
                    raise
                found.foreign.append(path)
            except DataError as error:
                if path == folder:
                    raise
                found.damaged.append(str(error))
        if len(found.records) == before:
            raise DataError("\n".join([f"{folder} holds no result records.", *found.left_out]))
    return found


def record_files(place: Path) -> list[Path]:
    """Returns the JSON files below a folder, in order; a file stands for itself.

    Raises:
        DataError: it does not exist or holds no JSON file.
    """
    if not place.exists():
        raise DataError(f"{place} does not exist; `lanser-bench run quickstart` makes results.")
    # A link that leads nowhere is no file, but may be a record that was not fetched.
    paths = (
        [place]
        if place.is_file()
        else sorted(path for path in place.rglob("*.json") if path.is_file() or path.is_symlink())
    )
    if not paths:
        raise DataError(f"{place} holds no result records (*.json).")
    return paths


def record_schema() -> dict[str, Any]:
    """Returns the JSON Schema (draft 2020-12) of a record as this version writes it."""
    schema = ResultRecord.model_json_schema(mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def latest(records: Iterable[ResultRecord]) -> list[ResultRecord]:
    """Keeps what the newest settings of each row gave, one record per seed, oldest first.

    A row is an experiment and a group. Where its settings, plugins or data have changed since, what
    the older ones gave is left out, even for seeds that were not run again: a mean over seeds of
    two different things is a number of nothing.
    """
    ordered = sorted(records, key=lambda record: record.created)
    newest = {(record.experiment, record.group): record.recipe for record in ordered}
    kept = {
        (record.recipe, record.seed): record
        for record in ordered
        if newest[record.experiment, record.group] == record.recipe
    }
    return list(kept.values())
