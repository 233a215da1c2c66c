"""The steps from recordings to weak labels of one point of a grid."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from ...audio.flatten import Cue
from ...data.manifest import BuiltManifest
from ...data.utterances import iter_column
from ...errors import DataError, SettingsError, plugin_boundary
from ...kinds import Dataset, FeatureExtractor
from ...kinds.encoder import Frontend
from ...stages import features as features_stage
from ...stages import segment, targets
from ...stages.evaluate.spec import halves_of
from ...stages.label import spec as label
from ...stages.transcribe import spec as transcribe
from ...store import Spec
from ...taxonomy import Taxonomy
from ..settings.grid import Point
from ..settings.model import DatasetRef, EvaluateSettings, Experiment, PluginRef, stage_params
from .memo import Parts

TEXT_FIELDS = frozenset({"text", "context", "avg_logprob", "no_speech_prob"})
"""Fields of a labeler's records that come from transcripts."""
IN_NO_KEY = frozenset(
    {"name", "titles", "comparisons", "question", "trackers", "tracker_timeout_s"}
    | {"stage_timeout_s"}
    | {"executor", "paths", "memory"}
)
"""Settings of a run, not of a cell."""

MOST_HOURS = {True: 1, False: 24}
"""Longest utterance, and longest recording that a segmenter cuts: a day, at 0.23 GB an hour."""


def look_up_labeler(parts: Parts, settings: Experiment) -> None:
    """Creates and checks the labeler, and the ASR if the labeler reads text; else looks it up."""
    parts.registry.entry("asr", settings.asr.name)
    for ref in (settings.labeler, settings.label.agree):
        if ref is not None and parts.plugin("labeler", ref)[0].reads & TEXT_FIELDS:
            parts.plugin("asr", settings.asr)


@dataclass(frozen=True)
class Prepared:
    """A dataset ready for stages."""

    manifest: BuiltManifest
    dataset: Dataset[Any]
    name: str
    utterances: str
    """Key of the manifest, or of its segmentation."""
    audio: tuple[str, ...]


def without(cue: Cue | None) -> str:
    """Returns the ending of a stage's place and title where a cue is flattened."""
    return "" if cue is None else ", resynthesised" if cue == "none" else f", {cue} flattened"


def _frontend(encoder: Any) -> Frontend:
    frontend: Frontend = encoder.frontend
    return frontend


