"""The cells of a point, and how each gets its encoder: fixed, drawn at random or pre-trained."""

from __future__ import annotations

from ...errors import SettingsError
from ...stages import targets
from ...stages.pretrain import spec as pretrain
from ..settings.model import PluginRef
from .plan import Cell
from .target_steps import Made, Measuring


class Chain(Measuring):
    """Builds the chain of keys of one point's cells, from recordings to scores."""

    def frozen(self, ref: PluginRef, control: str | None) -> Cell:
        """A fixed feature extractor: nothing is trained."""
        return self._cell(Made(ref, control), {})

    def random_init(self, seed: int) -> Cell:
        """The encoder as it is built, without training."""
        return self._cell(Made(self.settings.encoder, "random_init", seed), {})

    def pretrained(self, labels: pretrain.LabelsControl, seed: int, control: str | None) -> Cell:
        """The encoder pre-trained on the corpora with weak, shuffled or gold labels."""
        stages: dict[str, str] = {}
        model = self.step(
            stages,
            "pretrain",
            lambda used: self._pretrain(labels, seed, used),
            labels,
            seed,
            self._pretrain_inputs,
        )
        labeler, _ = self.parts.plugin("labeler", self.settings.labeler)
        gold = labels == "gold" or (labels == "weak" and "gold" in labeler.reads)
        return self._cell(Made(self.settings.encoder, control, seed, model, gold), stages)

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

    def _cell(self, made: Made, stages: dict[str, str]) -> Cell:
        settings, control = self.settings, made.control
        results = [
            self.results(index, dataset, made, stages)
            for index, dataset in enumerate(settings.targets)
        ]
        if control is None and made.model is not None:
            labeler, _ = self.parts.plugin("labeler", settings.labeler)
            control = "reads_gold" if "gold" in labeler.reads else None
            if labeler.control:
                control = "control_labeler"
        return Cell(
            experiment=settings.name,
            axes=dict(self.point.axes),
            role="main" if control is None else "control",
            control=control,
            seed=made.seed,
            show_seed=len(settings.pretrain.seeds) > 1,
            settings=settings,
            encoder=made.ref.name,
            taxonomy=self.parts.taxonomy(settings.taxonomy).name if made.model else None,
            stages=stages,
            targets=results,
        )
