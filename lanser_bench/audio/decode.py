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
        mono = through(path, lambda sound: _read(sound, begin, end))
        if mono is None:
            until = "its end" if end is None else f"{end:g} s"
            seconds = through(path, Sound.seconds)
            raise SoundError(
                f"has no span from {begin:g} s to {until}: the recording lasts {seconds:.3f} s"
            )
    except SoundError as error:
        raise DataError(f"{path} {error}.") from None
    return mono


def to_mono(samples: Samples) -> Waveform:
    """Averages channels: shape (frames, channels) → (frames,)."""
    if samples.shape[1] == 1:
        return samples[:, 0]
    return np.asarray(samples.mean(axis=1, dtype=np.float32))


def _read(sound: Sound, start: float, end: float | None) -> Waveform | None:
    """Returns the span at `SAMPLE_RATE`; None if the recording has no such span."""
    rate, frames = sound.rate, 0
    finish = start + 1 if end is None else end
    if not (0 <= start < finish < math.inf):
        return None
    first = round(start * rate)
    count = None if end is None else round(end * rate) - first
    if count == 0:
        raise SoundError(f"has no sample between {start:g} s and {finish:g} s")
    stream = soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32", quality="VHQ")
    mono = np.empty(0, np.float32)
    for block in sound.blocks(first, count):
        frames += len(block)
        part = to_mono(block)
        mono = _longer(mono, part if rate == SAMPLE_RATE else stream.resample_chunk(part))
    if not frames or (end is not None and (first + frames) / rate < end - ROUNDING_S):
        return None
    if rate != SAMPLE_RATE:
        mono = _longer(mono, stream.resample_chunk(np.empty(0, np.float32), last=True))
    if not len(mono):
        raise SoundError(f"gives no sample at {SAMPLE_RATE} Hz: {frames} frames are too short")
    return mono


def _longer(whole: Waveform, part: Waveform) -> Waveform:
    """Appends in place: a list of parts beside their sum needs twice the memory for hours."""
    if not len(whole):
        return np.array(part)
    begin = len(whole)
    whole.resize(begin + len(part), refcheck=False)
    whole[begin:] = part
    return whole
