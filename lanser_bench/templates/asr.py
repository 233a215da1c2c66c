"""A recogniser that writes a syllable for each loud stretch of sound."""

import numpy as np

from lanser_bench import ASR, SAMPLE_RATE, PluginOptions, Transcript, hookimpl

WINDOW = SAMPLE_RATE // 20


@hookimpl
def register_asr(register):
    """Registers the recogniser as `syllables`."""
    register("syllables", f"{__name__}:Syllables")


class SyllablesOptions(PluginOptions):
    """Options of the recogniser."""

    threshold: float = 0.01
    """Sound is loud if its RMS over 50 ms exceeds this; full scale is 1."""


class Syllables(ASR[SyllablesOptions]):
    """Writes "la" for each loud stretch; silence gives an empty text."""

    Options = SyllablesOptions
    version = "1"

    def transcribe(self, batch):
        """Returns one transcript per utterance, in the same order."""
        return [Transcript(self._text(speech.samples)) for speech in batch]

    def _text(self, samples):
        windows = samples[: len(samples) // WINDOW * WINDOW].reshape(-1, WINDOW)
        loud = np.sqrt(np.square(windows).mean(axis=1)) > self.options.threshold
        begins = np.diff(loud.astype(int), prepend=0) == 1
        return " ".join(["la"] * int(begins.sum()))
