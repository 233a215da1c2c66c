"""An encoder that holds pitch and little else: what a probe must find in full."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from lanser_bench import (
    FeatureExtractor,
    Layers,
    PluginOptions,
    Speech,
    Waveform,
    create_plugin,
    hookimpl,
)

PITCH = ("f0_mean_st", "f0_sd_st", "f0_range_st")


class PitchContour(FeatureExtractor[PluginOptions]):
    """Mean, deviation and range of F0 in semitones, measured on the sound."""

    version = "1"
    libraries = ("numpy", "scipy")

    def extract(self, batch: Sequence[Waveform]) -> list[Layers]:
        """One layer of one frame; an unvoiced clip is all zeros."""
        columns = [self._probe.targets.index(name) for name in PITCH]
        values = self._probe.measure([Speech(samples) for samples in batch])[:, columns]
        return [[row[None]] for row in np.nan_to_num(values).astype(np.float32)]

    @cached_property
    def _probe(self) -> Any:
        return create_plugin("probe", "prosody", {})


@hookimpl
def register_encoders(register: Any) -> None:
    register("pitch-contour", f"{__name__}:PitchContour")
