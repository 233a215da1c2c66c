"""Targets from the manifest: the settings planted in the `synthetic` corpus."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from lanser_bench import PluginOptions, Probe, Speech


class PlantedOptions(PluginOptions):
    """Options of `planted`."""

    names: tuple[str, ...] = Field(
        default=("planted_pitch", "planted_range", "planted_rate", "planted_volume"), min_length=1
    )
    """Extras of the manifest to predict, by default those of `synthetic`; each must be a number."""


class Planted(Probe[PlantedOptions]):
    """Takes its targets from the manifest's extras and measures nothing.

    The true values are known exactly, so this probe checks probing itself.
    """

    Options = PlantedOptions
    version = "1"
    reads = frozenset({"extras"})

    def __init__(self, options: PlantedOptions) -> None:
        super().__init__(options)
        self.targets = options.names

    def measure(self, batch: Sequence[Speech]) -> npt.NDArray[np.float64]:
        """Returns the extras, shape (utterances, names); NaN if one is missing or not a number."""
        rows = [[_number(speech.extras.get(name)) for name in self.targets] for speech in batch]
        return np.array(rows, np.float64).reshape(len(batch), len(self.targets))


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else math.nan
