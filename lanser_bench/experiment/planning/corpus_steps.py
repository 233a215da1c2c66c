"""The steps from recordings to weak labels, each planned once for all points that share it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel

from ...audio.flatten import Cue
from ...data.manifest import BuiltManifest
from ...errors import DataError, SettingsError
from ...kinds import Dataset, FeatureExtractor
from ...stages import features as features_stage
from ...stages import segment, targets
from ...stages.label import spec as label
from ...stages.transcribe import spec as transcribe
from ...taxonomy import Taxonomy
from ..settings.grid import Point
from ..settings.model import DatasetRef, EvaluateSettings, PluginRef, stage_params
from .memo import Parts

T = TypeVar("T")
TEXT_FIELDS = frozenset({"text", "context", "avg_logprob", "no_speech_prob"})
"""Fields of a labeler's records that come from transcripts."""

IN_NO_KEY = frozenset(
    {"name", "trackers", "tracker_timeout_s", "executor", "paths", "memory", "comparisons"}
)
"""Settings of a run, not of a cell."""
OF_RESULTS = frozenset(
    {"targets", "finetune", "flatten", "embed", "evaluate", "probes", "probe", "seed", "controls"}
)
OF_LABELS = frozenset({"corpora", "asr", "transcribe", "labeler", "taxonomy", "label", "pretrain"})
NOT_OF_PRETRAINING = IN_NO_KEY | OF_RESULTS
NOT_OF_LABELLING = NOT_OF_PRETRAINING | {"corpora", "encoder", "pretrain", "devices"}
NOT_OF_MEASURING = IN_NO_KEY | {"corpora", "evaluate", "seed"}
# What a step does not read is named, so that a setting nobody has thought of is never left out.


@dataclass(frozen=True)
class Prepared:
    """A dataset ready for stages."""

    manifest: BuiltManifest
    dataset: Dataset[Any]
    name: str
    utterances: str
    """Key of the manifest, or of its segmentation."""
    audio: tuple[str, ...]


def flat(cue: Cue | None) -> str:
    """Returns what the place of a stage has behind it where a cue is flattened."""
    return "" if cue is None else ", resynthesised" if cue == "none" else f", {cue} flattened"


