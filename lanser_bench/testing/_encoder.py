"""Tests of the contract of an encoder."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from ..errors import PluginError
from ..kinds.encoder import FeatureExtractor, TrainableEncoder
from ..plugins.discovery import registry
from ..stages.features import pad
from ..stages.frontends import frames_encoder, outputs
from ._batches import BatchSuite, difference

TEXTS = ("Well.", "I did not expect that.", "We won, and everybody was there to see it.")
MASK_REMEDY = (
    "Mask what is past the true length before every layer that mixes frames: set it to zero before "
    "convolutions, pack the input of recurrent layers, and give attention a mask."
)


class EncoderSuite(BatchSuite):
    """Inherit and write `make`; for feature extractors and trainable encoders."""

    anchor: ClassVar[str] = "docs/plugins/encoder.md#rules"
    lengths: ClassVar[tuple[float, ...]] = (0.5, 0.8, 1.2, 0.8)
    """Seconds of the inputs; some shorter than others, some equal."""
    tolerance: ClassVar[float] = 1e-4

    def items(self) -> list[Any]:
        """Returns random waveforms, frames or sentences, as the front end requires."""
        if not self.plugin.frontend.needs_sound:
            return list(TEXTS)
        return self.kept("items", lambda: self._sounds(self.lengths))

    def alike(self) -> list[Any] | None:
        """Returns inputs of the same length."""
        if not self.plugin.frontend.needs_sound:
            return None
        return self.kept("alike", lambda: self._sounds((0.4, 0.4, 0.4)))

    def _sounds(self, seconds: Sequence[float], level: float = 0.1) -> list[Any]:
        """Returns what the front end makes of noise."""
        frontend, random = self.plugin.frontend, np.random.default_rng(len(seconds))
        if frontend.kind in ("waveform", "frames"):
            sizes = [int(s * frontend.sample_rate) for s in seconds]
            noise = [random.standard_normal(size).astype(np.float32) for size in sizes]
            # Of different loudness, so that a mean over the batch is far from each.
            sound = [np.float32(level * (3, 0.5, 2)[i % 3]) * row for i, row in enumerate(noise)]
            rows = outputs(frontend, sound, frames_encoder(frontend, registry()))
            return [row.astype(np.float32) for row in rows]
        shapes = [(int(s / frontend.hop_s), frontend.n_mels) for s in seconds]
        floor = np.float32(0.0 if level else frontend.floor_db)
        return [floor + random.standard_normal(s).astype(np.float32) * bool(level) for s in shapes]

    def run(self, plugin: Any, items: Sequence[Any]) -> list[list[npt.NDArray[Any]]]:
        """Returns the layers of each input, each of shape (frames, dim)."""
        if isinstance(plugin, FeatureExtractor):
            rows: Any = plugin.extract(list(items))
        else:
            rows = self._forward(plugin, items)
        arrays = isinstance(rows, list) and all(isinstance(row, list) and row for row in rows)
        self.require(
            arrays and len(rows) == len(items),
            f"{len(items)} inputs gave {len(rows) if arrays else type(rows).__name__} results.",
            "Return a list with, for each input, the list of its layers; at least one.",
        )
        shapes = [[np.shape(layer) for layer in row] for row in rows]
        self.require(
            all(len(shape) == 2 and min(shape) > 0 for row in shapes for shape in row)
            and len({tuple(shape[1] for shape in row) for row in shapes}) == 1,
            f"The layers have the shapes {shapes}.",
            "Give every input equally many layers of shape (frames, dim), with at least one frame "
            "and always the same dim.",
        )
        layers = [np.asarray(layer) for row in rows for layer in row]
        kinds = {str(layer.dtype) for layer in layers} - {"float32"}
        self.require(not kinds, f"Layers are {', '.join(kinds)}.", "Return float32.")
        self.require(
            all(np.isfinite(layer).all() for layer in layers),
            "Layers contain NaN or infinity.",
            "Keep logarithms, divisions and roots away from zero, as for silence.",
        )
        return [list(row) for row in rows]

    def _module(self, plugin: TrainableEncoder[Any], seed: int = 0) -> Any:
        """A module that is built once per plugin and seed."""
        modules = self.kept("modules", dict)
        key = id(plugin), seed
        if key not in modules:
            modules[key] = plugin, plugin.build(seed)
        return modules[key][1]

    def _forward(self, plugin: TrainableEncoder[Any], items: Sequence[Any]) -> Any:
        import torch

        from ..stages.network import check_layers

        padded, lengths = pad(items)
        with torch.inference_mode():
            layers = self._module(plugin).eval()(
                torch.from_numpy(padded), torch.from_numpy(lengths)
            )
        try:
            check_layers(layers, len(items), type(plugin).__name__)
        except PluginError as error:
            self.require(False, str(error), "Return a pair of values and true lengths per layer.")
        over = [(v.shape[1], n.tolist()) for v, n in layers if n.max() > v.shape[1] or n.min() < 1]
        self.require(
            not over,
            f"A layer has {over[:1]} (frames, true lengths).",
            "Divide the true lengths as the layers do; at least 1, at most the layer's frames.",
        )
        return [[v[i, : int(n[i])].numpy() for v, n in layers] for i in range(len(items))]

    def test_padding_changes_nothing(self) -> None:
        """Every input has the same values, at every frame, alone and beside longer inputs."""
        items = self.items()
        alone = [self.run(self.plugin, [deepcopy(item)])[0] for item in items]
        self._same("Alone instead of padded", self._first(), alone, MASK_REMEDY)

    def test_inputs_are_told_apart(self) -> None:
        """Different inputs have different embeddings."""
        means = [np.concatenate([layer.mean(0) for layer in row]) for row in self._first()]
        self.require(
            not all(np.array_equal(means[0], mean) for mean in means),
            "All inputs have the same embedding.",
            "Compute the layers from the input.",
        )

    def test_silence_and_shortness_survive(self) -> None:
        """Silence and an input of 0.1 s give finite values."""
        if self.plugin.frontend.needs_sound:
            self.run(self.plugin, self._sounds((0.5, 0.1), level=0.0))

    def test_seeds_draw_the_weights(self) -> None:
        """`build` draws the weights from its seed, and published weights need no seed."""
        if not isinstance(self.plugin, TrainableEncoder) or self.plugin.fingerprint():
            return
        first, second = (
            [weight.detach().numpy() for weight in self.plugin.build(seed).parameters()]
            for seed in (0, 1)
        )
        self.require(
            not first or difference(first, second),
            "Builds with the seeds 0 and 1 have the same weights.",
            "Draw the weights inside `torch.random.fork_rng()` after `torch.manual_seed(seed)`.",
        )

    def test_it_can_be_trained(self) -> None:
        """A trainable encoder passes finite gradients to its weights."""
        if not isinstance(self.plugin, TrainableEncoder):
            return
        import torch

        module = self.plugin.build(0).train()
        padded, lengths = pad(self.items())
        values, _ = module(torch.from_numpy(padded), torch.from_numpy(lengths))[-1]
        weights = [weight for weight in module.parameters() if weight.requires_grad]
        if values.requires_grad:
            values.square().mean().backward()
        slopes = [weight.grad for weight in weights if weight.grad is not None]
        self.require(
            any(s.any() for s in slopes) and all(torch.isfinite(s).all() for s in slopes),
            f"{len(weights)} weights can be trained, {len(slopes)} get a gradient.",
            "Remove `no_grad` and `detach`, avoid roots and divisions by zero; or make it a "
            "FeatureExtractor.",
        )
