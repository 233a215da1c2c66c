"""`egemaps`: the 88 functionals of eGeMAPS by openSMILE, the usual hand-made baseline.

Eyben et al., The Geneva Minimalistic Acoustic Parameter Set (IEEE TAC 2016); Eyben et al.,
openSMILE (ACM Multimedia 2010).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from importlib import import_module
from typing import Any, Literal

import numpy as np

from lanser_bench import (
    SAMPLE_RATE,
    FeatureExtractor,
    Layers,
    MissingDependencyError,
    PluginOptions,
    Waveform,
)

SHORTEST = SAMPLE_RATE // 4
"""Samples below which a clip is padded with silence: functionals need some frames."""


class Options(PluginOptions):
    """Options of `egemaps`."""

    features: Literal["eGeMAPSv02", "GeMAPSv01b", "ComParE_2016"] = "eGeMAPSv02"
    """88, 62 or 6,373 functionals."""


class EGeMAPS(FeatureExtractor[Options]):
    """Functionals of a whole clip, as one layer of one frame."""

    Options = Options
    version = "1"
    libraries = ("opensmile", "numpy")
    licence = "openSMILE: research and personal use only (audEERING), no commercial products"

    def extract(self, batch: Sequence[Waveform]) -> list[Layers]:
        """Returns one layer of shape (1, functionals) per utterance.

        A functional without a value, such as the pitch of a clip without voice, becomes 0.

        Raises:
            MissingDependencyError: openSMILE is not installed.
        """
        found: list[Layers] = []
        for samples in batch:
            padded = np.pad(samples, (0, max(0, SHORTEST - len(samples))))
            values = self._smile.process_signal(padded, SAMPLE_RATE).to_numpy(np.float32)
            found.append([np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)])
        return found

    @cached_property
    def _smile(self) -> Any:
        try:
            smile: Any = import_module("opensmile")
        except ImportError as error:
            raise MissingDependencyError(
                f"The encoder 'egemaps' needs openSMILE ({error}): pip install "
                "'lanser-bench[opensmile]'. Its licence allows research and personal use only."
            ) from None
        return smile.Smile(
            feature_set=getattr(smile.FeatureSet, self.options.features),
            feature_level=smile.FeatureLevel.Functionals,
        )

    def describe(self) -> dict[str, Any]:
        """The feature set and the licence."""
        return {"features": self.options.features, "licence": self.licence}
