"""A segmenter that cuts at quiet stretches."""

import numpy as np

from lanser_bench import SAMPLE_RATE, PluginOptions, Segmenter, Span, hookimpl

WINDOW = SAMPLE_RATE // 50


@hookimpl
def register_segmenters(register):
    """Registers the segmenter as `pauses`."""
    register("pauses", f"{__name__}:Pauses")


class PausesOptions(PluginOptions):
    """Options of the segmenter."""

    threshold: float = 0.01
    """Sound is speech if its RMS over 20 ms exceeds this; full scale is 1."""
    pause_s: float = 0.3
    """A shorter pause does not end an utterance."""


class Pauses(Segmenter[PausesOptions]):
    """Cuts a recording at its pauses; a silent recording has no utterances."""

    Options = PausesOptions
    version = "1"

    def segment(self, recording):
        """Returns the spans in order, in seconds."""
        count = len(recording.samples) // WINDOW
        windows = recording.samples[: count * WINDOW].reshape(count, WINDOW)
        loud = np.flatnonzero(np.sqrt(np.square(windows).mean(axis=1)) > self.options.threshold)
        if not len(loud):
            return []
        seconds = WINDOW / SAMPLE_RATE
        gaps = np.flatnonzero(np.diff(loud) * seconds > self.options.pause_s)
        starts, ends = [loud[0], *loud[gaps + 1]], [*loud[gaps], loud[-1]]
        return [Span(a * seconds, (b + 1) * seconds) for a, b in zip(starts, ends, strict=True)]
