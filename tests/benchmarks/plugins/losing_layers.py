"""An encoder that can lose layers: Whisper's, of which only the first ones may be kept."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from lanser_bench import FeatureExtractor, Layers, PluginOptions, Waveform, create_plugin, hookimpl


class LosingOptions(PluginOptions):
    """Options of `losing-layers`."""

    kept: int = 5
    """Number of layers from the convolutions' output on; Whisper tiny has five."""


class LosingLayers(FeatureExtractor[LosingOptions]):
    """The first layers of `whisper-encoder`."""

    Options = LosingOptions
    version = "1"
    libraries = ("torch", "transformers")

    def extract(self, batch: Sequence[Waveform]) -> list[Layers]:
        """The kept layers of each clip."""
        return [layers[: self.options.kept] for layers in self._encoder.extract(batch)]

    @cached_property
    def _encoder(self) -> Any:
        return create_plugin("encoder", "whisper-encoder", {})


@hookimpl
def register_encoders(register: Any) -> None:
    register("losing-layers", f"{__name__}:LosingLayers")
