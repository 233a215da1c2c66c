"""`cnn`: a small plain network on log-mel, quick enough for trials and continuous integration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from lanser_bench import Frontend, PluginOptions, TrainableEncoder

from ._frontend import CENTRE, SCALE, log_mel

if TYPE_CHECKING:
    import torch


class Options(PluginOptions):
    """Options of `cnn`."""

    channels: tuple[int, ...] = Field(default=(64, 64, 128), min_length=1)
    """Width of each block; every block halves the number of frames."""
    n_mels: int = Field(default=64, ge=8, le=256)
    centre: float = CENTRE
    """Subtracted from log-mel: about its mean over read speech."""
    scale: float = Field(default=SCALE, gt=0)
    """Divided by: about the standard deviation of log-mel over read speech."""


class CNN(TrainableEncoder[Options]):
    """Convolutions over time (kernel 5, stride 2), LayerNorm per frame, ReLU; layers are blocks."""

    Options = Options
    version = "1"
    libraries = ("torch",)

    @property
    def frontend(self) -> Frontend:
        """The log-mel of all built-in encoders."""
        return log_mel(self.options.n_mels)

    def build(self, seed: int) -> torch.nn.Module:
        """Returns the module with weights drawn from `seed`."""
        import torch

        from ._cnn import TemporalCNN

        options = self.options
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return TemporalCNN(options.n_mels, options.channels, options.centre, options.scale)

    def describe(self) -> dict[str, Any]:
        """Returns the widths."""
        return {"channels": list(self.options.channels)}
