"""Voice quality by Praat: jitter, shimmer and the harmonics-to-noise ratio.

Boersma (1993), "Accurate short-term analysis of the fundamental frequency and the
harmonics-to-noise ratio of a sampled sound", Proc. Inst. Phonetic Sciences 17; Jadoul, Thompson &
de Boer (2018), "Introducing Parselmouth: A Python interface to Praat", J. Phonetics 71.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from lanser_bench import SAMPLE_RATE, PluginOptions, Probe, Speech

from .._optional import import_optional

PERIODS = (0.0, 0.0, 0.0001, 0.02, 1.3)
"""Praat's defaults: the whole clip; shortest and longest period in seconds, and the largest factor
between consecutive periods."""
AMPLITUDE = 1.6
"""Largest factor between amplitudes of consecutive periods, Praat's default."""


class VoiceQualityOptions(PluginOptions):
    """Options of `voice-quality`."""

    f_min: float = Field(default=75.0, ge=40, le=200)
    """Lowest F0, in hertz."""
    f_max: float = Field(default=600.0, ge=250, le=1500)
    """Highest F0, in hertz."""


class VoiceQuality(Probe[VoiceQualityOptions]):
    """Five targets per utterance, over its voiced parts, with Praat's default settings.

    ``jitter_local_pct``, ``jitter_rap_pct``: mean difference of consecutive periods (of a period
    and the mean of three), in percent of the mean period. ``shimmer_local_pct``,
    ``shimmer_apq3_pct``: the same of amplitudes. ``hnr_db``: harmonics-to-noise ratio by
    cross-correlation. They are NaN if there is no voice, or too little.
    """

    Options = VoiceQualityOptions
    version = "1"
    libraries = ("praat-parselmouth", "numpy")
    licence = "Praat and Parselmouth: GPL-3.0-or-later"
    targets = (
        *("jitter_local_pct", "jitter_rap_pct", "shimmer_local_pct", "shimmer_apq3_pct"),
        "hnr_db",
    )

    def measure(self, batch: Sequence[Speech]) -> npt.NDArray[np.float64]:
        """Returns the targets, shape (utterances, 5)."""
        rows = [self._measure(speech) for speech in batch]
        return np.array(rows, np.float64).reshape(len(batch), len(self.targets))

    def _measure(self, speech: Speech) -> list[float]:
        praat, o = self._praat, self.options
        # Praat's pitch analysis needs three periods of the lowest F0.
        if speech.seconds < 4 / o.f_min:
            return [np.nan] * len(self.targets)
        sound = praat.Sound(speech.samples.astype(np.float64), SAMPLE_RATE)
        call = praat.praat.call
        pulses = call(sound, "To PointProcess (periodic, cc)", o.f_min, o.f_max)
        if call(pulses, "Get number of points") < 4:
            return [np.nan] * len(self.targets)
        harmonicity = call(sound, "To Harmonicity (cc)", 0.01, o.f_min, 0.1, 1.0)
        jitter = (call(pulses, f"Get jitter ({kind})", *PERIODS) for kind in ("local", "rap"))
        shimmer = (
            call([sound, pulses], f"Get shimmer ({kind})", *PERIODS, AMPLITUDE)
            for kind in ("local", "apq3")
        )
        percent = [100 * float(value) for value in (*jitter, *shimmer)]
        return [*percent, float(call(harmonicity, "Get mean", 0, 0))]

    @cached_property
    def _praat(self) -> Any:
        need = "The probe 'voice-quality' needs Praat"
        install = "pip install 'lanser-bench[praat]'. Its licence is the GPL."
        import_optional("parselmouth.praat", need, install)
        return import_module("parselmouth")

    def describe(self) -> dict[str, Any]:
        """The licence of Praat and Parselmouth."""
        return {"licence": self.licence}
