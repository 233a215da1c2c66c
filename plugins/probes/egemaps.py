"""eGeMAPS by openSMILE as targets: 88 functionals that the field knows by name.

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
    "F0semitoneFrom27.5Hz_sma3nz_amean",
    "F0semitoneFrom27.5Hz_sma3nz_stddevNorm",
    "F0semitoneFrom27.5Hz_sma3nz_pctlrange0-2",
    "loudness_sma3_amean",
    "loudness_sma3_stddevNorm",
    "loudness_sma3_pctlrange0-2",
    "spectralFlux_sma3_amean",
    "mfcc1_sma3_amean",
    "mfcc2_sma3_amean",
    "mfcc3_sma3_amean",
    "mfcc4_sma3_amean",
    "jitterLocal_sma3nz_amean",
    "shimmerLocaldB_sma3nz_amean",
    "HNRdBACF_sma3nz_amean",
    "logRelF0-H1-H2_sma3nz_amean",
    "logRelF0-H1-A3_sma3nz_amean",
    "F1frequency_sma3nz_amean",
    "F2frequency_sma3nz_amean",
    "F3frequency_sma3nz_amean",
    "alphaRatioV_sma3nz_amean",
    "hammarbergIndexV_sma3nz_amean",
    "slopeV0-500_sma3nz_amean",
    "slopeV500-1500_sma3nz_amean",
    "loudnessPeaksPerSec",
    "VoicedSegmentsPerSec",
)


class EGeMAPSOptions(PluginOptions):
    """Options of `egemaps`."""

    names: tuple[str, ...] = Field(default=DEFAULT, min_length=1)
    """Functionals of eGeMAPSv02 to predict, by openSMILE's names; by default 25 of the 88: means,
    and spread and range of pitch and loudness."""


class EGeMAPSTargets(Probe[EGeMAPSOptions]):
    """Functionals of eGeMAPSv02 as openSMILE gives them: 0 where a clip has no voice."""

    Options = EGeMAPSOptions
    version = "1"
    libraries = ("opensmile", "numpy")
    licence = LICENCE

    def __init__(self, options: EGeMAPSOptions) -> None:
        """Names the targets after the functionals."""
        super().__init__(options)
        self.targets = options.names

    def measure(self, batch: Sequence[Speech]) -> npt.NDArray[np.float64]:
        """Returns the functionals, shape (utterances, names).

        Raises:
            MissingDependencyError: openSMILE is not installed.
            SettingsError: a name that is none of the set's.
        """
        unknown = [name for name in self.targets if name not in self._smile.feature_names]
        if unknown:
            raise SettingsError(
                f"The probe 'egemaps' knows no functional '{unknown[0]}'. Those of eGeMAPSv02 are: "
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
