"""The steps that measure an encoder on a labelled set: its evaluation, then each measurement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from ...audio.flatten import Cue
from ...evaluation.leakage import published_overlap
from ...evaluation.official import check_official
from ...kinds import TrainableEncoder
from ...measurements import MEASUREMENTS
from ...stages.embed import spec as embed
from ...stages.evaluate import spec as evaluate
from ...store import Spec
from ...taxonomy import Taxonomy
from ..settings.grid import Point
from ..settings.model import DatasetRef, PluginRef
from .corpus_steps import Prepared, Steps, without
from .gold_leakage import gold_notes
from .memo import Parts
from .plan import TargetKeys


@dataclass(frozen=True)
class Made:
    """An encoder and the origin of its weights: a cell measures all of its targets with it."""

    ref: PluginRef
    control: str | None = None
    seed: int | None = None
    """Seed of pre-training or of the random weights; None if nothing is drawn."""
    model: str | None = None
    """Key of its pre-training; None without one."""
    learns_gold: bool = False
    """Whether it learns human labels of the corpora."""


class PlannedTarget:
    """One target of a cell: the `measurements.base.Target` that measurements plan with."""

    def __init__(self, steps: Measuring, index: int, prepared: Prepared, made: Made) -> None:
        """Plans the embeddings of the target."""
        self._steps, self._prepared, self._made, self._index = steps, prepared, made, index
        self.settings, self.place, self.name = steps.settings, f"targets.{index}", prepared.name
        place, self.title = self.place, steps.target_name(index)
        self.utterances, self.protocols = prepared.utterances, prepared.dataset.protocols
        self.extras: Sequence[str] = prepared.manifest.counts["extras"]
        self.card = prepared.dataset.card
        gold = self.card.taxonomy
        self.gold: Taxonomy | None = None if gold is None else steps.parts.taxonomy(gold)
        self.encoder, self.identity = steps.parts.plugin("encoder", made.ref)
        self.control, self.seed, self.model = made.control, made.seed, made.model
        self.params, self.stage, self.taxonomy = steps.params, steps.stage, steps.parts.taxonomy
        self.features = partial(steps.features, place, prepared, self.encoder)
        self.measured = partial(steps.measured, place, prepared)
        self.labels = partial(steps.labels, place, prepared)
        self.notes: list[str] = []
        self.embeddings = self.embedded()

    @property
    def others(self) -> list[PlannedTarget]:
        """The cell's other labelled sets, with the same encoder and weights."""
        n = len(self.settings.targets)
        return [self._steps.target(i, self._made) for i in range(n) if i != self._index]

    @property
    def trainable(self) -> bool:
        """Whether the encoder can be trained, so that its weights are drawn or pre-trained."""
        return isinstance(self.encoder, TrainableEncoder)

    @property
    def weak(self) -> Taxonomy:
        """Taxonomy of the weak labels."""
        return self._steps.parts.taxonomy(self.settings.taxonomy)

    @property
    def design(self) -> evaluate.Params:
        """Protocol, folds and budgets of the evaluation."""
        params: evaluate.Params = self.params(self.settings.evaluate, evaluate.Params)
        return params

    @property
    def evaluation(self) -> Spec:
        """Content of the evaluation's key."""
        return self._steps.parts.once(evaluate.spec, **self._evaluation())

    def evaluated(self) -> str:
        """Plans the evaluation."""
        threads, title = self.settings.threads.evaluate, f"{self.identity.name} on {self.name}"
        place = f"evaluate {self.place}"
        return self.stage(evaluate.spec, title, threads, place, **self._evaluation())

    def _evaluation(self) -> dict[str, Any]:
        return {
            "utterances": self.utterances,
            "embeddings": self.embeddings,
            "taxonomy": self._steps.gold_taxonomy(self._prepared, self.settings.evaluate),
            "params": self.design,
            "seed": self.settings.seed_of("evaluate"),
            "threads": self.settings.threads.evaluate,
            "official": self.protocols,
            "halves": evaluate.halves_of(self.card),
        }

    def embedded(self, cue: Cue | None = None, pooling: embed.HeadPooling | None = None) -> str:
        """Plans embeddings, of speech without a cue or pooled as the pre-trained head expects."""
        settings, frames = self.settings, self.features(cue)
        self._steps.check_utterances("encoder", self._made.ref, self._prepared)
        origin = ", pre-trained" if self.model else f", random weights, seed {self.seed}"
        key = self._steps.parts.stage(
            embed.spec,
            f"{self.name}{without(cue)} by {self.identity.name}{origin if self.trainable else ''}",
            settings.threads.embed,
            self._prepared.audio,
            utterances=self.utterances,
            encoder=self.identity,
            features=frames,
            params=self.params(settings.embed, embed.Params),
            threads=settings.threads.embed,
            weights=embed.Weights(self.model, self.seed if self.trainable else None, pooling),
            device=settings.devices.embed if self.trainable else "cpu",
            cue=cue,
        )
        if pooling is None or key != self.embeddings:
            of_head = "" if pooling is None else " for the head"
            self._steps.stages[f"embed {self.place}{without(cue)}{of_head}"] = key
        return key

    def plugin(self, kind: str, ref: PluginRef) -> Any:
        """Creates a plugin that the settings name."""
        return self._steps.parts.plugin(kind, ref)[0]

    def note(self, sentence: str) -> None:
        """Notes in the record what was asked for and cannot be measured."""
        if sentence not in self.notes:
            self.notes.append(sentence)


class Measuring(Steps):
    """Plans the measurements of a cell on its targets."""

    def __init__(self, parts: Parts, point: Point) -> None:
        """Starts a cell without stages and targets."""
        super().__init__(parts, point)
        self._targets: dict[int, PlannedTarget] = {}

    def target(self, index: int, made: Made) -> PlannedTarget:
        """Returns a target of the cell; its embeddings are planned on first use."""
        if index not in self._targets:
            dataset, place = self.settings.targets[index], f"targets.{index}"
            prepared = self.prepare(place, dataset)
            where, protocol = f"{self.parts.label}: {place}", self.settings.evaluate.protocol
            check_official(prepared.dataset, where, protocol, dataset.part)
            self._targets[index] = PlannedTarget(self, index, prepared, made)
        return self._targets[index]

    def results(self, index: int, dataset: DatasetRef, made: Made) -> TargetKeys:
        """Adds all measurements on a target; returns the keys of the results."""
        settings, on = self.settings, self.target(index, made)
        overlap = published_overlap(made.ref.name, on.encoder.trained_on, dataset.dataset)
        if overlap is not None:
            on.note(overlap)
        planned = {m.name: dict(keys) for m in MEASUREMENTS if (keys := m.plan(on))}
        evaluation = on.evaluated()
        if made.learns_gold and on.gold is not None:
            on.notes += self.parts.once(
                gold_notes,
                parts=self.parts,
                target=dataset,
                encoder=made.ref.name,
                corpora=settings.corpora,
                probes=settings.probes,
                params=on.design,
                seed=settings.seed_of("evaluate"),
                declared=settings.controls.gold_of_tested == "declare",
            )
        return TargetKeys(on.title, evaluation, planned, tuple(on.notes))

    def target_name(self, index: int) -> str:
        """Returns a target's name, numbered if several targets have it."""
        names = [target.dataset for target in self.settings.targets]
        return names[index] if names.count(names[index]) == 1 else f"{names[index]}.{index}"
