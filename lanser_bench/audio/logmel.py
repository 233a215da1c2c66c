"""Log-mel frames, the input of SER encoders."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import soxr

from ..errors import SettingsError
from ..kinds.encoder import Frontend
from ..kinds.speech import SAMPLE_RATE, Waveform

if TYPE_CHECKING:
    from scipy.sparse import csr_array

# Slaney's scale (Auditory Toolbox, 1998): linear to 1 kHz, logarithmic above.
LINEAR_HZ_PER_MEL = 200 / 3
BREAK_HZ = 1000.0
BREAK_MEL = BREAK_HZ / LINEAR_HZ_PER_MEL
LOG_STEP = np.log(6.4) / 27
LARGEST_FFT = 1 << 14
FRAMES_AT_ONCE = 4096


def logmel(waveform: Waveform, frontend: Frontend) -> npt.NDArray[np.float32]:
    """Computes the natural logarithm of mel-band power.

    Frame i covers the samples from ``i * hop`` to ``i * hop + window``; only a clip shorter than
    one window is padded. A periodic Hann window is used and the power is scaled so that a
    full-scale sine has power 1 (0 dB) in its bin. Triangles of height 1 on Slaney's mel scale add
    the bins up. Each value depends on its frame alone, not on threads or on the clip's length.

    Args:
        waveform: samples of shape (samples,) at 16 kHz.
        frontend: rates, sizes and floor; its `kind` is ignored.

    Returns:
        Array of shape (frames, n_mels), never below ``ln(10 ** (floor_db / 10))``.

    Raises:
        SettingsError: the front end's frequencies do not fit its rate.
    """
    if frontend.sample_rate != SAMPLE_RATE:
        waveform = soxr.resample(waveform, SAMPLE_RATE, frontend.sample_rate, quality="VHQ")
    window, hop = sizes(frontend)
    if len(waveform) < window:
        waveform = np.pad(waveform, (0, window - len(waveform)))
    filters, points = _filters(frontend)
    taper = _hann(window)
    framed = np.lib.stride_tricks.sliding_window_view(waveform, window)[::hop]
    bands = np.empty((len(framed), frontend.n_mels), np.float32)
    for begin in range(0, len(framed), FRAMES_AT_ONCE):
        part = slice(begin, begin + FRAMES_AT_ONCE)
        spectrum = np.fft.rfft(framed[part] * taper, points)
        power = np.square(spectrum.real) + np.square(spectrum.imag)
        # A sparse product sums in a fixed order; a threaded BLAS would not.
        bands[part] = (filters @ power.T.astype(np.float32)).T
    floor = np.float32(10 ** (frontend.floor_db / 10))
    return np.log(np.maximum(bands, floor))


def sizes(frontend: Frontend) -> tuple[int, int]:
    """Returns the window and the hop in samples."""
    return (
        max(1, round(frontend.window_s * frontend.sample_rate)),
        max(1, round(frontend.hop_s * frontend.sample_rate)),
    )


def mel_filters(frontend: Frontend, points: int) -> npt.NDArray[np.float64]:
    """Returns the mel triangles.

    Args:
        frontend: gives the number of bands, their range and the sample rate.
        points: length of the Fourier transform.

    Returns:
        Array of shape (n_mels, points // 2 + 1): triangles of height 1 whose corners are evenly
        spaced on Slaney's mel scale from f_min to f_max.
    """
    lowest, highest = (float(_mel(np.array(hz))) for hz in (frontend.f_min, frontend.f_max))
    corners = _hz(np.linspace(lowest, highest, frontend.n_mels + 2))
    bins = np.fft.rfftfreq(points, 1 / frontend.sample_rate)
    rising = (bins - corners[:-2, None]) / np.diff(corners)[:-1, None]
    falling = (corners[2:, None] - bins) / np.diff(corners)[1:, None]
    return np.maximum(0.0, np.minimum(rising, falling))


def _mel(hz: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    above = BREAK_MEL + np.log(np.maximum(hz, BREAK_HZ) / BREAK_HZ) / LOG_STEP
    return np.where(hz < BREAK_HZ, hz / LINEAR_HZ_PER_MEL, above)


def _hz(mel: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    above = BREAK_HZ * np.exp(LOG_STEP * (np.maximum(mel, BREAK_MEL) - BREAK_MEL))
    return np.where(mel < BREAK_MEL, mel * LINEAR_HZ_PER_MEL, above)


@lru_cache(maxsize=16)
def _filters(frontend: Frontend) -> tuple[csr_array, int]:
    """Returns the sparse filter bank and the length of its transform.

    The length is the smallest power of two that fits a window and gives each band a bin, because an
    empty band would be a constant column.
    """
    from scipy.sparse import csr_array

    if not frontend.f_min < frontend.f_max <= frontend.sample_rate / 2:
        raise SettingsError(
            f"The front end's f_min = {frontend.f_min:g} Hz and f_max = {frontend.f_max:g} Hz must "
            f"rise and stay within half its sample rate ({frontend.sample_rate / 2:g} Hz)."
        )
    points = 1 << (sizes(frontend)[0] - 1).bit_length()
    while not (filters := mel_filters(frontend, points)).any(axis=1).all() and points < LARGEST_FFT:
        points *= 2
    return csr_array(filters.astype(np.float32)), points


@lru_cache(maxsize=16)
def _hann(window: int) -> npt.NDArray[np.float32]:
    """Periodic Hann window, scaled so that a full-scale sine has power 1 in its bin."""
    taper = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
    return np.asarray(taper * 2 / taper.sum(), np.float32)