class Steps:
    """Adds stages to a plan for one point of a grid."""

    def __init__(self, parts: Parts, point: Point) -> None:
        """Takes a point of the grid."""
        self.parts, self.point, self.settings = parts, point, point.settings
        self._pretrain_inputs = self.sections(NOT_OF_PRETRAINING)
        self._measure_inputs = self.sections(NOT_OF_MEASURING)
        self._plain_inputs = self.sections(NOT_OF_MEASURING | OF_LABELS)

    def sections(self, without: frozenset[str]) -> tuple[int, ...]:
        """Returns the identity of all settings but those named.

        The points of a grid share equal sections (`Sections`) and live until the plan is made.
        """
        return tuple(id(v) for name, v in self.settings.__dict__.items() if name not in without)

    def step(
        self,
        stages: dict[str, str],
        name: str,
        make: Callable[[dict[str, str]], T],
        *inputs: object,
    ) -> T:
        """Returns what `make` gave for the same inputs before, and adds its keys to `stages`."""

        def made() -> tuple[T, dict[str, str]]:
            used: dict[str, str] = {}
            return make(used), used

        found, used = self.parts.once(name, made, *inputs)
        stages |= used
        return found

    def params(self, section: BaseModel, model: type[BaseModel]) -> Any:
        """Returns the part of a section that enters its stage's key."""
        return self.parts.once("params", lambda: stage_params(section, model), section)

    def prepare(self, place: str, ref: DatasetRef, stages: dict[str, str]) -> Prepared:
        """Adds a dataset's manifest and its segmentation, if it has one."""
        built, dataset = self.parts.manifest(ref)
        stages[f"manifest {place}"] = built.key
        audio, utterances = (str(built.paths),), built.key
        segmenter, identity = self.parts.plugin("segmenter", self.settings.segmenter)
        if not segmenter.trivial:
            spec = segment.spec(utterances=utterances, segmenter=identity)
            utterances = self.parts.add(spec, f"{ref.dataset} by {identity.name}", 1, audio)
            stages[f"segment {place}"] = utterances
        return Prepared(built, dataset, ref.dataset, utterances, audio)

    def features(
        self,
        place: str,
        prepared: Prepared,
        encoder: Any,
        stages: dict[str, str],
        cue: Cue | None = None,
    ) -> str | None:
        """Adds what an encoder's front end computes; None if it takes waveforms as they are.

        With a cue it is computed from speech that is resynthesised without it.
        """
        frontend = encoder.frontend
        if cue is None and frontend.kind != "logmel" and isinstance(encoder, FeatureExtractor):
            return None
        spec = features_stage.spec(utterances=prepared.utterances, frontend=frontend, cue=cue)
        key = self.parts.add(
            spec,
            f"{prepared.name}, {frontend.kind}{flat(cue)}",
            self.settings.threads.features,
            prepared.audio,
        )
        stages[f"features {place}{flat(cue)}"] = key
        return key

    def measured(
        self, place: str, prepared: Prepared, probe: PluginRef, stages: dict[str, str]
    ) -> str:
        """Adds what a probe measures on a dataset's sound."""
        _, identity = self.parts.plugin("probe", probe)
        key = self.parts.add(
            targets.spec(utterances=prepared.utterances, probe=identity),
            f"{probe.name} of {prepared.name}",
            self.settings.threads.targets,
            prepared.audio,
        )
        stages[f"targets {place} {probe.name}"] = key
        return key

    def labelled_corpus(
        self, index: int, ref: DatasetRef, stages: dict[str, str]
    ) -> tuple[str, str, str]:
        """Adds what pre-training needs; returns the keys of utterances, labels and features."""
        place = f"corpora.{index}"
        prepared = self.step(
            stages,
            "label",
            lambda used: self.labelled(place, ref, used),
            place,
            ref,
            self.sections(NOT_OF_LABELLING),
        )
        encoder, _ = self.parts.plugin("encoder", self.settings.encoder)
        frames = self.features(place, prepared, encoder, stages)
        assert frames is not None
        return prepared.utterances, stages[f"label {place}"], frames

    def labelled(self, place: str, ref: DatasetRef, stages: dict[str, str]) -> Prepared:
        """Adds the stages that label a corpus, and their keys to `stages`."""
        prepared = self.prepare(place, ref, stages)
        self.labels(place, prepared, stages)
        return prepared

    def labels(self, place: str, prepared: Prepared, stages: dict[str, str]) -> str:
        """Adds the weak labels of a dataset, with its transcripts where the labeler reads them."""
        settings = self.settings
        labeler, identity = self.parts.plugin("labeler", settings.labeler)
        transcripts = None
        if labeler.reads & TEXT_FIELDS:
            transcripts = self._transcripts(place, prepared, stages)
        taxonomy, gold = self.parts.taxonomy(settings.taxonomy), prepared.dataset.card.taxonomy
        if "gold" in labeler.reads and gold is None:
            raise SettingsError(
                f"{self.parts.label}: labeler '{identity.name}' reads human labels, and "
                f"'{prepared.name}' ({place}) has none. Use it on a labelled dataset."
            )
        spec = label.spec(
            utterances=prepared.utterances,
            transcripts=transcripts,
            labeler=identity,
            taxonomy=taxonomy,
            params=self.params(settings.label, label.Params),
            threads=settings.threads.label,
            gold_taxonomy=None if gold is None else self.parts.taxonomy(gold),
        )
        title = f"{prepared.name} by {identity.name}, {taxonomy.name}"
        key = self.parts.add(spec, title, settings.threads.label, prepared.audio)
        stages[f"label {place}"] = key
        return key

    def _transcripts(self, place: str, prepared: Prepared, stages: dict[str, str]) -> str:
        plugin, asr = self.parts.plugin("asr", self.settings.asr)
        if plugin.reads == "transcript" and not prepared.manifest.counts["transcripts"]:
            raise SettingsError(
                f"{self.parts.label}: asr '{asr.name}' gives the texts that come with a dataset, "
                f"and '{prepared.name}' ({place}) comes with none, so labeler "
                f"'{self.settings.labeler.name}' would have nothing to read. Name a recogniser, "
                "such as asr: faster-whisper."
            )
        threads = self.settings.threads.transcribe
        spec = transcribe.spec(
            utterances=prepared.utterances,
            asr=asr,
            params=self.params(self.settings.transcribe, transcribe.Params),
            threads=threads,
        )
        key = self.parts.add(spec, f"{prepared.name} by {asr.name}", threads, prepared.audio)
        stages[f"transcribe {place}"] = key
        return key

    def gold_taxonomy(self, prepared: Prepared, wanted: EvaluateSettings) -> Taxonomy:
        """Returns the taxonomy of a target's human labels, if it can be evaluated as is wanted.

        Raises:
            SettingsError: it has no labels, or fewer speakers than folds.
            DataError: it has one speaker.
        """
        gold = prepared.dataset.card.taxonomy
        if gold is None:
            raise SettingsError(
                f"{self.parts.label}: dataset '{prepared.name}' has no human labels, so it "
                "cannot be one of 'targets'. It may be one of 'corpora'."
            )
        speakers = prepared.manifest.counts["speakers"]
        if speakers < 2:
            raise DataError(
                f"{self.parts.label}: target '{prepared.name}' has {speakers} speaker"
                f"{'' if speakers == 1 else 's'}. Scores are measured on speakers that training "
                "has not heard, so it needs at least 2 (and 5 for intervals)."
            )
        if wanted.protocol == "k-speaker-folds" and wanted.folds > speakers:
            raise SettingsError(
                f"{self.parts.label}: 'evaluate.folds' is {wanted.folds}, but target "
                f"'{prepared.name}' has {speakers} speakers. Set it to {speakers} or fewer."
            )
        return self.parts.taxonomy(gold)
