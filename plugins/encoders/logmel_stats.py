"""`logmel-stats`: fixed statistics of log-mel, a control that every encoder should beat.

The idea, functionals of low-level descriptors, comes from openSMILE (Eyben et al., ACM Multimedia
2010). Pre-training deserves no credit for anything that a linear model can read from these.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from lanser_bench import FeatureExtractor, Frontend, Layers, PluginOptions, Waveform

from ._frontend import log_mel


class Options(PluginOptions):
    """Options of `logmel-stats`."""

    n_mels: int = Field(default=64, ge=8, le=256)
    percentiles: tuple[float, ...] = (5.0, 50.0, 95.0)
    """Percentiles over time of every mel bin."""
    deltas: bool = True
    """Adds the mean absolute value and the standard deviation of the change between frames."""


class LogMelStats(FeatureExtractor[Options]):
    """Mean, deviation, percentiles and changes of each mel bin, as one layer of one frame."""

    Options = Options
    version = "1"
    libraries = ("numpy",)

    @property
    def frontend(self) -> Frontend:
        """The log-mel of all built-in encoders."""
        return log_mel(self.options.n_mels)

    def extract(self, batch: Sequence[Waveform]) -> list[Layers]:
        """Returns one layer of shape (1, dim) per utterance, dim = n_mels × statistics."""
        return [[self._statistics(frames)[None]] for frames in batch]

    def _statistics(self, frames: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        values = np.asarray(frames, np.float64)
        parts = [values.mean(0), values.std(0)]
        parts += list(np.percentile(values, self.options.percentiles, axis=0))
        if self.options.deltas:
            # With a single frame there is no change.
            change = np.diff(values, axis=0) if len(values) > 1 else np.zeros_like(values)
            parts += [np.abs(change).mean(0), change.std(0)]
        return np.concatenate(parts).astype(np.float32)

    def describe(self) -> dict[str, Any]:
        """Returns the number of values per utterance."""
        per_bin = 2 + len(self.options.percentiles) + 2 * self.options.deltas
        return {"dim": self.options.n_mels * per_bin}
