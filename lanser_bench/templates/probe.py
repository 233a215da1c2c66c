"""A probe for how often the wave crosses zero."""

import numpy as np

from lanser_bench import PluginOptions, Probe, hookimpl


@hookimpl
def register_probes(register):
    """Registers the probe as `crossings`."""
    register("crossings", f"{__name__}:Crossings")


class CrossingsOptions(PluginOptions):
    """Options of the probe."""

    threshold: float = 0.0
    """Crossings of this level are counted; full scale is 1."""


class Crossings(Probe[CrossingsOptions]):
    """Counts zero crossings per second; undefined without sound."""

    Options = CrossingsOptions
    version = "1"
    targets = ("crossings_per_s",)

    def measure(self, batch):
        """Returns the targets, shape (utterances, 1)."""
        return np.array([[self._rate(speech)] for speech in batch]).reshape(-1, 1)

    def _rate(self, speech):
        if not speech.samples.any():
            return np.nan
        above = speech.samples > self.options.threshold
        return np.count_nonzero(above[1:] != above[:-1]) / speech.seconds
