"""The chain of keys of a cell, from recordings to scores."""

from __future__ import annotations

from dataclasses import replace

from ..audio.flatten import Cue, require_vocoder
from ..errors import SettingsError, TaxonomyError
from ..evaluation.leakage import published_overlap
from ..kinds import TrainableEncoder
from ..stages import (
    embed,
    evaluate,
    finetune,
    flatten,
    pretrain,
    probe,
    targets,
    zeroshot,
)
from .learnt_gold import gold_notes
from .plan import Cell, TargetKeys
from .settings import DatasetRef, EvaluateSettings, PluginRef
from .steps import Prepared, Steps, flat


class Chain(Steps):
    """Builds the chain of keys of one point's cells."""

    def frozen(self, ref: PluginRef, control: str | None) -> Cell:
        """A fixed feature extractor: nothing is trained."""
        return self._cell(ref, control=control, seed=None, stages={}, model=None)

    def random_init(self, seed: int) -> Cell:
        """The encoder as it is built, without training."""
        return self._cell(
            self.settings.encoder, control="random_init", seed=seed, stages={}, model=None
        )

    def pretrained(self, labels: pretrain.LabelsControl, seed: int, control: str | None) -> Cell:
        """The encoder pre-trained on the corpora with weak, shuffled or gold labels."""
        stages: dict[str, str] = {}
        model = self.step(
            stages, "pretrain", lambda used: self._pretrain(labels, seed, used), labels, seed,
            self._pretrain_inputs,
        )  # fmt: skip
        labeler, _ = self.parts.plugin("labeler", self.settings.labeler)
        return self._cell(
            self.settings.encoder, control=control, seed=seed, stages=stages, model=model,
            learns_gold=labels == "gold" or (labels == "weak" and "gold" in labeler.reads),
        )  # fmt: skip

    def _pretrain(self, labels: pretrain.LabelsControl, seed: int, stages: dict[str, str]) -> str:
        corpora = [
            self.labelled_corpus(index, ref, stages)
            for index, ref in enumerate(self.settings.corpora)
        ]
        if not corpora:
            raise SettingsError(
                f"{self.parts.label}: 'corpora' is empty, but encoder "
                f"'{self.settings.encoder.name}' is to be pre-trained. Name a corpus, or choose a "
                "frozen encoder."
            )
        _, encoder = self.parts.plugin("encoder", self.settings.encoder)
        threads = self.settings.threads.pretrain
        spec = pretrain.spec(
            acoustic=self._acoustic(stages),
            corpora=corpora,
            encoder=encoder,
            labels_control=labels,
            params=self.params(self.settings.pretrain, pretrain.Params),
            seed=seed,
            threads=threads,
            device=self.settings.devices.pretrain,
        )
        wording = "" if labels == "weak" else f" on {labels} labels"
        taxonomy = self.parts.taxonomy(self.settings.taxonomy).name
        title = f"{encoder.name}{wording}, {taxonomy}, seed {seed}"
        stages["pretrain"] = key = self.parts.add(spec, title, threads)
        return key

    def _acoustic(self, stages: dict[str, str]) -> list[str]:
        """Adds what the second head predicts; returns the keys, one per corpus."""
        wanted = self.settings.pretrain.acoustic
        if wanted is None:
            return []
        ref = PluginRef(name=wanted.probe)
        measuring, _ = self.parts.plugin("probe", ref)
        targets.check_names(wanted.targets, measuring.targets)
        return [
            self.measured(place, self.prepare(place, corpus, stages), ref, stages)
            for place, corpus in (
                (f"corpora.{i}", corpus) for i, corpus in enumerate(self.settings.corpora)
            )
        ]

    def corpora_have_gold(self) -> bool:
        """Whether every corpus has human labels."""
        refs = self.settings.corpora
        return bool(refs) and all(
            self.parts.manifest(ref)[1].card.taxonomy is not None for ref in refs
        )

    def _cell(
        self,
        ref: PluginRef,
        *,
        control: str | None,
        seed: int | None,
        stages: dict[str, str],
        model: str | None,
        learns_gold: bool = False,
    ) -> Cell:
        results = [
            self._results(index, dataset, ref, seed, model, stages, control, learns_gold)
            for index, dataset in enumerate(self.settings.targets)
        ]
        if control is None and model is not None:
            labeler, _ = self.parts.plugin("labeler", self.settings.labeler)
            control = "reads_gold" if "gold" in labeler.reads else None
            if labeler.control:
                control = "control_labeler"
        return Cell(
            experiment=self.settings.name,
            axes=dict(self.point.axes),
            role="main" if control is None else "control",
            control=control,
            seed=seed,
            show_seed=len(self.settings.pretrain.seeds) > 1,
            settings=self.settings,
            encoder=ref.name,
            taxonomy=self.parts.taxonomy(self.settings.taxonomy).name if model else None,
            stages=stages,
            targets=results,
        )

    def _results(
        self,
        index: int,
        dataset: DatasetRef,
        ref: PluginRef,
        seed: int | None,
        model: str | None,
        stages: dict[str, str],
        control: str | None,
        learns_gold: bool,
    ) -> TargetKeys:
        s = self.settings
        inputs = self._plain_inputs if model is None else self._measure_inputs
        found, prepared, embeddings = self.step(
            stages, "measure",
            lambda used: self._measure(index, dataset, ref, seed, model, used, control),
            index, dataset, ref, seed, model, control, s.probe_seed if s.probes else None,
            (id(s.evaluate), s.evaluate_seed) if s.finetune or s.flatten else None,
            s.evaluate.protocol, inputs,
        )  # fmt: skip
        key = self.parts.once(
            "evaluate",
            lambda: self._evaluate(
                prepared, embeddings, ref.name, s.evaluate, s.evaluate_seed, s.threads.evaluate
            ),
            prepared, embeddings, ref.name, s.evaluate, s.evaluate_seed, s.threads.evaluate,
        )  # fmt: skip
        stages[f"evaluate targets.{index}"] = key
        if not learns_gold:
            return replace(found, evaluation=key)
        notes = self.parts.once(
            "gold", lambda: gold_notes(self.parts, s, dataset),
            dataset, id(s.corpora), s.evaluate, s.evaluate_seed, s.controls, s.encoder,
        )  # fmt: skip
        return replace(found, evaluation=key, notes=(*found.notes, *notes))

    def _measure(
        self,
        index: int,
        dataset: DatasetRef,
        ref: PluginRef,
        seed: int | None,
        model: str | None,
        stages: dict[str, str],
        control: str | None,
    ) -> tuple[TargetKeys, Prepared, str]:
        """Everything that is measured on a target but its evaluation, which varies most."""
        place, settings = f"targets.{index}", self.settings
        prepared = self.prepare(place, dataset, stages)
        encoder, identity = self.parts.plugin("encoder", ref)
        frames = self.features(place, prepared, encoder, stages)
        trainable = isinstance(encoder, TrainableEncoder)
        how = (
            "" if not trainable else ", pre-trained" if model else f", random weights, seed {seed}"
        )

        def embedded(
            params: embed.Params,
            frames: str | None = frames,
            cue: Cue | None = None,
            pooling: embed.HeadPooling | None = None,
        ) -> str:
            spec = embed.spec(
                utterances=prepared.utterances,
                encoder=identity,
                features=frames,
                model=model,
                params=params,
                seed=seed if trainable and model is None else None,
                threads=settings.threads.embed,
                device=settings.devices.embed if trainable else "cpu",
                cue=cue,
                pooling=pooling,
            )
            title = f"{prepared.name}{flat(cue)} by {ref.name}{how}"
            return self.parts.add(spec, title, settings.threads.embed, prepared.audio)

        params = self.params(settings.embed, embed.Params)
        embeddings = embedded(params)
        stages[f"embed {place}"] = embeddings
        probes = {
            p.name: self._probe(place, prepared, embeddings, p, ref, stages)
            for p in settings.probes
        }
        told = published_overlap(ref.name, encoder.trained_on, dataset.dataset)
        notes = () if told is None else (told,)
        found = TargetKeys(self._target_name(index), "", probes, notes=notes)
        if prepared.dataset.card.taxonomy is None:
            return found, prepared, embeddings
        if trainable and settings.finetune is not None:
            assert frames is not None
            tuned = self._finetuned(place, prepared, frames, ref, model, seed, stages)
            found = replace(found, finetune=tuned)
        if settings.flatten is not None and encoder.frontend.kind != "text":
            versions: dict[str, str] = {}
            cues: tuple[Cue, ...] = ("none", *settings.flatten.cues)
            for cue in cues:
                altered = self.features(place, prepared, encoder, stages, cue)
                versions[cue] = embedded(params, altered, cue)
                stages[f"embed {place}{flat(cue)}"] = versions[cue]
            key = self._flattened(place, prepared, embeddings, versions, ref, stages)
            found = replace(found, flatten=key)
        if model is None:
            return found, prepared, embeddings
        # The head expects the pooling that it was trained with.
        pooled = embedded(params, pooling=settings.pretrain.pooling)
        found = self._without_labels(found, place, prepared, pooled, model, stages, control)
        return found, prepared, embeddings

    def _flattened(
        self,
        place: str,
        prepared: Prepared,
        embeddings: str,
        versions: dict[str, str],
        ref: PluginRef,
        stages: dict[str, str],
    ) -> str:
        require_vocoder()
        settings, gold = self.settings, prepared.dataset.card.taxonomy
        assert gold is not None
        spec = flatten.spec(
            utterances=prepared.utterances,
            embeddings=embeddings,
            versions=versions,
            taxonomy=self.parts.taxonomy(gold),
            design=self.params(settings.evaluate, evaluate.Params),
            seed=settings.evaluate_seed,
            threads=settings.threads.evaluate,
            official=prepared.dataset.protocols,
        )
        title = f"{ref.name} on {prepared.name} without single cues"
        stages[f"flatten {place}"] = key = self.parts.add(spec, title, settings.threads.evaluate)
        return key

    def _finetuned(
        self,
        place: str,
        prepared: Prepared,
        frames: str,
        ref: PluginRef,
        model: str | None,
        seed: int | None,
        stages: dict[str, str],
    ) -> str:
        settings, gold = self.settings, prepared.dataset.card.taxonomy
        assert settings.finetune is not None
        assert gold is not None
        _, identity = self.parts.plugin("encoder", ref)
        threads = settings.threads.pretrain
        spec = finetune.spec(
            utterances=prepared.utterances,
            features=frames,
            encoder=identity,
            model=model,
            weights_seed=seed,
            taxonomy=self.parts.taxonomy(gold),
            params=settings.finetune,
            design=self.params(settings.evaluate, evaluate.Params),
            seed=settings.evaluate_seed,
            threads=threads,
            device=settings.devices.pretrain,
            official=prepared.dataset.protocols,
        )
        start = "from scratch" if model is None else "from pre-trained weights"
        key = self.parts.add(spec, f"{ref.name} on {prepared.name}, {start}", threads)
        stages[f"finetune {place}"] = key
        return key

    def _without_labels(
        self,
        found: TargetKeys,
        place: str,
        prepared: Prepared,
        embeddings: str,
        model: str,
        stages: dict[str, str],
        control: str | None,
    ) -> TargetKeys:
        """Adds what is scored without the target's labels: the head's row and the text-only row."""
        wanted, gold_name = self.settings.controls, prepared.dataset.card.taxonomy
        assert gold_name is not None
        weak, gold = self.parts.taxonomy(self.settings.taxonomy), self.parts.taxonomy(gold_name)
        text_only = wanted.text_only and control is None
        if not (wanted.zero_shot or text_only):
            return found
        try:
            weak.map_to(gold)
        except TaxonomyError as error:
            note = f"Zero-shot and text-only scores are left out: {error}"
            return replace(found, notes=(*found.notes, note))

        design = self.params(self.settings.evaluate, evaluate.Params)
        tested = evaluate.folds_by(design, prepared.dataset.protocols) == "split"

        def scored(role: str, **parents: str) -> str:
            spec = zeroshot.spec(
                utterances=prepared.utterances, taxonomy=weak, gold=gold, tested=tested, **parents
            )
            key = self.parts.add(spec, f"{role} on {prepared.name}, {weak.name}", 1)
            stages[f"zeroshot {place} {role}"] = key
            return key

        if wanted.zero_shot:
            if embeddings != stages[f"embed {place}"]:
                stages[f"embed {place} for the head"] = embeddings
            head = scored("head", embeddings=embeddings, model=model)
            found = replace(found, zero_shot=head)
        if text_only:
            labels = self.labels(place, prepared, stages)
            found = replace(found, text_only=scored("labels", labels=labels))
        return found

    def _target_name(self, index: int) -> str:
        names = [target.dataset for target in self.settings.targets]
        return names[index] if names.count(names[index]) == 1 else f"{names[index]}.{index}"

    def _evaluate(
        self,
        prepared: Prepared,
        embeddings: str,
        encoder: str,
        wanted: EvaluateSettings,
        seed: int,
        threads: int,
    ) -> str:
        gold = self.gold_taxonomy(prepared, wanted)
        spec = evaluate.spec(
            utterances=prepared.utterances,
            embeddings=embeddings,
            taxonomy=gold,
            params=self.params(wanted, evaluate.Params),
            seed=seed,
            threads=threads,
            official=prepared.dataset.protocols,
        )
        return self.parts.add(spec, f"{encoder} on {prepared.name}", threads)

    def _probe(
        self,
        place: str,
        prepared: Prepared,
        embeddings: str,
        probe_ref: PluginRef,
        ref: PluginRef,
        stages: dict[str, str],
    ) -> str:
        settings = self.settings
        plugin, _ = self.parts.plugin("probe", probe_ref)
        measured = self.measured(place, prepared, probe_ref, stages)
        key = self.parts.add(
            probe.spec(
                utterances=prepared.utterances,
                embeddings=embeddings,
                targets=measured,
                params=self.params(settings.probe, probe.Params),
                seed=settings.probe_seed,
                probe=plugin,
                threads=settings.threads.probe,
            ),
            f"{probe_ref.name} from {ref.name} on {prepared.name}", settings.threads.probe,
        )  # fmt: skip
        stages[f"probe {place} {probe_ref.name}"] = key
        return key
