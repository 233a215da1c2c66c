"""What probing numbers and probing classes have in common: what they take and what they give."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ...data.utterances import UtteranceTable
from ...evaluation.results import ClassScore, TargetScore
from ...kinds.probe import HeldOut
from ..embed.corrections import speaker_normalised
from .folds import ProbeFolds, checked_folds

Scale = Literal["raw", "speaker"]
Layers = Mapping[str, npt.NDArray[np.floating]]


@dataclass(frozen=True)
class Work:
    """One encoder's embeddings and how a probe is to predict from them."""

    table: UtteranceTable
    layers: Layers
    held_out: HeldOut
    n_folds: int
    sentence_folds: int
    inner_folds: int
    strengths: Sequence[float]
    scales: Sequence[Scale]
    seed: int
    progress: Callable[[int, int], None]

    @property
    def speakers(self) -> list[str]:
        """Speaker of each utterance."""
        return [str(speaker) for speaker in self.table.speakers]

    def folds(self, labels: npt.NDArray[np.int64] | None = None) -> ProbeFolds:
        """Makes the folds, checked for leakage; see `checked_folds`."""
        return checked_folds(
            self.table,
            self.held_out,
            folds=self.n_folds,
            sentence_folds=self.sentence_folds,
            seed=self.seed,
            labels=labels,
        )

    def scaled(self, scale: Scale) -> Layers:
        """Returns the embeddings, z-scored within each speaker for the scale ``speaker``."""
        if scale == "raw":
            return self.layers
        return {n: speaker_normalised(v, self.speakers) for n, v in self.layers.items()}


@dataclass
class Found:
    """What came out."""

    folds: ProbeFolds
    """Of the last target where they differ."""
    targets: list[TargetScore] = field(default_factory=list)
    classes: list[ClassScore] = field(default_factory=list)
    tables: list[pa.Table] = field(default_factory=list)
    """Predictions."""
    warnings: list[str] = field(default_factory=list)
