"""eGeMAPS by openSMILE as targets: 88 functionals that are standard in the field.

Eyben et al., The Geneva Minimalistic Acoustic Parameter Set (IEEE TAC 2016).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from lanser_bench import PluginOptions, Probe, SettingsError, Speech

from .._opensmile import LICENCE, functionals, load_smile

DEFAULT = (
    *(f"F0semitoneFrom27.5Hz_sma3nz_{kind}" for kind in ("amean", "stddevNorm", "pctlrange0-2")),
    *(f"loudness_sma3_{kind}" for kind in ("amean", "stddevNorm", "pctlrange0-2")),
    "spectralFlux_sma3_amean",
    *(f"mfcc{number}_sma3_amean" for number in range(1, 5)),
    *("jitterLocal_sma3nz_amean", "shimmerLocaldB_sma3nz_amean", "HNRdBACF_sma3nz_amean"),
    *("logRelF0-H1-H2_sma3nz_amean", "logRelF0-H1-A3_sma3nz_amean"),
    *(f"F{number}frequency_sma3nz_amean" for number in range(1, 4)),
    *("alphaRatioV_sma3nz_amean", "hammarbergIndexV_sma3nz_amean"),
    *("slopeV0-500_sma3nz_amean", "slopeV500-1500_sma3nz_amean"),
    *("loudnessPeaksPerSec", "VoicedSegmentsPerSec"),
)


class EGeMAPSOptions(PluginOptions):
    """Options of `egemaps`."""

    names: tuple[str, ...] = Field(default=DEFAULT, min_length=1)
    """Functionals of eGeMAPSv02 to predict, by openSMILE's names. By default 25 of the 88: means,
    and spread and range of pitch and loudness."""


class EGeMAPSTargets(Probe[EGeMAPSOptions]):
    """Functionals of eGeMAPSv02 by openSMILE; 0 if a clip is unvoiced."""

    Options = EGeMAPSOptions
    version = "1"
    libraries = ("opensmile", "numpy")
    licence = LICENCE

    def __init__(self, options: EGeMAPSOptions) -> None:
        super().__init__(options)
        self.targets = options.names

    def measure(self, batch: Sequence[Speech]) -> npt.NDArray[np.float64]:
        """Returns the functionals, shape (utterances, names)."""
        unknown = [name for name in self.targets if name not in self._smile.feature_names]
        if unknown:
            raise SettingsError(
                f"The probe 'egemaps' has no functional '{unknown[0]}'. Those of eGeMAPSv02 are: "
                f"{', '.join(self._smile.feature_names)}."
            )
        rows = [
            functionals(self._smile, speech.samples)[list(self.targets)].to_numpy(np.float64)[0]
            for speech in batch
        ]
        return np.array(rows, np.float64).reshape(len(batch), len(self.targets))

    @cached_property
    def _smile(self) -> Any:
        return load_smile("eGeMAPSv02", "The probe 'egemaps'")
