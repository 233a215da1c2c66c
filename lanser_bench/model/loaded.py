"""An exported model: waveforms in, label scores out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..errors import DataError, PluginError, SettingsError
from ..kinds.encoder import FeatureExtractor
from ..kinds.speech import SAMPLE_RATE, Waveform
from ..paths import refuse_link, refuse_stream
from ..plugins.discovery import registry
from ..plugins.identity import check_installed, plugin_identity
from .config import CONFIG, TAXONOMY, WEIGHTS, ModelConfig, read_config

if TYPE_CHECKING:
    from ..kinds.segmenter import Segmenter
    from ..stages.embed.encoding import Encode
    from ..taxonomy import Taxonomy
    from .predict import Prediction

Array = npt.NDArray[np.float32]
LINEAR = ("centre", "scale", "weight", "bias")
"""Tensors of a linear head, in the order of `LinearHead`."""
BATCH_SECONDS = 60.0
"""Padded seconds that are encoded at a time; this bounds the memory."""

_UNFIT = (ArithmeticError, LookupError, OSError, RuntimeError, SettingsError, TypeError, ValueError)
"""Errors of the libraries if parts of a model do not fit together."""


@dataclass
class SERModel:
    """A speech-emotion model exported from a cell, as `load_model` returns it."""

    config: ModelConfig
    tensors: dict[str, Array]
    taxonomy: Taxonomy | None
    """Taxonomy of a weak head's labels; None for a linear head."""
    plugin: Any
    """The encoder."""
    device: str = "cpu"
    """Device of a trained encoder; a frozen one takes it as an option of the plugin."""
    frozen: Any = None
    """The encoder whose layers are the input of `plugin`, if there is one."""
    notes: list[str] = field(default_factory=list)
    """Differences from the export: library versions, the encoder's source."""

    @property
    def labels(self) -> list[str]:
        """Columns of the scores."""
        return self.config.head.labels

    def scores(self, waveforms: Sequence[Waveform]) -> Array:
        """Returns the probability of each label, shape (utterances, labels).

        Waveforms are mono float32 at 16 kHz, shape (samples,), at least one frame long.
        """
        values = self.logits(waveforms)
        values = np.exp(values - values.max(axis=1, keepdims=True))
        return np.asarray(values / values.sum(axis=1, keepdims=True), np.float32)

    def check(self) -> None:
        """Scores half a second of silence; raises errors of the libraries if parts do not fit."""
        scores = self.scores([np.zeros(SAMPLE_RATE // 2, np.float32)])
        if scores.shape != (1, len(self.labels)) or not np.isfinite(scores).all():
            raise ValueError("its scores are not one finite number per label")

    def logits(self, waveforms: Sequence[Waveform]) -> npt.NDArray[np.float64]:
        """Returns the head's values before the softmax, shape (utterances, labels)."""
        from ..evaluation.head import LinearHead

        vectors = self.embed(waveforms)[self.config.head.layer]
        part = {name[5:]: v for name, v in self.tensors.items() if name.startswith("head.")}
        if self.config.head.kind == "weak":
            return np.asarray(vectors @ part["weight"].T + part["bias"], np.float64)
        head = LinearHead(
            self.config.head.layer, 0.0, *(part[name].astype(np.float64) for name in LINEAR)
        )
        return np.asarray(head.logits(vectors), np.float64)

    def embed(self, waveforms: Sequence[Waveform]) -> dict[str, Array]:
        """Returns every layer's pooled embedding: name → shape (utterances, dim)."""
        from ..stages.embed.encoding import embed_rows
        from ..stages.embed.spec import Params

        params = Params(
            pooling=self.config.head.pooling,
            batch_seconds=BATCH_SECONDS,
            piece_seconds=self.config.piece_seconds,
        )
        rows, rate = self._inputs(waveforms)
        layers = embed_rows(rows, self._encode, params, rate)
        return {f"layer_{i:02d}": layer for i, layer in enumerate(layers)}

    def predict(
        self, path: str | Path, segmenter: Segmenter[Any] | str | None = None
    ) -> Prediction:
        """Labels a recording, in segments if it is long; memory does not grow with its length.

        Without a segmenter, recordings of more than 30 s are cut into windows of 10 s.

        Raises:
            DataError: the recording cannot be read.
        """
        from .predict import predict_file

        return predict_file(self, Path(path), segmenter)

    def _inputs(self, waveforms: Sequence[Waveform]) -> tuple[list[Array], float]:
        from ..stages.frontends import outputs

        frontend = self.config.frontend
        sound = [np.asarray(w, np.float32) for w in waveforms]
        if frontend.kind == "waveform":
            return sound, float(SAMPLE_RATE)
        rows = [row.astype(np.float32) for row in outputs(frontend, sound, self.frozen)]
        short = next((i for i, row in enumerate(rows) if not len(row)), None)
        if short is not None:
            raise DataError(
                f"Waveform {short} has {len(waveforms[short])} samples, too few for one frame."
            )
        return rows, 1.0 / frontend.hop_s

    @cached_property
    def _encode(self) -> Encode:
        from ..stages.embed.encoding import extractor_encode, module_encode

        name = self.config.encoder.name
        if isinstance(self.plugin, FeatureExtractor):
            return extractor_encode(self.plugin, name)
        import torch

        from ..devices import compute_device

        module = self.plugin.build(self.config.seed)
        tensors = {k: torch.from_numpy(np.array(v)) for k, v in self.tensors.items()}
        state = {k[8:]: v for k, v in tensors.items() if k.startswith("encoder.")}
        module.load_state_dict(state)
        attention = {k: v for k, v in tensors.items() if k.startswith("attention.")}
        return module_encode(module.to(compute_device(self.device)).eval(), name, attention or None)


def load_model(
    folder: str | Path, plugin_dirs: Iterable[Path] = (), *, device: str = "cpu"
) -> SERModel:
    """Loads a model that `lanser-bench export` wrote.

    Args:
        folder: the exported folder.
        plugin_dirs: folders of loose plugin files, if the encoder is one.
        device: ``cpu``, ``cuda``, ``mps`` or ``auto``.

    Raises:
        DataError: the folder is not an exported model, or a file of it is damaged.
        PluginError: its encoder is not installed, or is of another version or other weights.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    from ..stages.frontends import frames_encoder
    from ..taxonomy import load_taxonomy

    place = Path(folder)
    config = read_config(place)
    plugins = registry(plugin_dirs)
    check_installed(plugins, [config.encoder])
    try:
        plugin = plugins.create("encoder", config.encoder.name, config.encoder.options)
        notes = _compare(config, plugin_identity(plugins, "encoder", config.encoder.name, plugin))
        for file in (TAXONOMY, WEIGHTS):
            refuse_stream(place / file)
            refuse_link(place / file, place / CONFIG)
        taxonomy = load_taxonomy(place / TAXONOMY) if config.taxonomy else None
        if config.frontend.content() != plugin.frontend.content():
            raise ValueError("its front end is not that of its encoder")
        frozen = frames_encoder(plugin.frontend, plugins)
        tensors = load_file(place / WEIGHTS)
        model = SERModel(config, tensors, taxonomy, plugin, device, frozen, notes)
        model.check()
    except (SafetensorError, *_UNFIT) as error:
        why = " ".join(str(error).split())[:300].rstrip(".")
        raise DataError(f"The model {place} is damaged: {why}. Export it again.") from None
    return model


def _compare(config: ModelConfig, found: Any) -> list[str]:
    """Refuses another encoder; returns notes on changes that may affect the last digits."""
    made = config.encoder
    for part in ("version", "weights"):
        before, now = getattr(made, part), getattr(found, part)
        if before != now:
            release = config.versions.get("lanser-bench", "in the version of the export")
            raise PluginError(
                f"The model was exported with {part} '{before[:24]}' of encoder '{made.name}', but "
                f"'{now[:24]}' is installed. Install lanser-bench {release}, or export the cell "
                "again."
            )
    changed = made.source != found.source
    source = [f"The source of encoder '{made.name}' has changed since the export."] * changed
    return source + [
        f"{name} is {found.libraries.get(name)}, but the model was exported with {version}."
        for name, version in made.libraries.items()
        if found.libraries.get(name) != version
    ]
