"""openSMILE, asked for by a sentence where it is not installed."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from lanser_bench import SAMPLE_RATE, MissingDependencyError, Waveform

SHORTEST = SAMPLE_RATE // 4
"""Samples below which a clip is padded with silence: functionals need some frames."""
LICENCE = "openSMILE: research and personal use only (audEERING), no commercial products"


def load_smile(features: str, asker: str) -> Any:
    """Returns openSMILE's extractor of a feature set's functionals.

    Args:
        features: the set, such as ``eGeMAPSv02``.
        asker: who needs it, such as ``The encoder 'egemaps'``.

    Raises:
        MissingDependencyError: openSMILE is not installed.
    """
    try:
        smile: Any = import_module("opensmile")
    except ImportError as error:
        raise MissingDependencyError(
            f"{asker} needs openSMILE ({error}): pip install 'lanser-bench[opensmile]'. Its "
            "licence allows research and personal use only."
        ) from None
    return smile.Smile(
        feature_set=getattr(smile.FeatureSet, features),
        feature_level=smile.FeatureLevel.Functionals,
    )


def functionals(smile: Any, samples: Waveform) -> Any:
    """Returns a clip's functionals as a table of one row."""
    padded = np.pad(samples, (0, max(0, SHORTEST - len(samples))))
    return smile.process_signal(padded, SAMPLE_RATE)
