"""Exports a cell: weights, configuration, taxonomy and a card with the record's scores."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .._yaml import write_yaml
from ..data.utterances import read_summary, read_utterances
from ..errors import DataError, SettingsError, StoreError, did_you_mean
from ..evaluation.summaries import TrainingReport
from ..kinds.encoder import FeatureExtractor
from ..plugins.discovery import Registry, registry
from ..plugins.identity import plugin_identity
from ..plugins.taxonomies import find_taxonomy
from ..records.reading import latest, load_record, read_records
from ..records.record import ResultRecord
from ..stages.pretrain.spec import ATTENTION, REPORT
from ..store import Artifact, Store, sync
from ..taxonomy import Taxonomy
from .card import Material, licence_of, model_card
from .config import CARD, CONFIG, TAXONOMY, WEIGHTS, HeadConfig, ModelConfig

Tensors = dict[str, npt.NDArray[Any]]


def find_record(cell: str | Path, results: Iterable[Path] = (Path("results"),)) -> ResultRecord:
    """Returns the record of a cell: a record file, or the name of a cell in folders of records.

    Raises:
        DataError: no cell or several cells have that name.
    """
    path = Path(cell)
    if path.suffix == ".json" and path.is_file():
        return load_record(path)
    reading = read_records(results)
    records = latest([record for _, record in reading.records])
    named = [record for record in records if str(cell) in (record.name, record.key)]
    if not named:
        hint = did_you_mean(str(cell), [record.name for record in records])
        missing = f"There is no record of a cell '{cell}'.{hint}"
        raise DataError("\n".join([missing, *reading.damaged]))
    if len(named) > 1:
        experiments = ", ".join(sorted(record.experiment for record in named))
        raise DataError(
            f"{len(named)} cells are named '{cell}' (experiments {experiments}). "
            "Name the record's file instead."
        )
    return named[0]


def export_cell(
    record: ResultRecord,
    folder: str | Path,
    store: Store,
    *,
    target: str | None = None,
    plugin_dirs: Iterable[Path] = (),
    overwrite: bool = False,
) -> Path:
    """Writes a model that `load_model` reads: the Python twin of `lanser-bench export`.

    Without `target`, the head is that of pre-training: it predicts the labels of the taxonomy and
    used no human label. With a target, the head is fitted on all human labels of that set by the
    linear protocol, as in the folds of its evaluation.

    Args:
        record: the cell's record.
        folder: the folder to write; must not exist, unless `overwrite`.
        store: the store that made the cell.
        target: name of one of the record's datasets.
        plugin_dirs: folders of loose plugin files.
        overwrite: whether to replace an existing `folder`.

    Raises:
        SettingsError: the cell has no weak head and no target is named, or an unknown target.
        StoreError: the store does not have the cell's artifacts.
        DataError: the folder exists already.
    """
    place = Path(folder)
    if place.exists() and not overwrite:
        raise DataError(f"{place} exists already. Choose another folder, or set --overwrite.")
    cell = _Cell(record, store, registry(plugin_dirs))
    cell.check()
    tensors = cell.encoder_tensors()
    head, head_tensors = cell.weak_head() if target is None else cell.linear_head(target)
    taxonomy = cell.taxonomy() if target is None else None
    material = cell.material()
    config = ModelConfig(
        experiment=record.experiment,
        cell=record.name,
        record_key=record.key,
        encoder=cell.encoder,
        frontend=cell.plugin.frontend,
        seed=cell.seed,
        head=head,
        piece_seconds=cell.embed.spec.params["piece_seconds"],
        taxonomy=taxonomy.name if taxonomy else None,
        taxonomy_hash=taxonomy.hash if taxonomy else None,
        licence=licence_of(material, cell.target_licence(target)),
        versions=record.versions,
    )
    _write(place, config, tensors | head_tensors, taxonomy, model_card(record, config, material))
    return place


@dataclass(frozen=True)
class _Cell:
    record: ResultRecord
    store: Store
    plugins: Registry

    def check(self) -> None:
        """Refuses a cell whose model cannot label single recordings."""
        name = self.record.name
        if self.record.external:
            raise SettingsError(
                f"'{name}' is external: its predictions were made elsewhere, so there is no model "
                "to export."
            )
        frontend = self.plugin.frontend
        if not frontend.needs_sound:
            raise SettingsError(
                f"The encoder of '{name}' reads no sound, and an exported model labels recordings. "
                "Export a cell with another encoder."
            )
        if frontend.normalise == "speaker":
            raise SettingsError(
                f"The encoder of '{name}' normalises its input within each speaker, and an "
                "exported model reads single recordings. Export a cell with `normalise: none`."
            )

    def artifact(self, place: str) -> Artifact:
        use = self.record.stages[place]
        try:
            return self.store.checked(use.key)
        except StoreError as error:
            raise StoreError(
                f"{error} Cell '{self.record.name}' needs it ({place}). Set --store to the store "
                "of the run that wrote the record, or run the experiment again."
            ) from None

    @property
    def embed(self) -> Artifact:
        return self.artifact(next(p for p in self.record.stages if p.startswith("embed ")))

    @property
    def encoder(self) -> Any:
        return self.embed.spec.plugins["encoder"]

    @property
    def plugin(self) -> Any:
        made = self.encoder
        plugin = self.plugins.create("encoder", made.name, made.options)
        current = plugin_identity(self.plugins, "encoder", made.name, plugin)
        if (made.version, made.weights) != (current.version, current.weights):
            raise StoreError(
                f"Encoder '{made.name}' has another version or other weights than in cell "
                f"'{self.record.name}'. Run the experiment again."
            )
        return plugin

    @property
    def seed(self) -> int:
        if "pretrain" in self.record.stages:
            return self.artifact("pretrain").spec.seed or 0
        return self.embed.spec.seed or 0

    def encoder_tensors(self) -> Tensors:
        """Weights of the encoder; none of a frozen extractor, whose plugin loads them."""
        if isinstance(self.plugin, FeatureExtractor):
            return {}
        if "pretrain" in self.record.stages:
            tensors = _read_tensors(self.artifact("pretrain").path / "model.safetensors")
        else:
            state = self.plugin.build(self.seed).state_dict()
            tensors = {name: tensor.detach().numpy() for name, tensor in state.items()}
        return {f"encoder.{name}": values for name, values in tensors.items()}

    def weak_head(self) -> tuple[HeadConfig, Tensors]:
        from ..stages.maps.sharding import MapResult

        if "pretrain" not in self.record.stages:
            names = ", ".join(result.dataset for result in self.record.datasets)
            raise SettingsError(
                f"Cell '{self.record.name}' was not pre-trained, so it has no head for weak "
                f"labels. Set --target to a labelled set to fit a head on ({names})."
            )
        trained = self.artifact("pretrain")
        report = TrainingReport.model_validate_json((trained.path / REPORT).read_bytes())
        last = MapResult(self.store, self.embed).array_names()[-1]
        head = HeadConfig(kind="weak", labels=report.labels, pooling=report.pooling, layer=last)
        tensors = _read_tensors(trained.path / "head.safetensors")
        own = {f"head.{name}": values for name, values in tensors.items()}
        return head, own | self._attention(report.pooling)

    def _attention(self, pooling: str) -> Tensors:
        """Weights of the attention that pre-training learned, if the pooling uses it."""
        if pooling != "attentive" or "pretrain" not in self.record.stages:
            return {}
        return _read_tensors(self.artifact("pretrain").path / ATTENTION)

    def linear_head(self, target: str) -> tuple[HeadConfig, Tensors]:
        from ..evaluation.head import fit_head
        from ..stages.embed.run import read_embeddings
        from ..stages.evaluate.run import design_of
        from ..stages.evaluate.spec import Params
        from ..stages.task import labelled_by

        number = self._target(target)
        evaluation = self.artifact(f"evaluate targets.{number}")
        spec = evaluation.spec
        if "embeddings" not in spec.parents:
            raise SettingsError(
                f"Cell '{self.record.name}' was fine-tuned on {target} in each fold, so there is "
                "no single model to export. Export a cell of evaluate.method linear."
            )
        params = Params.of(spec)
        if params.normalise == "speaker":
            raise SettingsError(
                f"Cell '{self.record.name}' was evaluated with evaluate.normalise=speaker, which "
                "needs all utterances of a speaker at once. A single recording cannot be scored."
            )
        table = read_utterances(self.store.checked(spec.parents["utterances"]))
        kept, data, labels = labelled_by(table, spec.params)
        embeddings = read_embeddings(self.store, spec.parents["embeddings"])
        chosen = embeddings if isinstance(params.layers, str) else params.layers
        layers = {name: values[kept] for name, values in embeddings.items() if name in chosen}
        if params.layers == "last":
            layers = dict([list(layers.items())[-1]])
        choosing = design_of(params, spec.seed or 0).choosing
        head = fit_head(layers, data.labels, data.speakers, data.n_labels, choosing)
        config = HeadConfig(
            kind="linear",
            labels=labels,
            pooling=self.embed.spec.params["pooling"],
            layer=head.layer,
            dataset=target,
        )
        names = ("centre", "scale", "weight", "bias")
        own = {f"head.{n}": np.ascontiguousarray(getattr(head, n)) for n in names}
        return config, own | self._attention(config.pooling)

    def _target(self, name: str) -> int:
        names = [result.dataset for result in self.record.datasets]
        if name not in names:
            raise SettingsError(
                f"Cell '{self.record.name}' has no target '{name}'.{did_you_mean(name, names)}"
            )
        return names.index(name)

    def taxonomy(self) -> Taxonomy:
        """The taxonomy of the weak labels, with its prose if its file has not changed."""
        place = next(p for p in self.record.stages if p.startswith("label "))
        bare = Taxonomy.bare(self.artifact(place).spec.params["taxonomy"])
        if bare.name in self.plugins.names("taxonomy"):
            whole = find_taxonomy(self.plugins, bare.name)
            return whole if whole.hash == bare.hash else bare
        return bare

    def material(self) -> list[Material]:
        """Sources of the weights: frozen encoders, corpora, and the models that labelled them."""
        used = {place.partition(" ")[0]: p for place, p in self.record.plugins.items() if p.weights}
        frozen = used.get("features")
        sources = [] if frozen is None else [self._part("encoder", frozen.name)]
        if "pretrain" not in self.record.stages:
            made = self.encoder
            own = made.weights and frozen is None
            return [self._part("encoder", made.name)] if own else sources
        for place in self.record.stages:
            if place.startswith("manifest corpora."):
                summary = read_summary(self.artifact(place))
                card = summary.get("card", {})
                title = card.get("title") or summary["dataset"]
                sources.append(Material("corpus", title, card.get("licence", "")))
        for role in ("asr", "labeler"):
            names = {p.name for p in self.record.plugins.values() if p.kind == role}
            sources += [self._part(role, name) for name in sorted(names)]
        return list(dict.fromkeys(sources))

    def _part(self, kind: str, name: str) -> Material:
        """A plugin with its licence, from the record or, for older records, from the plugin."""
        for place, about in self.record.about.items():
            identity = self.record.plugins.get(place)
            if identity and (identity.kind, identity.name) == (kind, name) and about.licence:
                return Material(kind, name, about.licence)
        known = name in self.plugins.names(kind)
        licence = self.plugins.plugin_class(kind, name).licence if known else ""
        return Material(kind, name, licence)

    def target_licence(self, target: str | None) -> Material | None:
        if target is None:
            return None
        result = self.record.datasets[self._target(target)]
        return Material("target", result.title or result.dataset, result.licence)


def _read_tensors(file: Path) -> Tensors:
    from safetensors.numpy import load_file

    return load_file(file)


def _write(
    place: Path, config: ModelConfig, tensors: Tensors, taxonomy: Taxonomy | None, card: str
) -> None:
    """Writes the folder atomically."""
    from safetensors.numpy import save_file

    draft = place.with_name(f".{place.name}-{secrets.token_hex(4)}")
    try:
        draft.mkdir(parents=True)
        arrays = {name: np.ascontiguousarray(values) for name, values in tensors.items()}
        save_file(arrays, draft / WEIGHTS, metadata={"format": "pt"})
        (draft / CONFIG).write_text(config.model_dump_json(indent=1) + "\n", encoding="utf-8")
        (draft / CARD).write_text(card, encoding="utf-8")
        if taxonomy is not None:
            (draft / TAXONOMY).write_text(_taxonomy_file(taxonomy), encoding="utf-8")
        for path in draft.iterdir():
            path.chmod(0o644)  # safetensors files are readable only by their owner
            sync(path)
        if place.exists():
            shutil.rmtree(place)
        draft.rename(place)
        sync(place.parent)
    except OSError as error:
        raise DataError(f"The model cannot be written to {place}: {error.strerror}.") from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _taxonomy_file(taxonomy: Taxonomy) -> str:
    unused = {"neutral_rule"} if taxonomy.neutral is not None else {"neutral"}
    exclude = unused if taxonomy.languages else {*unused, "languages"}
    return write_yaml(taxonomy.model_dump(mode="json", exclude=exclude, exclude_none=True))
