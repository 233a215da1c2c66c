"""Decodes a recording once to measure it and to decide whether it can be used."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soxr

from ..kinds.speech import SAMPLE_RATE
from .container import Samples, Sound, through
from .decode import to_mono
from .layout import SoundError

BLOCK = 1 << 20
# The largest value of 16 bits: samples that reach it were most likely clipped by the recorder.
FULL_SCALE = 32767 / 32768
SILENT_PEAK = 1e-4
"""Deviation (full scale 1) below which sound counts as silence: −80 dBFS."""
SHORTEST = 0.1
"""Seconds below which a span is refused: a few analysis windows, shorter than any spoken word."""
STEP_S = 0.02
"""Silence is looked for in steps of this length."""
CANCELLED = 0.1
"""Share of the channels' RMS that the mono mix must keep; independent channels keep 0.71."""


@dataclass(frozen=True, slots=True)
class AudioFacts:
    """Measurements of a recording."""

    seconds: float
    """Duration of the decoded part."""
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
    if the recording cannot be used."""
    problem: str | None = None
    """Why the recording cannot be used, as the end of a sentence that begins with its path; None
    if it can."""
    format: str = ""
    """Container and codec, such as ``WAV PCM_16``."""
    silent: str = ""
    """How it is silent for a model, which gets mono at 16 kHz, as the end of a sentence; empty if
    it has sound."""
    odd_channels: str = ""
    """Which channels are silent, or that they cancel each other, as the end of a sentence."""
    quiet: list[list[float]] = field(default_factory=list)
    """Begin and end, in seconds, of all stretches of at least `SHORTEST` that are silent for a
    model."""

    def silent_in(self, start: float, end: float) -> bool:
        """Whether a model gets only silence from `start` to `end` (seconds)."""
        return bool(self.silent) or any(
            begin <= start + STEP_S and end - STEP_S <= finish for begin, finish in self.quiet
        )


def inspect(path: Path) -> AudioFacts:
    """Decodes a whole file, block by block; a `problem` in its facts replaces an error."""
    try:
        return through(path, _measure)
    except SoundError as error:
        return AudioFacts(0.0, 0, 0, 0.0, 0.0, 0.0, problem=str(error))


def _measure(sound: Sound) -> AudioFacts:
    frames, peak, clipped, squares, problem = 0, 0.0, 0, 0.0, ""
    digest = hashlib.sha1(f"{sound.rate} {sound.channels}".encode(), usedforsecurity=False)
    mix = _Mix(sound)
    try:
        for block in sound.blocks(size=BLOCK):
            frames += len(block)
            digest.update(block.data)
            size = np.abs(block)
            peak = max(peak, float(size.max()))
            clipped += int(np.count_nonzero(size >= FULL_SCALE))
            squares += float(np.square(block, dtype=np.float64).sum())
            mix.add(block)
        quiet = mix.quiet(frames / sound.rate)
    except SoundError as error:
        problem = str(error)
    count = max(1, frames * sound.channels)
    facts = AudioFacts(
        seconds=frames / sound.rate,
        sample_rate=sound.rate,
        channels=sound.channels,
        peak=peak,
        rms=math.sqrt(squares / count),
        clipped=clipped / count,
        problem=problem or None,
        format=sound.format,
    )
    if problem:
        return facts
    silent, odd = mix.faults(peak, facts.rms)
    return replace(facts, samples=digest.hexdigest(), quiet=quiet, silent=silent, odd_channels=odd)


class _Mix:
    """A recording as a model gets it: the mean of its channels, at 16 kHz."""

    def __init__(self, sound: Sound) -> None:
        self._soxr = None
        if sound.rate > SAMPLE_RATE:
            self._soxr = soxr.ResampleStream(
                sound.rate, SAMPLE_RATE, 1, dtype="float32", quality="VHQ"
            )
        rate = min(sound.rate, SAMPLE_RATE)
        self._step = max(1, round(STEP_S * rate))
        self._step_s = self._step / rate
        self._rest = np.empty(0, np.float32)
        self._steps: list[npt.NDArray[np.bool_]] = []
        self._frames, self._squares = 0, 0.0
        # The channels, and their mean at the recording's own rate.
        self._low = np.full(sound.channels + 1, np.inf, np.float32)
        self._high = -self._low

    def add(self, block: Samples) -> None:
        """Takes the next samples, of shape (frames, channels)."""
        mono = to_mono(block)
        self._low = np.minimum(self._low, [*block.min(0), mono.min()])
        self._high = np.maximum(self._high, [*block.max(0), mono.max()])
        self._frames += len(mono)
        self._squares += float(np.square(mono, dtype=np.float64).sum())
        self._resampled(mono, last=False)

    def _resampled(self, mono: npt.NDArray[np.float32], *, last: bool) -> None:
        if self._soxr is not None:
            mono = self._soxr.resample_chunk(mono, last=last)
        rest = np.concatenate([self._rest, mono])
        whole = max(0, len(rest) - 1) // self._step
        if whole:  # each step includes the first sample of the next
            steps = np.lib.stride_tricks.sliding_window_view(rest, self._step + 1)[:: self._step]
            self._steps.append(np.ptp(steps, axis=1) < 2 * SILENT_PEAK)
        self._rest = rest[whole * self._step :]
        if last and len(self._rest):
            self._steps.append(np.array([np.ptp(self._rest) < 2 * SILENT_PEAK]))

    def quiet(self, seconds: float) -> list[list[float]]:
        """Ends the recording; returns its stretches of silence as `AudioFacts.quiet` does.

        Raises:
            SoundError: a model gets no sample at all.
        """
        self._resampled(np.empty(0, np.float32), last=True)
        if not self._steps:
            raise SoundError(f"gives no sample at {SAMPLE_RATE} Hz: it is too short")
        steps = np.concatenate(self._steps)
        if self._soxr is not None and len(steps) > 4:
            # A resampler rings where a constant, or sound above 8 kHz, starts or ends.
            steps[0], steps[-2:] = steps[1], steps[-3]
        self._steps = [steps]
        edges = np.flatnonzero(np.diff(np.r_[False, steps, False].astype(np.int8))).reshape(-1, 2)
        stretches = np.minimum(edges * self._step_s, seconds).round(3).tolist()
        return [[begin, end] for begin, end in stretches if end - begin >= SHORTEST]

    def faults(self, peak: float, rms: float) -> tuple[str, str]:
        """Returns how the whole recording is silent, else the fault of its channels; or empty."""
        *dead, mix = (self._high - self._low < 2 * SILENT_PEAK).tolist()
        if self._steps[0].all():
            if peak < SILENT_PEAK:
                return "is silent", ""
            if all(dead):
                value = f"{self._high[0]:.3g}"
                return f"is silent: all its samples have the same value, {value}", ""
            if mix:
                return "is silent as mono: its channels cancel each other", ""
            limit = SAMPLE_RATE // 2000
            return f"is silent below {limit} kHz, and a model gets nothing above", ""
        names = ", ".join(str(number) for number, silent in enumerate(dead, 1) if silent)
        if names and len(dead) > 1:
            return "", f"has no sound in channel {names} of {len(dead)}"
        mono_rms = math.sqrt(self._squares / max(1, self._frames))
        if len(dead) > 1 and mono_rms < CANCELLED * rms:
            lost = 20 * math.log10(rms / max(mono_rms, 1e-9))
            return "", f"loses {lost:.0f} dB as mono: its channels cancel each other"
        return "", ""
