"""`cnn`: a small plain network on log-mel, fast enough for trials and continuous integration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from ._frontend import LogMelEncoder, LogMelOptions

if TYPE_CHECKING:
    import torch


class Options(LogMelOptions):
    """Options of `cnn`."""

    channels: tuple[int, ...] = Field(default=(64, 64, 128), min_length=1)
    """Width of each block; every block halves the number of frames."""


class CNN(LogMelEncoder[Options]):
    """Convolutions over time (kernel 5, stride 2), LayerNorm per frame, ReLU; layers are blocks."""

    Options = Options
    version = "1"
    libraries = ("torch",)

    def describe(self) -> dict[str, Any]:
        """Returns the widths."""
        return {"channels": list(self.options.channels)}

    def _module(self) -> torch.nn.Module:
        from ._cnn import TemporalCNN

        options = self.options
        return TemporalCNN(
            options.n_mels, options.channels, options.centre, options.scale, self.added
        )
