"""What is measured on a target with an encoder: scores from its embeddings, probes, and more."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ...audio.flatten import Cue, require_vocoder
from ...errors import TaxonomyError
from ...evaluation.leakage import published_overlap
from ...evaluation.official import check_official
from ...kinds import TrainableEncoder
from ...stages import flatten, zeroshot
from ...stages.embed import spec as embed
from ...stages.evaluate import spec as evaluate
from ...stages.finetune import spec as finetune
from ...stages.probe import spec as probe
from ...store import Spec
from ..settings.model import DatasetRef, PluginRef
from .corpus_steps import Prepared, Steps, flat
from .gold_leakage import gold_notes
from .plan import TargetKeys


@dataclass(frozen=True)
class Made:
    """An encoder and how its weights came about: what a cell measures all of its targets with."""

    ref: PluginRef
    control: str | None = None
    seed: int | None = None
    """Seed of pre-training or of the random weights; None if nothing is drawn."""
    model: str | None = None
    """Key of its pre-training; None without one."""
    learns_gold: bool = False
    """Whether human labels of the corpora take part in it."""


@dataclass(frozen=True)
class Measured:
    """A target that an encoder is measured on."""

    place: str
    """Its place in the cell, such as ``targets.0``."""
    prepared: Prepared
    made: Made
    encoder: Any
    stages: dict[str, str]
    """Place of a stage → key; what is planned is added to it."""

    @property
    def name(self) -> str:
        """The dataset's name."""
        return self.prepared.name

    @property
    def trainable(self) -> bool:
        """Whether the encoder can be trained, so that its weights are drawn or pre-trained."""
        return isinstance(self.encoder, TrainableEncoder)

    @property
    def wording(self) -> str:
        """How the weights came about, for a title."""
        if not self.trainable:
            return ""
        return ", pre-trained" if self.made.model else f", random weights, seed {self.made.seed}"


