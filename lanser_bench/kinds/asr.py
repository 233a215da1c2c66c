"""ASR: waveforms in, transcripts out, in the same order."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from .base import OptionsT, Plugin
from .speech import Speech


@dataclass(frozen=True, slots=True)
class Transcript:
    """A recognised text with the recogniser's own evidence; NaN where it gives none."""

    text: str
    language: str = ""
    avg_logprob: float = math.nan
    """Mean log-probability per token, as Whisper reports it."""
    no_speech_prob: float = math.nan
    """Probability that the clip holds no speech."""
    compression_ratio: float = math.nan
    """Length of the text over its gzip length; above about 2.4 the text is a loop."""
    retried: bool = False
    """Whether a quick first answer was doubtful and a slower second one stands here."""
    truncated: bool = False
    """Whether the recogniser stopped before the end, because it gives no longer text."""


class ASR(Plugin[OptionsT]):
    """Turns batches of 16 kHz mono float32 speech into transcripts."""

    reads: ClassVar[Literal["audio", "transcript"]] = "audio"
    """What it is given: sound without the manifest's text, or that text without any sound (no file
    is then opened). What is read names the row, so a changed transcript is a new row only there."""
    batch_size: int = 8
    """How many utterances `transcribe` is given at most at a time; part of the key."""

    @abstractmethod
    def transcribe(self, batch: Sequence[Speech]) -> list[Transcript]:
        """Transcribes a batch.

        Args:
            batch: utterances, sorted by length by the harness; none empty unless it `reads` text.

        Returns:
            One transcript per utterance, same order. An inaudible one has an empty text.
        """
