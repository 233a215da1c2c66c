"""Log-mel agrees with a slow, independent computation and with transformers' filter bank."""

from __future__ import annotations

import math

import numpy as np
import pytest
from pydantic import ValidationError

from lanser_bench.audio import logmel
from lanser_bench.audio.logmel import mel_filters
from lanser_bench.errors import SettingsError
from lanser_bench.kinds import Frontend


def noise(samples: int, seed: int = 0) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return np.random.default_rng(seed).normal(0, 0.1, samples).astype(np.float32)


@pytest.mark.parametrize(
    ("n_mels", "f_min", "f_max", "points"), [(64, 50.0, 8000.0, 512), (26, 0.0, 4000.0, 1024)]
)
def test_filters_are_slaneys(n_mels: int, f_min: float, f_max: float, points: int) -> None:
    from transformers.audio_utils import mel_filter_bank

    frontend = Frontend(n_mels=n_mels, f_min=f_min, f_max=f_max)
    expected = mel_filter_bank(
        points // 2 + 1, n_mels, f_min, f_max, 16_000, norm=None, mel_scale="slaney"
    )
    np.testing.assert_allclose(mel_filters(frontend, points), expected.T, atol=1e-9)


def test_frames_agree_with_a_direct_sum() -> None:
    from transformers.audio_utils import mel_filter_bank

    frontend = Frontend(n_mels=16)
    wave = noise(1200)
    found = logmel(wave, frontend)
    assert found.shape == (1 + (1200 - 400) // 160, 16)
    filters = mel_filter_bank(257, 16, 50.0, 8000.0, 16_000, norm=None, mel_scale="slaney")
    for frame in (0, 3):
        part = wave[frame * 160 : frame * 160 + 400].astype(np.float64)
        hann = [0.5 - 0.5 * math.cos(2 * math.pi * n / 400) for n in range(400)]
        power = []
        for k in range(257):
            angles = -2j * np.pi * k * np.arange(400) / 512
            value = np.sum(part * hann * np.exp(angles)) * 2 / sum(hann)
            power.append(abs(value) ** 2)
        np.testing.assert_allclose(found[frame], np.log(power @ filters), atol=2e-4)


def test_a_full_scale_sine_reaches_zero_decibels() -> None:
    sine = np.sin(2 * np.pi * 1000 * np.arange(16_000) / 16_000).astype(np.float32)
    found = logmel(sine, Frontend())
    decibels = 10 / np.log(10) * found.max(axis=1)
    # The peak lies between the tops of two triangles, and Hann spreads it over three bins.
    assert np.all(np.abs(decibels) < 3)


def test_silence_is_the_floor() -> None:
    found = logmel(np.zeros(16_000, np.float32), Frontend(floor_db=-60.0))
    np.testing.assert_allclose(found, np.log(1e-6), rtol=1e-6)


def test_a_frame_depends_on_its_own_samples_alone() -> None:
    wave = noise(16_000 * 60)
    frontend = Frontend()
    whole = logmel(wave, frontend)
    np.testing.assert_array_equal(logmel(wave[160 * 4100 :], frontend), whole[4100:])


@pytest.mark.parametrize("samples", [1, 399, 400, 401, 559, 560, 16_000])
@pytest.mark.parametrize("rate", [16_000, 8_000])
def test_frames_are_as_many_as_whole_windows_fit(samples: int, rate: int) -> None:
    frontend = Frontend(sample_rate=rate, f_max=rate / 2)
    found = logmel(noise(samples), frontend)
    window, hop = round(0.025 * rate), round(0.010 * rate)
    assert len(found) == 1 + max(0, round(samples * rate / 16_000) - window) // hop
    assert np.isfinite(found).all()


def test_no_band_is_empty_even_with_many() -> None:
    found = logmel(noise(16_000), Frontend(n_mels=256, f_min=0.0))
    assert (found.std(axis=0) > 0).all()


def test_impossible_frequencies_are_refused() -> None:
    with pytest.raises(SettingsError, match=r"f_max = 9000 Hz .* \(8000 Hz\)"):
        logmel(noise(800), Frontend(f_max=9000.0))
    with pytest.raises(ValidationError):
        Frontend(n_mels=0)
