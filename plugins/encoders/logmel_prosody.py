"""`logmel-prosody`: log-mel with the voicing, F0 and level of each frame beside it.

The input of `cnn` and `resnet` with ``prosody: true``; by itself a control whose means are pitch,
level and spectrum. F0 is by YIN, as in the probe `prosody`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from pydantic import Field

from lanser_bench import FeatureExtractor, Layers, PluginOptions, Waveform, logmel

from ..probes.prosody import HOP, Prosody, ProsodyOptions, frame_level
from ._frontend import log_mel

COLUMNS = 3
"""Beside log-mel: voiced (1 or 0), log F0 (0 if unvoiced) and level."""
F0_CENTRE, F0_SCALE = np.log(150.0), 0.4
"""Approximate mean and standard deviation of log F0 over speakers of both sexes."""
LEVEL_CENTRE, LEVEL_SCALE = -40.0, 15.0
"""Approximate mean and standard deviation of the level of frames of speech, in dB."""


class LogMelProsodyOptions(PluginOptions):
    """Options of `logmel-prosody`."""

    n_mels: int = Field(default=64, ge=8, le=256)


class LogMelProsody(FeatureExtractor[LogMelProsodyOptions]):
    """One layer with a frame every 10 ms, of n_mels + 3 values."""

    Options = LogMelProsodyOptions
    version = "1"
    libraries = ("numpy", "scipy")

    def extract(self, batch: Sequence[Waveform]) -> list[Layers]:
        """Returns one layer of shape (frames, n_mels + 3) per utterance."""
        return [[self._frames(samples)] for samples in batch]

    def _frames(self, samples: Waveform) -> npt.NDArray[np.float32]:
        mels = logmel(samples, log_mel(self.options.n_mels))
        if len(samples) < HOP:  # log-mel is padded to one frame too
            samples = np.pad(samples, (0, HOP - len(samples)))
        level = frame_level(samples)[: len(mels)]
        probe = Prosody(ProsodyOptions())
        lowest = max(np.percentile(level, 95) - probe.options.active_db, probe.options.silence_db)
        f0 = probe.f0(samples, level >= lowest)
        voiced = ~np.isnan(f0)
        columns = [
            voiced,
            np.where(voiced, (np.log(np.where(voiced, f0, 1.0)) - F0_CENTRE) / F0_SCALE, 0.0),
            (level - LEVEL_CENTRE) / LEVEL_SCALE,
        ]
        return np.concatenate([mels, np.stack(columns, 1)], axis=1).astype(np.float32)
