"""Tests of the contract of a speech recogniser."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from ..kinds.asr import Transcript
from ..kinds.speech import SAMPLE_RATE, Speech
from ._base import PluginSuite


def tone(seconds: float, hertz: float = 220.0) -> Speech:
    """Returns a quiet buzz with a transcript, for recognisers that read it from the manifest."""
    time = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    wave = 0.1 * np.sin(2 * np.pi * hertz * time) * (1 + np.sin(2 * np.pi * 3 * time)) / 2
    return Speech(wave.astype(np.float32), language="en", transcript=f"{hertz:.0f} hertz")


class ASRSuite(PluginSuite):
    """Inherit and write `make`; override `clips` with real speech to check words."""

    clips: ClassVar[Sequence[Speech]] = (tone(1.0), tone(2.0, 440.0), tone(0.3, 110.0))

    def use(self, plugin: Any) -> list[Transcript]:
        """Transcribes the clips."""
        transcripts: list[Transcript] = plugin.transcribe(list(self.clips))
        return transcripts

    def transcripts(self, clips: Sequence[Speech]) -> list[Transcript]:
        """Transcribes clips and checks types and evidence."""
        transcripts: list[Transcript] = self.plugin.transcribe(list(clips))
        assert len(transcripts) == len(clips)
        for transcript in transcripts:
            assert isinstance(transcript, Transcript)
            for value in (transcript.avg_logprob, transcript.no_speech_prob):
                assert math.isnan(value) or math.isfinite(value)
        return transcripts

    def test_one_transcript_per_utterance(self) -> None:
        """There is a transcript per clip, with finite or NaN evidence."""
        self.transcripts(self.clips)

    def test_it_keeps_the_order(self) -> None:
        """A reversed batch gives the reversed texts."""
        straight = [t.text for t in self.transcripts(self.clips)]
        turned = [t.text for t in self.transcripts(self.clips[::-1])]
        assert turned[::-1] == straight

    def test_it_is_deterministic(self) -> None:
        """Transcribing the same speech twice gives the same words."""
        first = [t.text for t in self.transcripts(self.clips)]
        assert [t.text for t in self.transcripts(self.clips)] == first

    def test_silence_and_shortness_survive(self) -> None:
        """Silence and a clip of 10 ms raise no exception."""
        silence = Speech(np.zeros(SAMPLE_RATE, np.float32), language="en", transcript="")
        self.transcripts([silence, tone(0.01)])
