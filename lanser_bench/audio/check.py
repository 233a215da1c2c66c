"""Decodes a recording once to say what it holds and whether it can be used."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from .container import SoundError, open_sound, reason, slack

BLOCK = 1 << 20
# A 16-bit recording's largest value: what reaches it has most likely been cut off by the recorder.
FULL_SCALE = 32767 / 32768


@dataclass(frozen=True, slots=True)
class AudioFacts:
    """What a recording holds."""

    seconds: float
    """Duration of what could be decoded."""
    sample_rate: int
    channels: int
    peak: float
    """Largest absolute sample of any channel; 1 is full scale."""
    rms: float
    """Root mean square over all channels; 1 is full scale."""
    clipped: float
    """Share of samples at full scale or beyond."""
    samples: str = ""
    """Hash of rate, channels and decoded samples: equal in WAV and FLAC of the same sound; empty
    where the recording cannot be used."""
    problem: str | None = None
    """Why the recording cannot be used, as the end of a sentence that begins with its path; None
    if it can."""


def inspect(path: Path) -> AudioFacts:
    """Decodes a whole recording, block by block, and never raises for bad audio.

    Args:
        path: any file.

    Returns:
        Its facts; `problem` says what is wrong with a file that `decode` would refuse.
    """
    try:
        with open_sound(path) as sound:
            return _measure(sound)
    except SoundError as error:
        return AudioFacts(0.0, 0, 0, 0.0, 0.0, 0.0, problem=str(error))


def _measure(sound: soundfile.SoundFile) -> AudioFacts:
    frames, peak, clipped, problem = 0, 0.0, 0, None
    squares = 0.0
    heard = hashlib.sha1(f"{sound.samplerate} {sound.channels}".encode(), usedforsecurity=False)
    try:
        while len(block := sound.read(BLOCK, dtype="float32", always_2d=True)):
            frames += len(block)
            if not np.isfinite(block).all():
                problem = "holds samples that are NaN or infinite"
                break
            heard.update(block)
            size = np.abs(block)
            peak = max(peak, float(size.max()))
            clipped += int(np.count_nonzero(size >= FULL_SCALE))
            squares += float(np.square(block, dtype=np.float64).sum())
    except soundfile.LibsndfileError as error:
        problem = f"cannot be decoded ({reason(error)}): it is damaged or cut off"
    if problem is None and frames < sound.frames - slack(sound):
        problem = f"is cut off: its header promises {sound.frames} frames, {frames} are there"
    count = max(1, frames * sound.channels)
    return AudioFacts(
        seconds=frames / sound.samplerate,
        sample_rate=sound.samplerate,
        channels=sound.channels,
        peak=peak,
        rms=math.sqrt(squares / count),
        clipped=clipped / count,
        samples="" if problem else heard.hexdigest(),
        problem=problem,
    )
