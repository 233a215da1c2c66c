"""Typed model of experiment files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from ...data.listing import Part, share_of
from ...devices import Device
from ...evaluation.families import Declared
from ...measurements import SECTIONS, SWITCHES
from ...measurements.base import Seed, with_fields
from ...paths import UserPath
from ...stages.embed.spec import Params as EmbedParams
from ...stages.evaluate.spec import Params as EvaluateParams
from ...stages.label.spec import Params as LabelParams
from ...stages.pretrain.spec import Params as PretrainParams
from ...stages.transcribe.spec import Params as TranscribeParams
from ...store import canonical
from .files import PLUGIN_KEYS
from .parts import in_parts

ControlScope = Literal["each", "first", "none"]
"""A control for each cell, for the first cell of a grid, or for none."""
Question = Literal[
    "gain",
    "label-efficiency",
    "dose",
    "cues",
    "fine-tuning",
    "taxonomy",
    "labelers",
    "transfer",
    "listen-or-read",
]
"""What the finding of an experiment's report answers."""


class _Settings(BaseModel):
    """Base: refuses unknown keys; values are read-only."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class PluginRef(_Settings):
    """A plugin: its name, or a mapping of its name and its options."""

    name: str
    options: dict[str, Any] = {}
    """The planner checks them against the options of the plugin."""

    @model_validator(mode="before")
    @classmethod
    def _read(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"name": value}
        if isinstance(value, Mapping) and isinstance(value.get("options"), Mapping):
            return value
        if not isinstance(value, Mapping) or not isinstance(value.get("name"), str):
            nested = isinstance(value, Mapping) and len(value) == 1 and "name" not in value
            form = f"{{name: {next(iter(value))}, option: …}}" if nested else "{name: …, option: …}"
            sentence = f"expected a plugin: its name, or a mapping {form}"
            raise PydanticCustomError("plugin_type", "{sentence}", {"sentence": sentence})
        return {"name": value["name"], "options": {k: v for k, v in value.items() if k != "name"}}


def _share(written: str) -> str:
    share_of(written)
    return written


class DatasetRef(_Settings):
    """A dataset: the plugin's name, its folder, and the options of the plugin."""

    dataset: str
    root: UserPath | None = None
    """Its folder; null for a dataset that makes its files itself."""
    on_bad_audio: Literal["stop", "skip"] = "stop"
    """``skip`` counts and names unusable recordings instead of stopping."""
    limit: int | None = Field(default=None, ge=1)
    """Largest number of utterances, spread evenly over speakers and labels."""
    hours: float | None = Field(default=None, gt=0)
    """Largest amount of usable speech, in hours, spread like `limit`; a smaller amount is a subset
    of each larger one."""
    share: Annotated[str, AfterValidator(_share)] | None = None
    """One of equal shares of these utterances, such as ``3/8``. The utterances of a dialogue or
    recording stay together."""
    options: dict[str, Any] = {}

    @model_validator(mode="before")
    @classmethod
    def _read(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"dataset": value}
        if not isinstance(value, Mapping) or not isinstance(value.get("dataset"), str):
            raise ValueError("expected a dataset: a mapping {dataset: …, root: …, option: …}")
        if isinstance(value.get("options"), Mapping):
            return value
        own = {k: v for k, v in value.items() if k in cls.model_fields}
        return {**own, "options": {k: v for k, v in value.items() if k not in cls.model_fields}}

    @property
    def part(self) -> Part:
        """How much of it to use."""
        return Part(self.limit, self.hours, self.share)


class LabelSettings(LabelParams):
    """Settings of weak labels, and a second labeler."""

    agree: PluginRef | None = None
    """A second labeler, such as `audio-teacher`: an utterance keeps its label only if this labeler,
    with default settings, gives it the same one. Two views of an utterance, its words and its
    voice, rarely err alike."""


