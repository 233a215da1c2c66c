"""Tests of the contract of an encoder."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from ..kinds.encoder import FeatureExtractor, TrainableEncoder
from ..plugins.discovery import registry
from ..stages.frontends import frames_encoder, outputs
from ._base import PluginSuite
from ._process import seeded


class EncoderSuite(PluginSuite):
    """Inherit and write `make`; for feature extractors and trainable encoders."""

    lengths: ClassVar[tuple[float, ...]] = (0.5, 1.0, 1.7)
    """Seconds of the inputs."""
    tolerance: ClassVar[float] = 1e-4
    """Largest difference that other inputs in the batch may cause."""

    def inputs(self) -> list[Any]:
        """Returns random waveforms, frames or sentences, as the front end requires."""
        frontend = self.plugin.frontend
        if not frontend.needs_sound:
            return ["Well.", "I did not expect that.", "We won, and everybody was there to see it."]
        random = np.random.default_rng(0)
        if frontend.kind in ("waveform", "frames"):
            sizes = [(int(s * frontend.sample_rate),) for s in self.lengths]
            sound = [(0.1 * random.standard_normal(size)).astype(np.float32) for size in sizes]
            rows = outputs(frontend, sound, frames_encoder(frontend, registry()))
            return [row.astype(np.float32) for row in rows]
        shapes = [(int(s / frontend.hop_s), frontend.n_mels) for s in self.lengths]
        return [random.standard_normal(shape).astype(np.float32) for shape in shapes]

    def use(self, plugin: Any) -> list[list[npt.NDArray[Any]]]:
        """Encodes the inputs."""
        if isinstance(plugin, FeatureExtractor):
            return [list(layers) for layers in plugin.extract(self.inputs())]
        return _forward(plugin, self.inputs())

    def encode(self, batch: list[Any]) -> list[list[npt.NDArray[Any]]]:
        """Returns the layers of each input, each of shape (frames, dim)."""
        if isinstance(self.plugin, FeatureExtractor):
            return [list(layers) for layers in self.plugin.extract(batch)]
        return _forward(self.plugin, batch)

    def test_layers_are_finite_and_of_equal_width(self) -> None:
        """All inputs have the same number of layers, of the same widths."""
        encoded = self.encode(self.inputs())
        assert len(encoded) == len(self.lengths)
        widths = [[layer.shape[1] for layer in layers] for layers in encoded]
        assert widths[0]
        assert all(width == widths[0] for width in widths)
        for layer in (layer for layers in encoded for layer in layers):
            assert len(layer) > 0
            assert np.isfinite(layer).all()

    def test_it_is_deterministic(self) -> None:
        """Two encoders with the same options give the same values for the same input."""
        first = self.encode(self.inputs())
        again, _ = seeded(2, lambda: self.use(self.make()))
        for before, after in zip(first, again, strict=True):
            for one, other in zip(before, after, strict=True):
                np.testing.assert_array_equal(one, other)

    def test_company_changes_little(self) -> None:
        """The longest input, which needs no padding, is encoded alike alone and in a batch."""
        inputs = self.inputs()
        together, alone = self.encode(inputs)[-1], self.encode(inputs[-1:])[0]
        for one, other in zip(together, alone, strict=True):
            np.testing.assert_allclose(one, other, atol=self.tolerance)


def _forward(
    encoder: TrainableEncoder[Any], batch: list[npt.NDArray[np.float32]]
) -> list[list[npt.NDArray[Any]]]:
    import torch

    module = encoder.build(0).eval()
    longest = max(len(item) for item in batch)
    padded = np.stack(
        [np.pad(item, [(0, longest - len(item))] + [(0, 0)] * (item.ndim - 1)) for item in batch]
    )
    frames = torch.tensor([len(item) for item in batch])
    with torch.inference_mode():
        layers = module(torch.from_numpy(padded), frames)
    return [
        [values[row, : int(lengths[row])].numpy() for values, lengths in layers]
        for row in range(len(batch))
    ]
