"""Broken recognisers."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from lanser_bench import ASR, PluginOptions, Speech, Transcript

from . import caught

caught = partial(caught, "asr")


class Level(ASR[PluginOptions]):
    """A good recogniser: counts the hundredths of a second and the peaks; silence has no text."""

    version = "1"

    def transcribe(self, batch: Sequence[Speech]) -> list[Transcript]:
        return [Transcript(self.words(speech.samples, speech)) for speech in batch]

    def words(self, samples: Any, speech: Speech) -> str:
        loud = float(np.abs(samples).max()) if len(samples) else 0.0
        return f"{len(samples) // 160} {loud:.4f}" if loud > 1e-3 else ""


FORM = "results have the declared form"


@caught("silence has no words", "recognises 'hello' in digital silence")
class SaysHello(Level):
    def words(self, samples, speech):
        return super().words(samples, speech) or "hello"


@caught(FORM, "4 clips gave 3 results")
class LosesOne(Level):
    def transcribe(self, batch):
        return super().transcribe(batch)[: max(1, len(batch) - 1)]


@caught(FORM, "gave '100")
class Strings(Level):
    def transcribe(self, batch):
        return [t.text for t in super().transcribe(batch)]


@caught(FORM, "4 clips gave generator")
class Generator(Level):
    def transcribe(self, batch):
        return (t for t in super().transcribe(batch))


@caught(FORM, "no_speech_prob is 50")
class Percent(Level):
    def transcribe(self, batch):
        return [Transcript(t.text, no_speech_prob=50.0) for t in super().transcribe(batch)]


@caught(FORM, "avg_logprob is -inf")
class InfiniteEvidence(Level):
    def transcribe(self, batch):
        return [Transcript(t.text, avg_logprob=-math.inf) for t in super().transcribe(batch)]


@caught(FORM, "batch_size is 0")
class NoBatch(Level):
    batch_size = 0


@caught(FORM, "reads is 'text'")
class ReadsNonsense(Level):
    reads = "text"


@caught("it keeps the order", "in the same order")
class SortsAnswers(Level):
    def transcribe(self, batch):
        return sorted(super().transcribe(batch), key=lambda t: t.text)


@caught("neighbours change nothing", "Alone instead of among others")
class SharedScale(Level):
    def transcribe(self, batch):
        top = max((np.abs(s.samples).max() for s in batch if len(s.samples)), default=1)
        mean = sum(len(s.samples) for s in batch) / len(batch)
        return [Transcript(self.words(s.samples / top * mean / 16_000, s)) for s in batch]


@caught("neighbours change nothing", "items changed")
class HearsPadding(Level):
    def transcribe(self, batch):
        longest = max(len(s.samples) for s in batch)
        padded = [np.pad(s.samples, (0, longest - len(s.samples))) for s in batch]
        return [Transcript(self.words(p, s)) for p, s in zip(padded, batch)]


@caught("it keeps its input", "changed in place")
class NormalisesInPlace(Level):
    def words(self, samples, speech):
        text = super().words(samples, speech)
        samples *= 0.5
        return text


@caught("it keeps no state", "other results")
class Prompted(Level):
    """Continues the text before, as with a prompt of earlier segments."""

    before = ""

    def words(self, samples, speech):
        self.before = (self.before + super().words(samples, speech))[-30:]
        return self.before


@caught("it reads only what it declares", "`reads` does not name")
class CheatsWithTheManifest(Level):
    def words(self, samples, speech):
        return speech.transcript or super().words(samples, speech)


@caught("short clips survive", "ValueError")
class NeedsLength(Level):
    def words(self, samples, speech):
        np.abs(samples[400:]).max()
        return super().words(samples, speech)


@caught("it is deterministic", "another global seed")
class Sampled(Level):
    def words(self, samples, speech):
        return super().words(samples, speech) + "!" * np.random.randint(1, 99)


@caught(FORM, "SystemExit")
class Leaves(Level):
    def words(self, samples, speech):
        sys.exit(3)
