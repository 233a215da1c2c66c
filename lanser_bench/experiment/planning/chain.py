"""The cells of a point, and how each gets its encoder: fixed, drawn at random or pre-trained."""

from __future__ import annotations

from ...errors import SettingsError
from ...stages import targets
from ...stages.pretrain import spec as pretrain
from ..settings.model import PluginRef
from .plan import Cell
from .target_steps import Made, Measuring


class Chain(Measuring):
    """Builds the chain of keys of one cell, from recordings to scores."""

    def frozen(self, ref: PluginRef, control: str | None) -> Cell:
        """A fixed feature extractor: nothing is trained."""
        return self._cell(Made(ref, control))

    def random_init(self, seed: int) -> Cell:
        """The encoder with its first weights, without training."""
        return self._cell(Made(self.settings.encoder, "random_init", seed))

    def pretrained(self, labels: pretrain.LabelsControl, seed: int, control: str | None) -> Cell:
        """The encoder pre-trained on the corpora with weak, shuffled or gold labels."""
        model = self._pretrain(labels, seed)
        gold = labels == "gold" or (labels == "weak" and self._labels_read_gold())
        return self._cell(Made(self.settings.encoder, control, seed, model, gold))

    def _pretrain(self, labels: pretrain.LabelsControl, seed: int) -> str:
        settings = self.settings
        if not settings.corpora:
            raise SettingsError(
                f"{self.parts.label}: 'corpora' is empty, so encoder '{settings.encoder.name}' "
                "cannot be pre-trained. Name a corpus, or choose a frozen encoder."
            )
        corpora = [self.labelled_corpus(i, ref) for i, ref in enumerate(settings.corpora)]
        _, encoder = self.parts.plugin("encoder", settings.encoder)
        wording = "" if labels == "weak" else f" on {labels} labels"
        taxonomy = self.parts.taxonomy(settings.taxonomy)
        if settings.pretrain.loss == "forward" and settings.pretrain.confusion is not None:
            settings.pretrain.confusion.matrix(taxonomy.names)  # before anything is computed
        return self.stage(
            pretrain.spec,
            f"{encoder.name}{wording}, {taxonomy.name}, seed {seed}",
            settings.threads.pretrain,
            "pretrain",
            acoustic=tuple(self._acoustic()),
            corpora=tuple(corpora),
            encoder=encoder,
            labels_control=labels,
            params=self.params(settings.pretrain, pretrain.Params),
            seed=seed,
            threads=settings.threads.pretrain,
            device=settings.devices.pretrain,
        )

    def _labels_read_gold(self) -> bool:
        """Whether the labeler reads human labels, or the one that it must agree with."""
        refs = (self.settings.labeler, self.settings.label.agree)
        labelers = [self.parts.plugin("labeler", ref)[0] for ref in refs if ref is not None]
        return any("gold" in labeler.reads for labeler in labelers)

    def _acoustic(self) -> list[str]:
        """Adds the targets of the second head; returns the keys, one per corpus."""
        wanted = self.settings.pretrain.acoustic
        if wanted is None:
            return []
        ref = PluginRef(name=wanted.probe)
        measuring, _ = self.parts.plugin("probe", ref)
        targets.check_names(wanted.targets, measuring.targets)
        places = {f"corpora.{i}": corpus for i, corpus in enumerate(self.settings.corpora)}
        return [
            self.measured(place, self.prepare(place, corpus), ref)
            for place, corpus in places.items()
        ]

    def _cell(self, made: Made) -> Cell:
        settings, control = self.settings, made.control
        results = [self.results(i, ref, made) for i, ref in enumerate(settings.targets)]
        if control is None and made.model is not None:
            labeler, _ = self.parts.plugin("labeler", settings.labeler)
            control = "reads_gold" if self._labels_read_gold() else None
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
            stages=self.stages,
            targets=results,
        )
