"""Fundamental frequency by YIN, vectorised over frames.

de Cheveigné & Kawahara (2002), "YIN, a fundamental frequency estimator for speech and music",
J. Acoust. Soc. Am. 111(4): difference function, cumulative mean normalisation, absolute threshold,
parabolic interpolation. The difference function is computed for all frames by FFT.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from lanser_bench import SAMPLE_RATE

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

LOWPASS_HZ = 1000.0
"""Higher harmonics add noise to the difference function, but no pitch."""
DECIMATION = 2
"""Below that frequency every second sample is enough."""
RATE = SAMPLE_RATE / DECIMATION
WINDOW = 256
"""Decimated samples compared with their shifted copy: 32 ms, two periods of 62 Hz."""


def track_f0(
    samples: npt.NDArray[np.floating],
    wanted: npt.NDArray[np.bool_],
    hop: int,
    f_min: float,
    f_max: float,
    threshold: float,
) -> Floats:
    """Returns the F0 of each frame in hertz, NaN if it is not periodic, shape (frames,).

    Args:
        samples: waveform at `SAMPLE_RATE`.
        wanted: frames to analyse, shape (frames,); the others are NaN. Frame i is centred at
            sample ``(i + 1) * hop``.
        hop: samples between frames, a multiple of `DECIMATION`.
        f_min: lowest F0.
        f_max: highest F0.
        threshold: largest aperiodicity of a voiced frame: the share of its energy that its period
            does not explain.
    """
    f0 = np.full(len(wanted), np.nan)
    at = np.flatnonzero(wanted)
    if not len(at):
        return f0
    longest, shortest = int(RATE / f_min) + 1, int(RATE / f_max)
    length = WINDOW + longest + 1
    # The padding completes frames centred on the ends, and gives the filter enough samples.
    padded = np.pad(samples.astype(np.float64), DECIMATION * length // 2 + hop)
    from scipy.signal import butter, sosfiltfilt

    order = butter(4, LOWPASS_HZ, fs=SAMPLE_RATE, output="sos")
    low = np.asarray(sosfiltfilt(order, padded)[2 * hop :: DECIMATION])
    frames = sliding_window_view(low, length)[:: hop // DECIMATION][at]
    normalised = _normalised_difference(frames, longest + 1)
    lag = _first_dip(normalised, shortest, longest, threshold)
    rows = np.flatnonzero(lag > 0)
    hertz = RATE / _refined(normalised[rows], lag[rows])
    f0[at[rows]] = np.where((hertz >= f_min) & (hertz <= f_max), hertz, np.nan)
    return f0


def _normalised_difference(frames: Floats, lags: int) -> Floats:
    """d'(τ) for τ = 0 … lags, shape (frames, lags + 1); 1 if a frame has no energy."""
    from scipy.fft import irfft, next_fast_len, rfft

    n = next_fast_len(frames.shape[1], real=True)
    head = rfft(frames[:, :WINDOW], n)
    product = irfft(np.conj(head) * rfft(frames, n), n)[:, : lags + 1]
    energy = np.cumsum(np.square(frames), axis=1)
    ends = energy[:, WINDOW - 1 : WINDOW + lags]
    before = np.pad(energy[:, :lags], ((0, 0), (1, 0)))
    difference = np.maximum(ends[:, :1] + (ends - before) - 2 * product, 0)
    difference[:, 0] = 0
    running = np.cumsum(difference, axis=1) / np.maximum(np.arange(lags + 1), 1)
    silent = running <= 1e-12 * np.maximum(ends[:, :1], 1e-20)
    normalised: Floats = np.divide(difference, running, out=np.ones_like(running), where=~silent)
    normalised[:, 0] = 1
    return normalised


def _first_dip(normalised: Floats, shortest: int, longest: int, threshold: float) -> Ints:
    """The first local minimum below the threshold, 0 if there is none, shape (frames,)."""
    inner = normalised[:, shortest : longest + 1]
    left = normalised[:, shortest - 1 : longest]
    right = normalised[:, shortest + 1 : longest + 2]
    dip = (inner < threshold) & (inner <= left) & (inner < right)
    return np.where(dip.any(1), dip.argmax(1) + shortest, 0).astype(np.int64)


def _refined(normalised: Floats, lag: Ints) -> Floats:
    """Fits a parabola through the minimum and its neighbours."""
    rows = np.arange(len(lag))
    a, b, c = (normalised[rows, lag + shift] for shift in (-1, 0, 1))
    bend = a - 2 * b + c
    shift = np.divide(a - c, 2 * bend, out=np.zeros_like(a), where=bend > 0)
    return np.asarray(lag + np.clip(shift, -1, 1))
