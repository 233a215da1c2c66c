"""Broken segmenters."""

from __future__ import annotations

from functools import partial

import numpy as np

from lanser_bench import PluginOptions, Segmenter, Span, Speech

from . import caught

caught = partial(caught, "segmenter")


class Halves(Segmenter[PluginOptions]):
    """A good segmenter: cuts every recording in two."""

    version = "1"

    def segment(self, recording: Speech) -> list[Span]:
        half, end = recording.seconds / 2, recording.seconds
        return [Span(0.0, half), Span(half, end)] if end else []


FORM = "results have the declared form"


@caught(FORM, "begins before the previous span ends")
class Overlapping(Halves):
    def segment(self, recording):
        return [Span(0.0, recording.seconds), Span(0.1, recording.seconds)]


@caught(FORM, "begins before the previous span ends")
class Unsorted(Halves):
    def segment(self, recording):
        return super().segment(recording)[::-1]


@caught(FORM, "The span 0–1500 of a recording of 3 s")
class Milliseconds(Halves):
    def segment(self, recording):
        return [Span(s.start * 1000, s.end * 1000) for s in super().segment(recording)]


@caught(FORM, "segment() gave [(0.0, 1.5)")
class Tuples(Halves):
    def segment(self, recording):
        return [(s.start, s.end) for s in super().segment(recording)]


@caught(FORM, "segment() gave <generator")
class Generator(Halves):
    def segment(self, recording):
        yield from super().segment(recording)


@caught(FORM, "The span nan")
class NotANumber(Halves):
    def segment(self, recording):
        return [Span(float("nan"), recording.seconds)]


@caught("silence and shortness survive", "0–0 of a recording of 0 s is empty")
class EmptySpan(Halves):
    def segment(self, recording):
        return [Span(0.0, recording.seconds)]


@caught("silence and shortness survive", "ZeroDivisionError")
class DividesByLevel(Halves):
    def segment(self, recording):
        1 / float(np.abs(recording.samples).sum())
        return super().segment(recording)


@caught("it keeps no state", "other results")
class Adapts(Halves):
    seen = 0

    def segment(self, recording):
        self.seen += 1
        return [Span(0.0, recording.seconds / self.seen)]


@caught("it is deterministic", "another global seed")
class RandomCut(Halves):
    def segment(self, recording):
        return [Span(0.0, recording.seconds * np.random.uniform(0.1, 1))]


@caught("it keeps its input", "changed in place")
class NormalisesInPlace(Halves):
    def segment(self, recording):
        recording.samples[:] *= 0.5
        return super().segment(recording)


@caught("one that is trivial returns the whole", "cuts recording [0]")
class NotTrivial(Halves):
    trivial = True


@caught("it reads only what it declares", "`reads` does not name")
class CutsByWords(Halves):
    def segment(self, recording):
        words = len((recording.transcript or "").split()) or 1
        return [Span(0.0, recording.seconds / words)]


@caught("a long recording survives", "MemoryError")
class AllAtOnce(Halves):
    def segment(self, recording):
        if recording.seconds > 60:
            raise MemoryError("a matrix of frames by frames")
        return super().segment(recording)
