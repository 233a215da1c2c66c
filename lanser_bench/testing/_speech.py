"""Speech for the suites: buzzes with the rhythm and the melody of a voice."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import fields

import numpy as np

from ..kinds.speech import SAMPLE_RATE, Speech


def tone(seconds: float, hertz: float = 220.0) -> Speech:
    """Returns a quiet buzz of a changing pitch, with a pause if it is long, and all fields."""
    time = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    phase = 2 * np.pi * hertz * (time + 0.02 * np.sin(2 * np.pi * 1.5 * time))
    buzz = sum(np.sin(k * phase) / k for k in range(1, 6))
    wave = 0.1 * buzz * (1 + np.sin(2 * np.pi * 3 * time)) / 2
    wave[int(0.9 * SAMPLE_RATE) : int(1.4 * SAMPLE_RATE) * (seconds > 1.5)] = 0  # a pause
    name = f"{hertz:.0f} hertz"
    return Speech(
        np.asarray(wave, np.float32),
        language="en",
        transcript=name,
        extras={"hertz": hertz},
        speaker=f"speaker of {name}",
        sentence_id=name,
        gold={"joy" if hertz > 200 else "sadness": 1.0},
        id=f"{name}, {seconds:g} s",
        recording=f"{int(hertz * 1000 + seconds):064x}",
    )


def silence(seconds: float) -> Speech:
    """Returns digital silence."""
    return Speech(np.zeros(int(seconds * SAMPLE_RATE), np.float32), language="en", transcript="")


def only(speech: Speech, reads: Collection[str]) -> Speech:
    """Returns an utterance with only the fields that a plugin reads, as the harness passes it."""
    kept = {f.name: getattr(speech, f.name) for f in fields(speech) if f.name in reads}
    return Speech(speech.samples if "audio" in reads else np.zeros(0, np.float32), **kept)


CLIPS = (tone(1.0), tone(2.0, 440.0), tone(0.3, 110.0), tone(1.0, 180.0))
"""Of equal and of different lengths."""
EVERYTHING = frozenset({"audio", *(f.name for f in fields(Speech) if f.name != "samples")})
"""What a plugin may read of an utterance."""
