"""`egemaps`: the 88 functionals of eGeMAPS by openSMILE, the usual hand-crafted baseline.

Eyben et al., The Geneva Minimalistic Acoustic Parameter Set (IEEE TAC 2016); Eyben et al.,
openSMILE (ACM Multimedia 2010).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Literal

import numpy as np

from lanser_bench import FeatureExtractor, Layers, PluginOptions, Waveform

from .._opensmile import LICENCE, functionals, load_smile


class Options(PluginOptions):
    """Options of `egemaps`."""

    features: Literal["eGeMAPSv02", "GeMAPSv01b", "ComParE_2016"] = "eGeMAPSv02"
    """88, 62 or 6,373 functionals."""


class EGeMAPS(FeatureExtractor[Options]):
    """Functionals of a whole clip, as one layer of one frame."""

    Options = Options
    version = "1"
    libraries = ("opensmile", "numpy")
    licence = LICENCE
    most_threads = 1

    def extract(self, batch: Sequence[Waveform]) -> list[Layers]:
        """Returns one layer of shape (1, functionals) per utterance.

        An undefined functional, such as the pitch of an unvoiced clip, becomes 0.
        """
        values = [functionals(self._smile, samples).to_numpy(np.float32) for samples in batch]
        return [[np.nan_to_num(row, nan=0.0, posinf=0.0, neginf=0.0)] for row in values]

    @cached_property
    def _smile(self) -> Any:
        return load_smile(self.options.features, "The encoder 'egemaps'")

    def describe(self) -> dict[str, Any]:
        """The feature set and the licence."""
        return {"features": self.options.features, "licence": self.licence}
