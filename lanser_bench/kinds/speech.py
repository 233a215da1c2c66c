"""The speech that plugins receive."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

SAMPLE_RATE = 16_000
"""Every waveform a plugin sees is sampled at this rate, in hertz."""
READ_SUFFIXES = (".flac", ".mp3", ".ogg", ".opus", ".wav")
"""Suffixes of the formats that are read; most others must be converted."""
_UNREAD = """
.3g2 .3gp .aac .ac3 .aif .aifc .aiff .amr .ape .au .avi .awb .caf .dsf .dss .flv .gsm .m4a .m4b .m4r
.m4v .mka .mkv .mov .mp2 .mp4 .mpa .mpc .mpeg .mpg .mpga .oga .ogv .pcm .ra .rm .snd .sph .spx .tta
.voc .vox .w64 .wave .weba .webm .wma .wmv .wv
"""
SOUND_SUFFIXES = (*READ_SUFFIXES, *_UNREAD.split())
"""Suffixes of files that count as recordings, readable or not."""

Waveform = npt.NDArray[np.float32]
"""Mono samples, shape (samples,), full scale ±1, at `SAMPLE_RATE`."""


@dataclass(frozen=True, slots=True)
class Speech:
    """One utterance's sound, with fields of the manifest."""

    samples: Waveform
    language: str | None = None
    """ISO 639-1 code from the manifest; None if the manifest has none."""
    transcript: str | None = None
    """The manifest's own text, for plugins that use it (the `reference` ASR)."""
    extras: Mapping[str, Any] = field(default_factory=dict)
    """The manifest's extras, for probes that declare that they read them."""
    speaker: str | None = None
    """For probes that declare it, like the next two fields."""
    sentence_id: str | None = None
    """Equal for utterances of the same scripted sentence."""
    gold: Mapping[str, float] = field(default_factory=dict)
    """Human label → weight."""
    id: str = ""
    """The utterance's id, for recognisers that look results up, like the next field."""
    recording: str = ""
    """SHA-256 of the recording, 64 hexadecimal digits."""

    @property
    def seconds(self) -> float:
        """Duration in seconds."""
        return len(self.samples) / SAMPLE_RATE