class PretrainSettings(PretrainParams):
    """Settings of pre-training, and its seeds."""

    seeds: tuple[Seed, ...] = Field(default=(0,), min_length=1)
    """One cell per seed; tables show the mean. Use several: one seed proves nothing."""

    @field_validator("seeds", mode="before")
    @classmethod
    def _listed(cls, seeds: Any) -> Any:
        if type(seeds) is not int:
            return seeds
        several = f"for {seeds} seeds write {[*range(seeds)]}, " if 1 < seeds <= 20 else ""
        raise ValueError(f"expected a list: {several}for the seed {seeds} alone [{seeds}]")

    @field_validator("seeds")
    @classmethod
    def _distinct(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) != len(seeds):
            raise ValueError("duplicate seed")
        return seeds


class EvaluateSettings(EvaluateParams):
    """Settings of the evaluation and its seed."""

    seed: Seed | None = None
    """Seed of label subsets and folds; the experiment's `seed` if left out."""


@with_fields({switch.name: (bool, switch.default) for switch in SWITCHES})
class _Rows(_Settings):
    random_init: bool = True
    """The same encoder with random weights, not pre-trained."""
    logmel_stats: bool = True
    """Mean and spread of log-mel bands: no network at all."""
    text: bool = False
    """Sentence embeddings of the targets' own transcripts: the words without the sound. Needs
    transcripts in the targets' manifests."""
    shuffled: ControlScope = "each"
    """Pre-trained on the same weak labels, shuffled over all utterances."""
    shuffled_within_speaker: ControlScope = "none"
    """Pre-trained on the same weak labels, shuffled within each speaker."""


class Controls(_Rows):
    """Rows that are shown next to every result; each evaluation includes the majority row."""

    gold: bool = False
    """Pre-trained on human labels, if every corpus has them: an upper bound."""
    gold_of_tested: Literal["refuse", "declare"] = "refuse"
    """If pre-training learns human labels (`gold`, or a labeler that reads them) of recordings or
    speakers that a target tests: refuse the run, or declare the leak in the records."""


class StageThreads(_Settings):
    """CPU threads per stage. They change floats, so they are in the keys of the stages."""

    transcribe: int = Field(default=2, ge=1)
    label: int = Field(default=2, ge=1)
    features: int = Field(default=1, ge=1)
    pretrain: int = Field(default=2, ge=1)
    embed: int = Field(default=2, ge=1)
    targets: int = Field(default=1, ge=1)
    evaluate: int = Field(default=1, ge=1)
    probe: int = Field(default=1, ge=1)


class StageDevices(_Settings):
    """Device of the networks. It changes floats, so any but ``cpu`` is in the keys of the stages.

    Recognisers and labelers have their own option `device`.
    """

    pretrain: Device = "cpu"
    """``auto`` becomes ``cuda``, ``mps`` or ``cpu``, whichever the machine that reads the
    experiment has first."""
    embed: Device = "cpu"
    finetune: Device | None = None
    """Null: that of `pretrain`."""


class StageMemory(_Settings):
    """Main memory per stage in GiB, which limits how many run at once; in no key.

    Null: half a GiB and the memory that the stage's plugins declare.
    """

    segment: float | None = Field(default=None, gt=0)
    transcribe: float | None = Field(default=None, gt=0)
    label: float | None = Field(default=None, gt=0)
    features: float | None = Field(default=None, gt=0)
    pretrain: float | None = Field(default=None, gt=0)
    embed: float | None = Field(default=None, gt=0)
    targets: float | None = Field(default=None, gt=0)
    evaluate: float | None = Field(default=None, gt=0)
    probe: float | None = Field(default=None, gt=0)


class Paths(_Settings):
    """Folders; in no key."""

    store: UserPath = Path(".lanser/store")
    """Artifacts; any number of runs may share it."""
    shared: tuple[UserPath, ...] = ()
    """More stores to read artifacts from; nothing is written there."""
    results: UserPath = Path("results/scratch")
    """Result records, one JSON file per cell."""


def _default(key: str) -> PluginRef:
    name = PLUGIN_KEYS[key]
    assert name is not None
    return PluginRef(name=name)


