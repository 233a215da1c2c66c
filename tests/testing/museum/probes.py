"""Broken probes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from lanser_bench import PluginOptions, Probe, Speech

from . import caught

caught = partial(caught, "probe")
FORM = "results have the declared form"


class Loudness(Probe[PluginOptions]):
    """A good probe: level and length."""

    version = "1"
    targets = ("level_db", "length_s")

    def measure(self, batch: Sequence[Speech]) -> Any:
        return np.array([self.one(speech.samples, speech) for speech in batch], np.float64)

    def one(self, samples: Any, speech: Speech) -> list[float]:
        power = float(np.mean(np.square(samples))) if len(samples) else 0.0
        return [10 * np.log10(power) if power else np.nan, len(samples) / 16_000]


class Sentence(Probe[PluginOptions]):
    """A good probe of classes."""

    version = "1"
    task = "classification"
    reads = frozenset({"sentence_id"})
    targets = ("sentence",)

    def measure(self, batch: Sequence[Speech]) -> Any:
        return np.array([[speech.sentence_id] for speech in batch], object)


@caught("neighbours change nothing", "4 of 4 items changed")
class StandardisesOverTheBatch(Loudness):
    """Test rows would enter the scale of training rows."""

    def measure(self, batch):
        values = super().measure(batch)
        return values - np.nanmean(values, 0)


@caught("it keeps no state", "other results")
class RemembersTheMean(Loudness):
    """Each utterance is measured against all before: test rows enter, too."""

    seen = 0.0

    def one(self, samples, speech):
        level, length = super().one(samples, speech)
        self.seen = 0.9 * self.seen + level
        return [level - self.seen, length]


@caught(FORM, "gave the shape (4,)")
class OneVector(Loudness):
    def measure(self, batch):
        return super().measure(batch)[:, 0]


@caught(FORM, "gave the shape (4, 1)")
class MissesATarget(Loudness):
    def measure(self, batch):
        return super().measure(batch)[:, :1]


@caught("silence and shortness survive", "A target is -inf")
class LogOfZero(Loudness):
    def one(self, samples, speech):
        with np.errstate(divide="ignore"):
            return [np.log10(np.abs(samples).max()), len(samples)]


@caught("silence and shortness survive", "ZeroDivisionError")
class DividesByPeak(Loudness):
    def one(self, samples, speech):
        return [1 / float(np.abs(samples).max()), len(samples)]


@caught("it reads only what it declares", "`reads` does not name")
class UsesTheTranscript(Loudness):
    def one(self, samples, speech):
        return [*super().one(samples, speech)[:1], len(speech.transcript or "")]


@caught("it reads only what it declares", "`reads` does not name")
class PeeksAtGold(Loudness):
    def one(self, samples, speech):
        level, length = super().one(samples, speech)
        return [level + 3 * speech.gold.get("joy", 0), length]


@caught(FORM, "reads has ['pitch']")
class ReadsNonsense(Loudness):
    reads = frozenset({"audio", "pitch"})


@caught(FORM, "targets is ('level_db', 'level_db')")
class EqualNames(Loudness):
    targets = ("level_db", "level_db")


@caught(FORM, "held_out is 'sentences'")
class NumbersHeldOutBySentence(Loudness):
    held_out = "sentences"


@caught(FORM, "A target is nan")
class NaNForClasses(Sentence):
    def measure(self, batch):
        return np.array([[np.nan] for _ in batch], object)


@caught(FORM, "A target is '220 hertz'")
class TextForNumbers(Sentence):
    task = "regression"


@caught("targets differ between clips", "'length_s' has the values [1.0]")
class Constant(Loudness):
    def one(self, samples, speech):
        return [super().one(samples, speech)[0], 1.0]


@caught("it keeps its input", "changed in place")
class NormalisesInPlace(Loudness):
    def one(self, samples, speech):
        values = super().one(samples, speech)
        samples -= 0.1
        return values


@caught("it is deterministic", "another global seed")
class Dithers(Loudness):
    def one(self, samples, speech):
        return super().one(samples + np.random.standard_normal(len(samples)), speech)
