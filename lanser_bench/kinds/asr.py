"""ASR: waveforms in, transcripts out, in the same order."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from .base import OptionsT, Plugin
from .speech import Speech


@dataclass(frozen=True, slots=True)
class Transcript:
    """A recognised text with the recogniser's confidence; NaN for what it does not report."""

    text: str
    language: str = ""
    avg_logprob: float = math.nan
    """Mean log-probability per token, as Whisper reports it."""
    no_speech_prob: float = math.nan
    """Probability that the clip contains no speech."""
    compression_ratio: float = math.nan
    """Length of the text divided by its gzip length; above about 2.4 the text repeats itself."""
    retried: bool = False
    """Whether this is a slower second result, because a quick first one was doubtful."""
    truncated: bool = False
    """Whether the recogniser stopped at its length limit, before the end of the speech."""


class ASR(Plugin[OptionsT]):
    """Turns batches of 16 kHz mono float32 speech into transcripts."""

    reads: Literal["audio", "transcript", "id", "recording"] = "audio"
    """The one field of `Speech` that it gets beside the language: the sound, or else the manifest's
    text, the id or the recording's hash (then no file is opened). It names the row, so a changed
    transcript makes a new row only if it is read. Set on the class or on the instance."""
    batch_size: int = 8
    """Largest number of utterances per call of `transcribe`; part of the key."""

    def check_languages(self, languages: Iterable[str]) -> None:
        """Refuses a corpus in a language that cannot be transcribed, before anything is computed.

        It reads what `check` reads and raises a `LanserError`.

        Args:
            languages: all ISO 639 codes that the manifest names; empty for utterances without one.
        """

    @abstractmethod
    def transcribe(self, batch: Sequence[Speech]) -> list[Transcript]:
        """Transcribes a batch.

        Args:
            batch: utterances, sorted by length; with audio unless it `reads` text.

        Returns:
            One transcript per utterance, same order. An inaudible utterance has an empty text, or a
            `no_speech_prob` above a half.
        """
