"""Decodes a recording, or a span of it, to 16 kHz mono float32."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import soxr

from ..errors import DataError
from ..kinds.speech import SAMPLE_RATE, Waveform
from .container import Samples, Sound, through
from .layout import SoundError

ROUNDING_S = 0.1
"""Seconds by which a span may exceed its recording: ends in manifests are rounded."""


def decode(path: Path, start: float | None = None, end: float | None = None) -> Waveform:
    """Reads a recording as plugins receive it.

    Channels are averaged, then the sound is resampled by soxr at its very high quality; both are
    deterministic. A short span of a long file is cheap, because only the span is decoded.

    Args:
        path: a wav, flac, ogg or mp3 file of any rate, width and number of channels.
        start: start of the span in seconds; None for the beginning.
        end: end of the span in seconds; None for the end of the recording.

    Returns:
        Samples of shape (samples,), at least one, at 16 kHz.

    Raises:
        DataError: the file is missing, empty, not audio, truncated, has NaN or infinite samples,
            or the span is not inside it.
    """
    begin = 0.0 if start is None else start
    try:
        span = through(path, lambda sound: _read(sound, begin, end))
        if span is None:
            until = "its end" if end is None else f"{end:g} s"
            seconds = through(path, Sound.seconds)
            raise SoundError(
                f"has no span from {begin:g} s to {until}: the recording lasts {seconds:.3f} s"
            )
    except SoundError as error:
        raise DataError(f"{path} {error}.") from None
    samples, rate = span
    mono = to_mono(samples)
    if rate != SAMPLE_RATE:
        mono = soxr.resample(mono, rate, SAMPLE_RATE, quality="VHQ")
    if len(mono) == 0:
        raise DataError(
            f"{path} gives no sample at {SAMPLE_RATE} Hz: {len(samples)} frames are too short."
        )
    return np.ascontiguousarray(mono, dtype=np.float32)


def to_mono(samples: Samples) -> Waveform:
    """Averages channels: shape (frames, channels) → (frames,)."""
    if samples.shape[1] == 1:
        return samples[:, 0]
    return np.asarray(samples.mean(axis=1, dtype=np.float32))


def _read(sound: Sound, start: float, end: float | None) -> tuple[Samples, int] | None:
    """Returns the span's samples and their rate; None if the recording has no such span."""
    rate = sound.rate
    finish = start + 1 if end is None else end
    if not (0 <= start < finish < math.inf):
        return None
    first = round(start * rate)
    count = None if end is None else round(end * rate) - first
    if count == 0:
        raise SoundError(f"has no sample between {start:g} s and {finish:g} s")
    blocks = list(sound.blocks(first, count))
    last = (first + sum(len(block) for block in blocks)) / rate
    if not blocks or (end is not None and last < end - ROUNDING_S):
        return None
    return np.concatenate(blocks), rate
