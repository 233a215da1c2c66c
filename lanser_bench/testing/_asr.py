"""Tests of the contract of a speech recogniser."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

from ..kinds.asr import Transcript
from ..kinds.speech import Speech
from ._batches import BatchSuite
from ._speech import CLIPS, only, silence, tone

READS = ("audio", "transcript", "id", "recording")


class ASRSuite(BatchSuite):
    """Inherit and write `make`; override `clips` with real speech to check words."""

    anchor: ClassVar[str] = "docs/plugins/asr.md#rules"
    clips: ClassVar[Sequence[Speech]] = CLIPS
    ties: ClassVar[int] = 1

    def items(self) -> list[Speech]:
        """Returns the clips, with the one field that the recogniser reads and the language."""
        return self._given(self.clips)

    def full_items(self) -> Sequence[Speech]:
        """Returns the clips with all fields of the manifest."""
        return self.clips

    def _given(self, clips: Sequence[Speech]) -> list[Speech]:
        return [only(clip, {self.plugin.reads, "language"}) for clip in clips]

    def run(self, plugin: Any, items: Sequence[Speech]) -> list[Any]:
        """Transcribes clips in batches of at most `batch_size`; returns texts."""
        self.require(
            plugin.reads in READS and isinstance(plugin.batch_size, int) and plugin.batch_size > 0,
            f"reads is {plugin.reads!r} and batch_size is {plugin.batch_size!r}.",
            f"Set `reads` to one of {', '.join(READS)}, and `batch_size` to a whole number from 1.",
        )
        rows = []
        for begin in range(0, len(items), plugin.batch_size):
            batch = list(items[begin : begin + plugin.batch_size])
            transcripts = plugin.transcribe(batch)
            self.require(
                isinstance(transcripts, list) and len(transcripts) == len(batch),
                f"{len(batch)} clips gave {_count(transcripts)}.",
                "Return a list with one Transcript per clip; an empty text for silence.",
            )
            rows += [self._row(transcript) for transcript in transcripts]
        return rows

    def _row(self, transcript: Any) -> tuple[str, str, bool]:
        self.require(
            isinstance(transcript, Transcript) and isinstance(transcript.text, str),
            f"A clip gave {transcript!r}.",
            "Return `Transcript(text)`, with an empty text for silence.",
        )
        chance, evidence = transcript.no_speech_prob, transcript.avg_logprob
        self.require(
            not (chance < 0 or chance > 1 or evidence > 0 or math.isinf(evidence)),
            f"no_speech_prob is {chance}, avg_logprob is {evidence}.",
            "Give a probability in [0, 1] and a finite mean log-probability up to 0, or neither.",
        )
        return transcript.text, transcript.language, transcript.truncated

    def test_silence_has_no_words(self) -> None:
        """An inaudible utterance has an empty text, or a `no_speech_prob` above a half."""
        if self.plugin.reads != "audio":
            return
        transcripts = self.plugin.transcribe(self._given([silence(1.0)]))
        heard = [t for t in transcripts if t.text.strip() and not t.no_speech_prob > 0.5]
        self.require(
            not heard,
            f"It recognises {heard and heard[0].text!r} in digital silence.",
            "Return `Transcript('')` below a level, or report the model's `no_speech_prob`.",
        )

    def test_short_clips_survive(self) -> None:
        """Clips of 10 ms and of one sample raise no exception, alone and among others."""
        tiny = [tone(0.01), tone(1 / 16_000)]
        self.run(self.plugin, self._given([*tiny, self.clips[0]]))
        self.run(self.plugin, self._given(tiny[:1]))


def _count(results: object) -> str:
    return f"{len(results)} results" if isinstance(results, list) else type(results).__name__