class Measuring(Steps):
    """Plans what the cells of one point of a grid measure on its targets."""

    def results(
        self, index: int, dataset: DatasetRef, made: Made, stages: dict[str, str]
    ) -> TargetKeys:
        """Adds all that is measured on a target; returns where the results will lie."""
        s = self.settings
        inputs = self._plain_inputs if made.model is None else self._measure_inputs
        found, prepared, embeddings = self.step(
            stages,
            "measure",
            lambda used: self._measure(index, dataset, made, used),
            index,
            dataset,
            made.ref,
            made.seed,
            made.model,
            made.control,
            s.probe_seed if s.probes else None,
            (id(s.evaluate), s.evaluate_seed) if s.finetune or s.flatten else None,
            s.evaluate.protocol,
            inputs,
        )
        key = self.parts.once(
            "evaluate",
            lambda: self._evaluate(prepared, embeddings, made.ref.name),
            prepared,
            embeddings,
            made.ref.name,
            s.evaluate,
            s.evaluate_seed,
            s.threads.evaluate,
        )
        stages[f"evaluate targets.{index}"] = key
        if not made.learns_gold:
            return replace(found, evaluation=key)
        notes = self.parts.once(
            "gold",
            lambda: gold_notes(self.parts, s, dataset),
            dataset,
            id(s.corpora),
            id(s.probes),
            s.evaluate,
            s.evaluate_seed,
            s.controls,
            s.encoder,
        )
        return replace(found, evaluation=key, notes=(*found.notes, *notes))

    def _measure(
        self, index: int, dataset: DatasetRef, made: Made, stages: dict[str, str]
    ) -> tuple[TargetKeys, Prepared, str]:
        """Everything that is measured on a target but its evaluation, which varies most."""
        place = f"targets.{index}"
        prepared = self.prepare(place, dataset, stages)
        where, protocol = f"{self.parts.label}: {place}", self.settings.evaluate.protocol
        check_official(prepared.dataset, where, protocol, dataset.limit)
        encoder, _ = self.parts.plugin("encoder", made.ref)
        on = Measured(place, prepared, made, encoder, stages)
        frames = self.features(place, prepared, encoder, stages)
        embeddings = self._embedded(on, frames)
        stages[f"embed {place}"] = embeddings
        probes = {ref.name: self._probe(on, embeddings, ref) for ref in self.settings.probes}
        told = published_overlap(made.ref.name, encoder.trained_on, dataset.dataset)
        notes = () if told is None else (told,)
        found = TargetKeys(self._target_name(index), "", probes, notes=notes)
        if prepared.dataset.card.taxonomy is not None:
            found = self._with_gold(on, found, frames, embeddings)
        return found, prepared, embeddings

    def _embedded(
        self,
        on: Measured,
        frames: str | None,
        cue: Cue | None = None,
        pooling: embed.HeadPooling | None = None,
    ) -> str:
        settings, made = self.settings, on.made
        _, identity = self.parts.plugin("encoder", made.ref)
        spec = embed.spec(
            utterances=on.prepared.utterances,
            encoder=identity,
            features=frames,
            params=self.params(settings.embed, embed.Params),
            threads=settings.threads.embed,
            weights=embed.Weights(made.model, made.seed if on.trainable else None, pooling),
            device=settings.devices.embed if on.trainable else "cpu",
            cue=cue,
        )
        title = f"{on.name}{flat(cue)} by {made.ref.name}{on.wording}"
        return self.parts.add(spec, title, settings.threads.embed, on.prepared.audio)

    def _probe(self, on: Measured, embeddings: str, ref: PluginRef) -> str:
        settings = self.settings
        plugin, _ = self.parts.plugin("probe", ref)
        measured = self.measured(on.place, on.prepared, ref, on.stages)
        spec = probe.spec(
            utterances=on.prepared.utterances,
            embeddings=embeddings,
            targets=measured,
            params=self.params(settings.probe, probe.Params),
            seed=settings.probe_seed,
            probe=plugin,
            threads=settings.threads.probe,
        )
        title = f"{ref.name} from {on.made.ref.name} on {on.name}"
        key = self.parts.add(spec, title, settings.threads.probe)
        on.stages[f"probe {on.place} {ref.name}"] = key
        return key

    def _with_gold(
        self, on: Measured, found: TargetKeys, frames: str | None, embeddings: str
    ) -> TargetKeys:
        """Adds what is scored with a target's human labels beside the evaluation."""
        settings = self.settings
        if on.trainable and settings.finetune is not None:
            assert frames is not None
            found = replace(found, finetune=self._finetuned(on, frames, embeddings))
        if settings.flatten is not None and on.encoder.frontend.kind != "text":
            found = replace(found, flatten=self._flattened(on, embeddings))
        if on.made.model is None:
            return found
        # The head expects the pooling that it was trained with.
        pooled = self._embedded(on, frames, pooling=settings.pretrain.pooling)
        return self._without_labels(on, found, pooled, on.made.model)

    def _finetuned(self, on: Measured, frames: str, embeddings: str) -> str:
        settings = self.settings
        assert settings.finetune is not None
        _, identity = self.parts.plugin("encoder", on.made.ref)
        threads = settings.threads.pretrain
        spec = finetune.spec(
            evaluation=self._evaluation(on.prepared, embeddings),
            features=frames,
            encoder=identity,
            weights=embed.Weights(on.made.model, on.made.seed),
            params=settings.finetune,
            threads=threads,
            device=settings.devices.pretrain,
        )
        start = "from scratch" if on.made.model is None else "from pre-trained weights"
        key = self.parts.add(spec, f"{on.made.ref.name} on {on.name}, {start}", threads)
        on.stages[f"finetune {on.place}"] = key
        return key

    def _flattened(self, on: Measured, embeddings: str) -> str:
        require_vocoder()
        settings = self.settings
        assert settings.flatten is not None
        versions: dict[str, str] = {}
        cues: tuple[Cue, ...] = ("none", *settings.flatten.cues)
        for cue in cues:
            frames = self.features(on.place, on.prepared, on.encoder, on.stages, cue)
            versions[cue] = self._embedded(on, frames, cue)
            on.stages[f"embed {on.place}{flat(cue)}"] = versions[cue]
        evaluation = self._evaluation(on.prepared, embeddings)
        spec = flatten.spec(evaluation=evaluation, versions=versions)
        title = f"{on.made.ref.name} on {on.name} without single cues"
        key = self.parts.add(spec, title, settings.threads.evaluate)
        on.stages[f"flatten {on.place}"] = key
        return key

    def _without_labels(
        self, on: Measured, found: TargetKeys, embeddings: str, model: str
    ) -> TargetKeys:
        """Adds what is scored without the target's labels: the head's row and the text-only row."""
        wanted, gold_name = self.settings.controls, on.prepared.dataset.card.taxonomy
        assert gold_name is not None
        weak, gold = self.parts.taxonomy(self.settings.taxonomy), self.parts.taxonomy(gold_name)
        text_only = wanted.text_only and on.made.control is None
        if not (wanted.zero_shot or text_only):
            return found
        try:
            weak.map_to(gold)
        except TaxonomyError as error:
            note = f"Zero-shot and text-only scores are left out: {error}"
            return replace(found, notes=(*found.notes, note))

        design = self.params(self.settings.evaluate, evaluate.Params)
        tested = evaluate.folds_by(design, on.prepared.dataset.protocols) == "split"

        def scored(role: str, **parents: str) -> str:
            spec = zeroshot.spec(
                utterances=on.prepared.utterances,
                taxonomy=weak,
                gold=gold,
                tested=tested,
                **parents,
            )
            key = self.parts.add(spec, f"{role} on {on.name}, {weak.name}", 1)
            on.stages[f"zeroshot {on.place} {role}"] = key
            return key

        if wanted.zero_shot:
            if embeddings != on.stages[f"embed {on.place}"]:
                on.stages[f"embed {on.place} for the head"] = embeddings
            head = scored("head", embeddings=embeddings, model=model)
            found = replace(found, zero_shot=head)
        if text_only:
            labels = self.labels(on.place, on.prepared, on.stages)
            found = replace(found, text_only=scored("labels", labels=labels))
        return found

    def _target_name(self, index: int) -> str:
        names = [target.dataset for target in self.settings.targets]
        return names[index] if names.count(names[index]) == 1 else f"{names[index]}.{index}"

    def _evaluate(self, prepared: Prepared, embeddings: str, encoder: str) -> str:
        spec = self._evaluation(prepared, embeddings)
        title = f"{encoder} on {prepared.name}"
        return self.parts.add(spec, title, self.settings.threads.evaluate)

    def _evaluation(self, prepared: Prepared, embeddings: str) -> Spec:
        settings = self.settings
        return evaluate.spec(
            utterances=prepared.utterances,
            embeddings=embeddings,
            taxonomy=self.gold_taxonomy(prepared, settings.evaluate),
            params=self.params(settings.evaluate, evaluate.Params),
            seed=settings.evaluate_seed,
            threads=settings.threads.evaluate,
            official=prepared.dataset.protocols,
        )