class Steps:
    """Adds stages to a plan for one cell of a point of a grid."""

    def __init__(self, parts: Parts, point: Point) -> None:
        """Starts a cell without stages."""
        self.parts, self.point, self.settings = parts, point, point.settings
        self.stages: dict[str, str] = {}
        """Place in the cell, such as ``label corpora.0`` → key; manifests included."""

    def stage(
        self,
        make: Callable[..., Spec],
        title: str,
        threads: int,
        place: str,
        audio: tuple[str, ...] = (),
        /,
        **inputs: Any,
    ) -> str:
        """Adds the stage ``make(**inputs)`` at a place of the cell and returns its key."""
        key = self.parts.stage(make, title, threads, audio, **inputs)
        self.stages[place] = key
        return key

    def params(self, section: BaseModel, model: type[BaseModel]) -> Any:
        """Returns the part of a section that enters its stage's key."""
        return self.parts.once(stage_params, settings=section, model=model)

    def prepare(self, place: str, ref: DatasetRef) -> Prepared:
        """Adds a dataset's manifest and its segmentation, if it has one."""
        built, dataset = self.parts.manifest(ref)
        self.stages[f"manifest {place}"] = built.key
        audio, utterances = (str(built.paths),), built.key
        segmenter, identity = self.parts.plugin("segmenter", self.settings.segmenter)
        seconds, longest = built.longest
        if seconds > 3600 * (most := MOST_HOURS[segmenter.trivial]):
            other = f", or set segmenter: vad, which reads up to {MOST_HOURS[False]} h"
            raise DataError(
                f"{self.parts.label}: '{longest}' of dataset '{ref.dataset}' ({place}) lasts "
                f"{seconds / 3600:.1f} h, and the most is {most} h. Cut it into shorter files"
                f"{other if segmenter.trivial else ''}."
            )
        if not segmenter.trivial:
            title = f"{ref.dataset} by {identity.name}"
            utterances = self.stage(
                segment.spec,
                title,
                1,
                f"segment {place}",
                audio,
                utterances=utterances,
                segmenter=identity,
            )
        return Prepared(built, dataset, ref.dataset, utterances, audio)

    def check_utterances(self, kind: str, ref: PluginRef, prepared: Prepared) -> None:
        """Lets a plugin refuse a dataset's utterances, whose ids are known if it is not split."""
        manifest = prepared.manifest
        if prepared.utterances != manifest.key:
            return
        plugin, identity = self.parts.plugin(kind, ref)
        ids, recordings = (iter_column(manifest.artifact, c) for c in ("id", "audio_sha"))
        with plugin_boundary(f"{kind} '{identity.name}' cannot check '{prepared.name}'"):
            plugin.check_utterances(prepared.name, ids, recordings)

    def features(
        self, place: str, prepared: Prepared, encoder: Any, cue: Cue | None = None
    ) -> str | None:
        """Adds the output of an encoder's front end; None if it takes waveforms as they are.

        With a cue, the front end gets speech resynthesised without it.
        """
        frontend = self.parts.once(_frontend, encoder=encoder)
        as_it_is = frontend.kind == "waveform" or not frontend.needs_sound
        if cue is None and as_it_is and isinstance(encoder, FeatureExtractor):
            return None
        frozen = None
        if frontend.encoder is not None:
            ref = PluginRef(name=frontend.encoder, options=frontend.options)
            _, frozen = self.parts.plugin("encoder", ref)
        return self.stage(
            features_stage.spec,
            f"{prepared.name}, {frontend.encoder or frontend.kind}{without(cue)}",
            self.settings.threads.features,
            f"features {place}{without(cue)}",
            prepared.audio,
            utterances=prepared.utterances,
            frontend=frontend,
            cue=cue,
            encoder=frozen,
        )

    def measured(self, place: str, prepared: Prepared, probe: PluginRef) -> str:
        """Adds the values that a probe measures on a dataset's sound."""
        _, identity = self.parts.plugin("probe", probe)
        return self.stage(
            targets.spec,
            f"{probe.name} of {prepared.name}",
            self.settings.threads.targets,
            f"targets {place} {probe.name}",
            prepared.audio,
            utterances=prepared.utterances,
            probe=identity,
        )

    def labelled_corpus(self, index: int, ref: DatasetRef) -> tuple[str, str, str]:
        """Adds the inputs of pre-training; returns the keys of utterances, labels and features."""
        place = f"corpora.{index}"
        prepared = self.prepare(place, ref)
        labels = self.labels(place, prepared)
        encoder, _ = self.parts.plugin("encoder", self.settings.encoder)
        frames = self.features(place, prepared, encoder)
        assert frames is not None
        return prepared.utterances, labels, frames

    def labels(self, place: str, prepared: Prepared) -> str:
        """Adds the weak labels of a dataset, and those of the labeler that must agree."""
        wanted, second = self.settings.label, None
        if wanted.agree is not None:
            plain = label.Params(neutral=wanted.neutral)
            second = self._labels(f"agree {place}", place, prepared, wanted.agree, plain)
        params = self.params(wanted, label.Params)
        return self._labels(
            f"label {place}", place, prepared, self.settings.labeler, params, second
        )

    def _labels(
        self,
        role: str,
        place: str,
        prepared: Prepared,
        ref: PluginRef,
        params: label.Params,
        second: str | None = None,
    ) -> str:
        """Adds labels by one labeler, and the transcripts if it reads them."""
        settings = self.settings
        labeler, identity = self.parts.plugin("labeler", ref)
        self.check_utterances("labeler", ref, prepared)
        transcripts = None
        if labeler.reads & TEXT_FIELDS:
            transcripts = self.transcripts(place, prepared, f"labeler '{identity.name}' has")
        taxonomy, gold = self.parts.taxonomy(settings.taxonomy), prepared.dataset.card.taxonomy
        if "gold" in labeler.reads and gold is None:
            raise SettingsError(
                f"{self.parts.label}: labeler '{identity.name}' reads human labels, and "
                f"'{prepared.name}' ({place}) has none. Use it on a labelled dataset."
            )
        return self.stage(
            label.spec,
            f"{prepared.name} by {identity.name}, {taxonomy.name}"
            + " where a second labeler agrees" * (second is not None),
            settings.threads.label,
            role,
            prepared.audio,
            utterances=prepared.utterances,
            transcripts=transcripts,
            labeler=identity,
            taxonomy=taxonomy,
            reading=label.Reading(
                self.parts.wordings(taxonomy, labeler, prepared.manifest),
                audio="audio" in labeler.reads,
                second=second,
            ),
            params=params,
            threads=settings.threads.label,
            gold_taxonomy=None if gold is None else self.parts.taxonomy(gold),
        )

    def transcripts(self, place: str, prepared: Prepared, reader: str = "there is") -> str:
        """Adds the transcripts of a dataset; `reader` is what lacks a text without them."""
        plugin, asr = self.parts.plugin("asr", self.settings.asr)
        if plugin.reads == "transcript" and not prepared.manifest.counts["transcripts"]:
            raise SettingsError(
                f"{self.parts.label}: asr '{asr.name}' returns the texts of a dataset, but "
                f"'{prepared.name}' ({place}) has none, so {reader} no text to read. Name a "
                "recogniser, such as asr: faster-whisper."
            )
        with plugin_boundary(f"asr '{asr.name}' cannot check the languages of '{prepared.name}'"):
            plugin.check_languages(self.parts.languages(prepared.manifest))
        self.check_utterances("asr", self.settings.asr, prepared)
        threads = self.settings.threads.transcribe
        return self.stage(
            transcribe.spec,
            f"{prepared.name} by {asr.name}",
            threads,
            f"transcribe {place}",
            prepared.audio,
            utterances=prepared.utterances,
            asr=asr,
            params=self.params(self.settings.transcribe, transcribe.Params),
            threads=threads,
        )

    def gold_taxonomy(self, prepared: Prepared, wanted: EvaluateSettings) -> Taxonomy | None:
        """Returns the taxonomy of a target's human labels, if the evaluation is possible.

        It is None for a set with ratings instead of labels.

        Raises:
            SettingsError: it has neither, or fewer speakers than folds.
            DataError: it has one speaker.
        """
        gold = prepared.dataset.card.taxonomy
        if gold is None and halves_of(prepared.dataset.card) is None:
            raise SettingsError(
                f"{self.parts.label}: dataset '{prepared.name}' has no human labels, so it "
                "cannot be one of 'targets'. It may be one of 'corpora'."
            )
        speakers = prepared.manifest.counts["speakers"]
        if speakers < 2:
            raise DataError(
                f"{self.parts.label}: target '{prepared.name}' has {speakers} speaker"
                f"{'' if speakers == 1 else 's'}. Scores are measured on speakers that training "
                "did not use, so it needs at least 2 (and 5 for intervals)."
            )
        if wanted.protocol == "k-speaker-folds" and wanted.folds > speakers:
            raise SettingsError(
                f"{self.parts.label}: 'evaluate.folds' is {wanted.folds}, but target "
                f"'{prepared.name}' has {speakers} speakers. Set it to {speakers} or fewer."
            )
        return None if gold is None else self.parts.taxonomy(gold)
