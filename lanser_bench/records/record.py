"""The model of result records: one typed JSON file per cell, with its provenance."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationInfo,
    field_serializer,
    field_validator,
)

from ..errors import DataError
from ..evaluation.families import Declared, family_hash
from ..evaluation.results import EvaluationResult
from ..evaluation.summaries import LabelSummary, TrainingSummary, TranscriptSummary
from ..measurements import MEASUREMENTS, SECTIONS
from ..measurements.base import Measurement, R, Seed, with_fields
from ..paths import FileName
from ..store import PluginIdentity, canonical, digest, write_atomic

SCHEMA_VERSION = 5
"""Raised when a field is added or changes its meaning; older files stay readable: `upgrades`."""
_SETTINGS = ("embed", "evaluate", "threads", *(s.name for s in SECTIONS if s.in_recipe))
"""Settings that affect every number; plugins and manifests are recorded by their identity."""
_FILES = {
    "predictions": "predictions",
    "probe_sums": "probes",
    "probe_hits": "classes",
    "score_sums": "scores",
    "stage_sums": "stages",
    "weak_labels": "labels",
    **{m.name: m.name for m in MEASUREMENTS if m.kept is not None},
}
"""Field, or measurement, → the `Attached.name` of its file."""
_LABEL_SETTINGS = ("transcribe", "label", "taxonomy")
"""Settings that also affect a pre-trained encoder."""


class _Record(BaseModel):
    """Base: unknown fields, NaN and infinity are refused, values are immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class _Setting(BaseModel):
    """Part of the settings of any version, of which only what is read has a type."""

    model_config = ConfigDict(extra="allow")

    options: dict[str, Any] = {}


class _Settings(BaseModel):
    corpora: list[_Setting] = []
    targets: list[_Setting] = []
    pretrain: dict[str, Any] = {}
    label: dict[str, Any] = {}
    titles: dict[str, dict[str, str]] = {}
    question: str | None = None


_DECLARED = TypeAdapter(list[Declared])


def _read_as_settings(settings: dict[str, Any]) -> dict[str, Any]:
    _Settings.model_validate(settings)
    _DECLARED.validate_python(settings.get("comparisons", []))
    return settings


def _finite(values: dict[str, Any]) -> dict[str, Any]:
    canonical(values)
    return values


_Values = Annotated[dict[str, Any], AfterValidator(_finite)]
"""JSON values without NaN and infinity."""


class Commit(_Record):
    """The state of the source that made a record."""

    revision: str
    dirty: bool
    """True if tracked files differed from the revision."""

    def __str__(self) -> str:
        return self.revision[:10] + (" with changes" if self.dirty else "")


class StageUse(_Record):
    """One stage of a cell."""

    stage: str
    key: str
    seconds: float | None = Field(default=None, ge=0, le=1e9)
    """Wall time when it ran; None for an artifact that is no longer in the store."""
    peak_mib: int | None = Field(default=None, ge=0)
    """Peak memory of the process that ran it, or led it if several computed its shards."""


class Attached(_Record):
    """A file beside the record."""

    file: FileName
    """Its name; it is in the record's folder."""
    sha256: str
    rows: int

    @property
    def name(self) -> str:
        """What it is: the part of its name before the suffix, such as ``predictions``."""
        return self.file.removesuffix(".parquet").rpartition(".")[2]


class PluginAbout(_Record):
    """A plugin's description; it is not part of any key."""

    licence: str = ""
    """Licence of its weights or data."""
    facts: _Values = {}
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
    """One cell: its settings, plugins and results."""

    schema_version: Literal[5] = 5
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
    seed: Seed | None
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
    settings: Annotated[_Values, AfterValidator(_read_as_settings)]
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
    host: dict[str, str | int | None]
    """Kind of machine, without its name."""
    datasets: list[DatasetResult] = Field(min_length=1)
    labels: dict[str, LabelSummary] = {}
    """Corpus → quality of its weak labels."""
    weak_labels: Attached | None = None
    """Weak and human label and confidence of every utterance with one human label; None in older
    records and without such utterances. `weak_labels.corpus_labels` reads it."""
    stage_sums: Attached | None = None
    """Sums over speakers of the quality of weak labels and transcripts, for paired differences;
    None in older records and without corpora. `stage_sums.record_sums` reads it."""
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
    measured: dict[str, Attached] = {}
    """Measurement → what it predicted for every utterance of each labelled set."""
    score_sums: Attached | None = None
    """Sums over each speaker from which the scores of other measurements follow, for paired
    differences; None in older records. `score_sums.speaker_scores` reads it."""
    created: str
    """UTC, ISO 8601."""

    @field_validator("plugins")
    @classmethod
    def _plain(cls, plugins: dict[str, PluginIdentity]) -> dict[str, PluginIdentity]:
        _finite({place: plugin.options for place, plugin in plugins.items()})
        return plugins

    @field_validator(*_FILES.keys() - {m.name for m in MEASUREMENTS}, "measured")
    @classmethod
    def _of_its_kind(cls, value: Any, info: ValidationInfo) -> Any:
        files = value if isinstance(value, dict) else {str(info.field_name): value}
        for name, attached in files.items():
            if attached is not None and attached.name != _FILES.get(name):
                raise ValueError(f"'{attached.file}' is not a file of {name}")
        return value

    @field_serializer("training")
    def _training(self, training: TrainingSummary | None) -> TrainingSummary | dict[str, Any]:
        return training or {}

    @property
    def external(self) -> bool:
        """Whether its predictions were made elsewhere, so that it cannot be run again."""
        return any(result.evaluation.method == "external" for result in self.datasets)

    @property
    def outline(self) -> ResultRecord:
        """The same without scores, in a quarter of the memory; `load_record` reads them again."""
        none: dict[str, Any] = {m.name: [] if m.many else None for m in MEASUREMENTS}
        bare = []
        for result in self.datasets:
            evaluation = result.evaluation.model_copy(update={"budgets": []})
            bare.append(result.model_copy(update={**none, "evaluation": evaluation}))
        return self.model_copy(update={"datasets": bare})

    @cached_property
    def comparisons(self) -> tuple[Declared, ...]:
        """The comparisons that were declared when the record was written.

        It is a `DataError` if they are not those that were hashed then.
        """
        found = tuple(_DECLARED.validate_python(self.settings.get("comparisons", [])))
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
    """Writes a record completely or not at all; a `DataError` if the place cannot be written."""
    text = json.dumps(record.model_dump(mode="json"), indent=1, ensure_ascii=False)
    try:
        write_atomic(path, text + "\n")
    except OSError as error:
        raise DataError(
            f"Result record {path} cannot be written: {error.strerror}. Choose another place with "
            "paths.results; no stage runs again for it."
        ) from None


def record_schema() -> dict[str, Any]:
    """Returns the JSON Schema (draft 2020-12) of a record as this version writes it."""
    schema = ResultRecord.model_json_schema(mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