def _folder_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9_-])?", name):
        raise ValueError(
            "use at most 100 letters from a to z, digits, dots, dashes and underscores; start with "
            "a letter or digit, and do not end with a dot"
        )
    if re.fullmatch(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", name, re.IGNORECASE):
        raise ValueError("Windows allows no folder of this name; choose another")
    return name


@with_fields(
    {
        section.name: (section.model | None, None)
        if section.optional
        else (section.model, section.model())
        for section in SECTIONS
    }
)
class _Method(_Settings):
    name: Annotated[str, AfterValidator(_folder_name)]
    """Folder of the results, and the group in trackers."""
    seed: Seed = 0
    """Seed of evaluation, probing and random controls."""
    corpora: Annotated[tuple[DatasetRef, ...], BeforeValidator(in_parts)] = ()
    """Speech to pre-train on. Only labelers and controls that need gold use its human labels. With
    ``parts: 8``, a corpus is listed as eight datasets, its shares, each with stages of its own: the
    first are labelled while later ones are transcribed."""
    segmenter: PluginRef = _default("segmenter")
    asr: PluginRef = _default("asr")
    labeler: PluginRef
    taxonomy: str
    """Name of a registered taxonomy, or path of a YAML file."""
    encoder: PluginRef
    targets: Annotated[tuple[DatasetRef, ...], Field(min_length=1)]
    """Labelled sets for evaluation and probes."""
    probes: tuple[PluginRef, ...] = ()
    transcribe: TranscribeParams = TranscribeParams()
    label: LabelSettings = LabelSettings()
    pretrain: PretrainSettings = PretrainSettings()
    embed: EmbedParams = EmbedParams()
    evaluate: EvaluateSettings = EvaluateSettings()

    @field_validator("probes")
    @classmethod
    def _distinct(cls, probes: tuple[PluginRef, ...]) -> tuple[PluginRef, ...]:
        names = [probe.name for probe in probes]
        doubled = next((name for name in names if names.count(name) > 1), None)
        if doubled is not None:
            # Records name results by their probe: the second would replace the first.
            raise ValueError(f"duplicate probe {doubled}")
        return probes


class Experiment(_Method):
    """All settings of a cell, with defaults."""

    controls: Controls = Controls()
    comparisons: tuple[Declared, ...] = ()
    """Confirmatory comparisons, declared before the run: the family of Holm's adjustment. Sides are
    written as for `lanser-bench compare`: ``{a: "encoder=cnn,control=none", b: control=shuffled}``,
    optionally with a `metric` and a `budget`. In no key."""
    titles: dict[str, dict[str, str]] = {}
    """Axis → value → the text that tables and pictures show for it, in no key. A value is written
    as tables show it without a title: ``{corpora: {synthetic(congruence=1.0): acted speech}}``."""
    question: Question | None = None
    """What the report's finding and headline figure answer, stated before the run: ``gain`` over
    controls, ``dose`` (slope over an axis of numbers) and so on. If left out, it is read from what
    varies. In no key."""
    threads: StageThreads = StageThreads()
    devices: StageDevices = StageDevices()
    memory: StageMemory = StageMemory()
    trackers: tuple[PluginRef, ...] = (PluginRef(name="jsonl"),)
    tracker_timeout_s: float = Field(default=60.0, gt=0)
    """Longest time of a tracker for one cell; in no key."""
    stage_timeout_s: float | None = Field(default=None, gt=0)
    """Longest time of a stage, after which it fails; in no key."""
    executor: PluginRef = _default("executor")
    paths: Paths = Paths()

    @field_validator("titles", mode="before")
    @classmethod
    def _texts(cls, titles: Any) -> Any:
        """Reads values that YAML takes for numbers, such as ``1.0: all of it``."""
        if not isinstance(titles, Mapping):
            return titles
        return {
            axis: {
                value if isinstance(value, str) else canonical(value): t for value, t in of.items()
            }
            if isinstance(of, Mapping)
            else of
            for axis, of in titles.items()
        }

    def seed_of(self, section: str) -> int:
        """Returns the seed of a section, or the experiment's where the section sets none."""
        seed: int | None = getattr(self, section).seed
        return self.seed if seed is None else seed


def stage_params(settings: BaseModel, model: type[BaseModel]) -> Any:
    """Returns the part of a section that enters the stage's key, without seeds."""
    return model.model_validate(settings.model_dump(include=set(model.model_fields)))
