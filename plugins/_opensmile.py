"""Functionals of openSMILE, which is an optional package."""

from __future__ import annotations

from typing import Any

import numpy as np

from lanser_bench import SAMPLE_RATE, Waveform

from ._optional import import_optional

SHORTEST = SAMPLE_RATE // 4
"""Shorter clips (in samples) are padded with silence, because functionals need several frames."""
LICENCE = "openSMILE: research and personal use only (audEERING), no commercial products"


def load_smile(features: str, user: str) -> Any:
    """Returns openSMILE's extractor of functionals for a plugin, the `user`."""
    install = "pip install 'lanser-bench[opensmile]'. Its licence allows research and personal use"
    smile = import_optional("opensmile", f"{user} needs openSMILE", f"{install} only.")
    feature_set = getattr(smile.FeatureSet, features)
    return smile.Smile(feature_set=feature_set, feature_level=smile.FeatureLevel.Functionals)


def functionals(smile: Any, samples: Waveform) -> Any:
    """Returns a clip's functionals as a table with one row."""
    padded = np.pad(samples, (0, max(0, SHORTEST - len(samples))))
    return smile.process_signal(padded, SAMPLE_RATE)
