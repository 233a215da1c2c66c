"""Removes one cue of prosody from a recording with a vocoder.

WORLD (Morise, Yokomori & Ozawa 2016, IEICE Trans. E99-D(7)) splits speech into F0, spectral
envelope and aperiodicity and resynthesises it. The control is the same voice with its own F0, so
that damage by the vocoder does not count as the effect of a cue.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
import numpy.typing as npt

from ..errors import MissingDependencyError
from ..kinds.speech import SAMPLE_RATE, Waveform

Floats = npt.NDArray[np.float64]
Cue = Literal["none", "f0", "energy"]
"""``none``: resynthesised only; ``f0``: all voiced frames at the mean F0, in semitones, of the
clearly voiced ones; ``energy``: all speech at the utterance's mean level, in dB. The means change
by at most 0.1 semitones and 1.2 dB (`tests/benchmarks/flattened_means.py`)."""
LIBRARY = "pyworld-prebuilt"
WAYS: Mapping[Cue, Mapping[str, str]] = {"f0": {"f0": "2"}, "energy": {"levelling": "2"}}
"""Version of the flattening of each cue, for the keys; raise it when its samples change."""

_SHORTEST = SAMPLE_RATE // 10
"""WORLD's windows span several periods of the lowest F0."""
_WINDOW = SAMPLE_RATE // 40
"""25 ms: two periods of 80 Hz, so that the level does not vary within a period."""
_ACTIVE_DB = 30.0
"""Samples within so many dB of the loud ones (95th percentile) are speech; pauses stay silent."""
_PERIODIC = 0.8
"""Correlation of a clearly voiced frame with itself a period later. WORLD also gives an F0 to edges
and creak, which are low and hardly perceived as pitch: the mean over all frames would be more than
a semitone below the perceived pitch."""
_COMPARED = 512
"""32 ms, as pitch trackers compare: two periods of 62 Hz."""


def require_vocoder() -> None:
    """Raises `MissingDependencyError` unless the vocoder is installed; loads nothing."""
    from importlib.util import find_spec

    if find_spec("pyworld") is None:
        raise MissingDependencyError(
            "Flattening needs the vocoder WORLD, which is not installed. "
            "Run: pip install 'lanser-bench[flatten]'"
        )


def resynthesise(waveform: Waveform, cue: Cue) -> Waveform:
    """Returns a recording, samples of shape (samples,) at 16 kHz, without a cue; of equal length.

    Raises:
        MissingDependencyError: the vocoder is not installed.
    """
    require_vocoder()
    import pyworld

    samples = np.pad(waveform.astype(np.float64), (0, max(0, _SHORTEST - len(waveform))))
    coarse, times = pyworld.dio(samples, SAMPLE_RATE)
    f0 = pyworld.stonemask(samples, coarse, times, SAMPLE_RATE)
    envelope = pyworld.cheaptrick(samples, f0, times, SAMPLE_RATE)
    noise = pyworld.d4c(samples, f0, times, SAMPLE_RATE)
    voiced = f0 > 0
    if cue == "f0" and voiced.any():
        clear = voiced & (_periodicity(samples, f0, times) >= _PERIODIC)
        counted = f0[clear if clear.any() else voiced]
        f0 = np.where(voiced, np.exp(np.log(counted).mean()), 0.0)
    made = pyworld.synthesize(f0, envelope, noise, SAMPLE_RATE)
    sound = np.pad(made, (0, max(0, len(waveform) - len(made))))[: len(waveform)]
    return np.asarray(levelled(sound) if cue == "energy" else sound, np.float32)


def _periodicity(samples: Floats, f0: Floats, times: Floats) -> Floats:
    """Returns the correlation of each frame with itself a period later, shape (frames,).

    It is 0 where F0 is 0. Only frequencies below 1 kHz count: higher harmonics are noisier and
    suffer from the rounding of the period.
    """
    from scipy.signal import butter, sosfiltfilt

    low = sosfiltfilt(butter(4, 1000, fs=SAMPLE_RATE, output="sos"), samples)
    rows = np.flatnonzero(f0 > 0)
    lag = np.round(SAMPLE_RATE / f0[rows]).astype(np.int64)
    begin = np.round(times[rows] * SAMPLE_RATE).astype(np.int64) - (_COMPARED + lag) // 2
    reach = _COMPARED + int(lag.max(initial=0))
    at = begin[:, None] + reach + np.arange(_COMPARED)
    padded = np.pad(low, reach)
    here, later = padded[at], padded[at + lag[:, None]]
    energy = np.square(here).sum(1) * np.square(later).sum(1)
    periodicity = np.zeros(len(f0))
    periodicity[rows] = (here * later).sum(1) / np.sqrt(np.maximum(energy, 1e-24))
    return periodicity


def levelled(samples: Floats) -> Floats:
    """Brings all speech of an utterance to its mean level; pauses do not change.

    Raising pauses would also raise the noise of the room, and a classifier that reacts to noise
    would seem to use the energy.
    """
    from scipy.ndimage import uniform_filter1d

    power = uniform_filter1d(np.square(samples), _WINDOW, mode="nearest")
    level = 10 * np.log10(np.maximum(power, 1e-12))
    speech = level >= np.percentile(level, 95) - _ACTIVE_DB
    gain = np.where(speech, level[speech].mean() - level, 0.0)
    return np.asarray(samples * 10 ** (uniform_filter1d(gain, _WINDOW, mode="nearest") / 20))
