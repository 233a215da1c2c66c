"""The log-mel that the built-in encoders share, so that its features are computed only once."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from pydantic import Field

from lanser_bench import (
    Frontend,
    PluginOptions,
    TrainableEncoder,
    create_plugin,
    member_identity,
)

if TYPE_CHECKING:
    import torch

PROSODY = "logmel-prosody"
CENTRE, SCALE = -15.0, 4.5
"""Approximate mean and standard deviation of `log_mel` over LibriSpeech."""


def log_mel(n_mels: int) -> Frontend:
    """Returns the front end: 25 ms windows every 10 ms, down to -100 dB.

    At the usual -80 dB three fifths of the bins of quiet studio speech (RAVDESS) are at the floor;
    the rounding noise of 16-bit files begins at -100 dB.
    """
    return Frontend(n_mels=n_mels, floor_db=-100.0)


class LogMelOptions(PluginOptions):
    """Options of trainable encoders on log-mel."""

    n_mels: int = Field(default=64, ge=8, le=256)
    centre: float = CENTRE
    """Subtracted from log-mel: approximately its mean over read speech."""
    scale: float = Field(default=SCALE, gt=0)
    """Divisor: approximately the standard deviation of log-mel over read speech."""
    prosody: bool = False
    """Adds the voicing, F0 and level of each frame (`logmel-prosody`) to the input."""


Options = TypeVar("Options", bound=LogMelOptions)


class LogMelEncoder(TrainableEncoder[Options]):
    """A trainable encoder on the shared log-mel, or on log-mel and prosody."""

    @property
    def frontend(self) -> Frontend:
        """The log-mel of all built-in encoders, or the frames of `logmel-prosody`."""
        mels = self.options.n_mels
        if not self.options.prosody:
            return log_mel(mels)
        return Frontend(kind="frames", encoder=PROSODY, options={"n_mels": mels}, hop_s=0.010)

    @property
    def added(self) -> int:
        """Values of a frame beside log-mel."""
        return 3 if self.options.prosody else 0

    def fingerprint(self) -> str:
        """Identity of `logmel-prosody`; empty without it."""
        if not self.options.prosody:
            return ""
        member = create_plugin("encoder", PROSODY, {"n_mels": self.options.n_mels})
        return member_identity("encoder", PROSODY, member)

    def build(self, seed: int) -> torch.nn.Module:
        """Returns the module with weights drawn from `seed`."""
        import torch

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return self._module()

    def _module(self) -> torch.nn.Module:
        """A module with weights from the current random state."""
        raise NotImplementedError
