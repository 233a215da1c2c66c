"""Decodes a recording, or a span of it, to 16 kHz mono float32."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile
import soxr

from ..errors import DataError
from ..kinds.speech import SAMPLE_RATE, Waveform
from .container import SoundError, lead, open_sound, reason, slack

# Ends in manifests are rounded; a span may pass the end of its recording by this much.
ROUNDING_S = 0.1


def decode(path: Path, start: float | None = None, end: float | None = None) -> Waveform:
    """Reads a recording as the plugins hear it.

    Channels are averaged, then the sound is resampled by soxr at its very high quality; both are
    deterministic. A span is found by seeking, so a short one out of a long file is cheap.

    Args:
        path: a wav, flac, ogg or mp3 file of any rate, width and number of channels.
        start: start of the span in seconds; None for the beginning.
        end: end of the span in seconds; None for the end of the recording.

    Returns:
        Samples of shape (samples,), at least one, at 16 kHz.

    Raises:
        DataError: the file is missing, empty, not audio, cut off, holds NaN or infinite samples,
            or the span is not inside it.
    """
    try:
        with open_sound(path) as sound:
            rate = sound.samplerate
            first, count = _frames(sound, start, end)
            samples = _read(sound, first, count)
    except SoundError as error:
        raise DataError(f"{path} {error}.") from None
    mono = samples[:, 0] if samples.shape[1] == 1 else samples.mean(axis=1, dtype=np.float32)
    if rate != SAMPLE_RATE:
        mono = soxr.resample(mono, rate, SAMPLE_RATE, quality="VHQ")
    if len(mono) == 0:
        raise DataError(
            f"{path} gives no sample at {SAMPLE_RATE} Hz: {count} frames are too short."
        )
    return np.ascontiguousarray(mono, dtype=np.float32)


def _frames(sound: soundfile.SoundFile, start: float | None, end: float | None) -> tuple[int, int]:
    """Turns a span in seconds into the first frame and the number of frames."""
    seconds = sound.frames / sound.samplerate
    begin = 0.0 if start is None else start
    finish = seconds if end is None else end
    if not (0 <= begin < finish <= seconds + ROUNDING_S):
        raise SoundError(
            f"has no span from {begin:g} s to {finish:g} s: the recording lasts {seconds:.3f} s"
        )
    first = round(begin * sound.samplerate)
    count = min(round(finish * sound.samplerate), sound.frames) - first
    if count <= 0:
        raise SoundError(f"has no sample between {begin:g} s and {finish:g} s")
    return first, count


def _read(
    sound: soundfile.SoundFile, first: int, count: int
) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    try:
        before = min(first, lead(sound))
        if first > before:
            sound.seek(first - before)
        samples: np.ndarray[tuple[int, int], np.dtype[np.float32]] = sound.read(
            before + count, dtype="float32", always_2d=True
        )[before:]
    except soundfile.LibsndfileError as error:
        raise SoundError(f"cannot be decoded ({reason(error)}): it is damaged or cut off") from None
    if len(samples) < count - slack(sound):
        raise SoundError(
            f"is cut off: its header promises {count} frames here, {len(samples)} are there"
        )
    if not np.isfinite(samples).all():
        raise SoundError("holds samples that are NaN or infinite")
    return samples
