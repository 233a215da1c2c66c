"""Prosody measured on the audio with numpy and scipy: pitch, level, speaking rate and pauses."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from pydantic import Field

from lanser_bench import SAMPLE_RATE, PluginOptions, Probe, Speech

from .pitch import track_f0

Floats = npt.NDArray[np.float64]

HOP = SAMPLE_RATE // 100
"""Frames every 10 ms."""
REFERENCE_HZ = 100.0
"""Reference of semitones."""
FLOOR_DB = -90.0
"""Level of digital silence."""


class ProsodyOptions(PluginOptions):
    """Options of `prosody`."""

    f_min: float = Field(default=62.5, ge=40, le=200)
    """Lowest F0, in hertz."""
    f_max: float = Field(default=600.0, ge=250, le=1500)
    """Highest F0, in hertz."""
    aperiodicity: float = Field(default=0.2, gt=0, lt=1)
    """A frame is voiced if its period explains all but this share of its energy (YIN)."""
    active_db: float = Field(default=30.0, gt=0)
    """Frames within this many dB of loud frames (95th percentile) are speech."""
    silence_db: float = -65.0
    """Frames below this level (RMS, dB relative to full scale) are not speech."""
    pause_s: float = Field(default=0.15, gt=0)
    """Shortest gap between speech frames that counts as a pause, in seconds."""
    dip_db: float = Field(default=2.0, gt=0)
    """Minimum height of a syllable's level peak above the dips next to it, in dB."""


class Prosody(Probe[ProsodyOptions]):
    """Eight targets per utterance.

    ``f0_mean_st``, ``f0_sd_st``: mean and standard deviation of F0 over voiced frames, in semitones
    re 100 Hz. ``f0_range_st``: its 5th to 95th percentile. ``loudness_mean_db``: mean level (RMS of
    10 ms steps in 20 ms windows, dB re full scale) of speech frames, and ``loudness_range_db`` its
    5th to 95th percentile: level approximates loudness, without a model of hearing.
    ``speaking_rate``: syllable nuclei per second from first to last speech frame, as voiced peaks
    of the level between dips (after de Jong & Wempe 2009, Behavior Research Methods 41(2)).
    ``pause_ratio``: share of pauses in that interval. ``duration_s``: duration of the utterance.

    The F0 of an unvoiced utterance is NaN, as is all but the duration of a silent one.
    """

    Options = ProsodyOptions
    version = "1"
    libraries = ("numpy", "scipy")
    targets = (
        *("f0_mean_st", "f0_sd_st", "f0_range_st", "loudness_mean_db", "loudness_range_db"),
        *("speaking_rate", "pause_ratio", "duration_s"),
    )

    def measure(self, batch: Sequence[Speech]) -> Floats:
        """Returns the targets, shape (utterances, 8)."""
        rows = [self._measure(speech) for speech in batch]
        return np.array(rows, np.float64).reshape(len(batch), len(self.targets))

    def _measure(self, speech: Speech) -> list[float]:
        nothing = [np.nan] * 7
        level = frame_level(speech.samples)
        if not len(level):
            return [*nothing, speech.seconds]
        o = self.options
        loud = float(np.percentile(level, 95))
        active = level >= max(loud - o.active_db, o.silence_db)
        if not active.any():
            return [*nothing, speech.seconds]
        first, last = (int(i) for i in np.flatnonzero(active)[[0, -1]])
        f0 = self.f0(speech.samples, active)
        stretch = slice(first, last + 1)
        seconds = (last + 1 - first) * HOP / SAMPLE_RATE
        nuclei = self._nuclei(level[stretch], ~np.isnan(f0[stretch]), loud)
        return [
            *_pitch_targets(f0),
            float(level[active].mean()),
            _spread(level[active]),
            nuclei / seconds,
            _pauses(active[stretch], o.pause_s),
            speech.seconds,
        ]

    def f0(self, samples: npt.NDArray[np.floating], active: npt.NDArray[np.bool_]) -> Floats:
        """F0 in hertz of the active frames, NaN if unvoiced, without isolated outliers."""
        o = self.options
        return _without_outliers(track_f0(samples, active, HOP, o.f_min, o.f_max, o.aperiodicity))

    def _nuclei(self, level: Floats, voiced: npt.NDArray[np.bool_], loud: float) -> int:
        """Counts voiced peaks of the level, smoothed over a syllable's core (about 50 ms)."""
        from scipy.ndimage import uniform_filter1d
        from scipy.signal import find_peaks

        smooth = uniform_filter1d(level, 5)
        padded = np.pad(smooth, 1, constant_values=FLOOR_DB)  # the edges are dips
        floor = loud - 0.8 * self.options.active_db
        peaks, _ = find_peaks(padded, height=floor, prominence=self.options.dip_db, distance=6)
        near = uniform_filter1d(voiced.astype(np.float64), 5) > 0.3
        return int(near[peaks - 1].sum())


def frame_level(samples: npt.NDArray[np.floating]) -> Floats:
    """Returns the level of 20 ms windows every 10 ms, RMS in dB re full scale, shape (frames,)."""
    steps = len(samples) // HOP
    squares = np.square(samples[: steps * HOP].astype(np.float64)).reshape(steps, HOP).mean(1)
    if steps > 1:
        squares = np.append((squares[:-1] + squares[1:]) / 2, squares[-1])
    return np.asarray(10 * np.log10(np.maximum(squares, 10 ** (FLOOR_DB / 10))))


def _pitch_targets(f0: Floats) -> tuple[float, float, float]:
    voiced = f0[~np.isnan(f0)]
    if len(voiced) < 5:  # less than 50 ms is no pitch contour
        return np.nan, np.nan, np.nan
    semitones = 12 * np.log2(voiced / REFERENCE_HZ)
    return float(semitones.mean()), float(semitones.std()), _spread(semitones)


def _spread(values: Floats) -> float:
    low, high = np.percentile(values, [5, 95])
    return float(high - low)


def _without_outliers(f0: Floats) -> Floats:
    """Drops frames over 4 semitones from the running median: octave errors and voiced noise."""
    voiced = np.flatnonzero(~np.isnan(f0))
    if len(voiced) < 5:
        return f0
    semitones = 12 * np.log2(f0[voiced])
    from scipy.ndimage import median_filter

    far = np.abs(semitones - median_filter(semitones, 9, mode="nearest")) > 4
    cleaned = f0.copy()
    cleaned[voiced[far]] = np.nan
    return cleaned


def _pauses(active: npt.NDArray[np.bool_], shortest_s: float) -> float:
    """Share of frames in gaps of at least `shortest_s`; the first and last frame are active."""
    edges = np.diff(active.astype(np.int8))
    starts, ends = np.flatnonzero(edges == -1), np.flatnonzero(edges == 1)
    gaps = ends - starts
    return float(gaps[gaps * HOP / SAMPLE_RATE >= shortest_s].sum() / len(active))
