"""Probes: what a frozen embedding is asked to predict."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt

from .base import OptionsT, Plugin
from .speech import Speech


class Probe(Plugin[OptionsT]):
    """Measures targets on the sound itself; the harness predicts them from frozen embeddings.

    Targets of one utterance must not depend on the other utterances of the batch.
    """

    task: ClassVar[Literal["regression", "classification"]] = "regression"
    reads: ClassVar[frozenset[str]] = frozenset({"audio"})
    """What can change its targets, among ``audio``, ``language``, ``transcript`` and ``extras``;
    the rest is not given. Without ``audio`` nothing is decoded and `Speech.samples` is empty."""
    targets: tuple[str, ...]
    """Names of the targets with their unit, such as ``f0_mean_st``."""

    @abstractmethod
    def measure(self, batch: Sequence[Speech]) -> npt.NDArray[np.float64]:
        """Returns the targets, shape (utterances, targets); NaN where one is undefined."""
