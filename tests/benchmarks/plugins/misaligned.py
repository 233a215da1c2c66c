"""A probe that can be broken: `prosody`, whose values may lose their utterance."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from lanser_bench import PluginOptions, Probe, Speech, create_plugin, hookimpl


class MisalignedOptions(PluginOptions):
    """Options of `misaligned`."""

    broken: bool = False
    """Replaces every value by noise of the same spread."""


class Misaligned(Probe[MisalignedOptions]):
    """Mean F0, loudness and speaking rate, as `prosody` measures them."""

    Options = MisalignedOptions
    version = "1"
    libraries = ("numpy", "scipy")
    targets = ("f0_mean_st", "loudness_mean_db", "speaking_rate")

    def measure(self, batch: Sequence[Speech]) -> Any:
        """Values of the sound, or noise that depends on the sound alone."""
        columns = [self._probe.targets.index(name) for name in self.targets]
        values = self._probe.measure(batch)[:, columns]
        if self.options.broken:
            seeds = [zlib.crc32(speech.samples.tobytes()) for speech in batch]
            values = np.stack([np.random.default_rng(seed).standard_normal(3) for seed in seeds])
        return values

    @cached_property
    def _probe(self) -> Any:
        return create_plugin("probe", "prosody", {})


@hookimpl
def register_probes(register: Any) -> None:
    register("misaligned", f"{__name__}:Misaligned")
