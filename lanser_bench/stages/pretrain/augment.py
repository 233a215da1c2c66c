"""Augmentation of training batches with masks, gain and noise from the epoch's generator."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ...errors import SettingsError
from .examples import Floats, Ints

if TYPE_CHECKING:
    from .spec import TrainingParams

NEPERS = math.log(10) / 10
"""Natural-log units of power in a decibel."""
SNR_RANGE = 20.0
"""Width of the range of signal-to-noise ratios, in dB above the lowest."""


def check_augmentation(params: TrainingParams, kind: str) -> None:
    """Raises `SettingsError` if an encoder's front end of this kind cannot be augmented so."""
    if params.spec_augment and kind != "logmel":
        raise SettingsError("spec_augment needs an encoder that takes log-mel. Remove it.")
    if kind == "frames" and (params.gain_db or params.noise_snr_db is not None):
        raise SettingsError(
            "gain_db and noise_snr_db need an encoder that takes sound or log-mel; this one takes "
            "stored frames, computed from the sound as it is. Remove them."
        )


def augment(
    values: Floats, lengths: Ints, rng: np.random.Generator, params: TrainingParams, *, logmel: bool
) -> None:
    """Augments a padded batch in place, as the settings ask; padding stays zero.

    `values` are log-mel of shape (batch, frames, n_mels), or samples of shape (batch, samples), of
    which `lengths` are true. `rng` draws everything, so an epoch is the same after a restart.
    """
    for row, length in zip(values, lengths.tolist(), strict=True):
        true = row[:length]
        if params.gain_db:
            _gain(true, rng.uniform(-params.gain_db, params.gain_db), logmel)
        if params.noise_snr_db is not None:
            low = params.noise_snr_db
            _noise(true, rng.uniform(low, low + SNR_RANGE), rng, logmel)
    if params.spec_augment:
        spec_augment(values, lengths, rng, params.mask_mels, params.mask_frames)


def _gain(true: Floats, decibels: float, logmel: bool) -> None:
    """Changes the level of an utterance; log-mel is shifted as a whole, including its floor."""
    if logmel:
        true += np.float32(decibels * NEPERS)
    else:
        true *= np.float32(10 ** (decibels / 20))


def _noise(true: Floats, snr_db: float, rng: np.random.Generator, logmel: bool) -> None:
    """Adds noise at a ratio to the utterance's mean power.

    On waveforms the noise is white. On log-mel it is equally strong in all mel bins, its power is
    exponentially distributed like that of Gaussian noise, and powers add up.
    """
    ratio = 10 ** (-snr_db / 10)
    if logmel:
        level = np.exp(true.astype(np.float64)).mean() * ratio
        noise = level * rng.standard_exponential(true.shape)
        true[:] = np.logaddexp(true, np.log(np.maximum(noise, 1e-30)))
    else:
        level = math.sqrt(float(np.square(true, dtype=np.float64).mean()) * ratio)
        true += (level * rng.standard_normal(true.shape)).astype(np.float32)


def spec_augment(
    values: Floats, lengths: Ints, rng: np.random.Generator, mels: int, frames: int
) -> None:
    """Masks two bands of mel bins and two stretches of frames of each utterance, in place.

    Park et al., SpecAugment (Interspeech 2019), without time warping. Masked values become the
    utterance's mean, since the features are not centred here. `values` are log-mel, shape (batch,
    frames, n_mels). A band has at most `mels` bins; a stretch has at most `frames` frames, and at
    most a fifth of the utterance.
    """
    for row, length in zip(values, lengths.tolist(), strict=True):
        mean = row[:length].mean()
        for _ in range(2):
            width = int(rng.integers(min(mels, row.shape[1] // 2) + 1))
            begin = int(rng.integers(row.shape[1] - width + 1))
            row[:length, begin : begin + width] = mean
            size = int(rng.integers(min(frames, length // 5) + 1))
            first = int(rng.integers(length - size + 1))
            row[first : first + size] = mean
