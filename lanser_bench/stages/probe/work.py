"""Input and output of probing, for targets that are numbers and for targets that are classes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ...data.utterances import UtteranceTable
from ...evaluation.classes import PredictedClasses
from ...evaluation.predictions import Predicted
from ...evaluation.results import ClassScore, Metric, TargetScore
from ...kinds.probe import HeldOut
from ..embed.corrections import speaker_normalised
from .folds import ProbeFolds, checked_folds
from .spec import Params, Scale

Layers = Mapping[str, npt.NDArray[np.floating]]


@dataclass(frozen=True)
class Work:
    """One encoder's embeddings, and how a probe predicts from them."""

    table: UtteranceTable
    layers: Layers
    held_out: HeldOut
    params: Params
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
            folds=self.params.folds,
            sentence_folds=self.params.sentence_folds,
            seed=self.seed,
            labels=labels,
        )

    def scaled(self, scale: Scale) -> Layers:
        """Returns the embeddings, z-scored within each speaker for the scale ``speaker``."""
        if scale == "raw":
            return self.layers
        return {n: speaker_normalised(v, self.speakers) for n, v in self.layers.items()}

    def layer_scores(
        self, by_layer: Iterable[Any], score: Callable[[Any], Metric]
    ) -> dict[str, Metric]:
        """Returns layer → score of its own predictions; empty if there is a single layer."""
        if len(self.layers) < 2:
            return {}
        return {name: score(p) for name, p in zip(self.layers, by_layer, strict=True)}


@dataclass
class ProbeOutput:
    """Scores, predictions and warnings of one probe."""

    folds: ProbeFolds
    """Of the first target if targets differ."""
    targets: list[TargetScore] = field(default_factory=list)
    classes: list[ClassScore] = field(default_factory=list)
    tables: list[pa.Table] = field(default_factory=list)
    """Predictions."""
    warnings: list[str] = field(default_factory=list)

    def add_predictions(
        self, target: str, scale: Scale, data: Predicted | PredictedClasses, **columns: Any
    ) -> None:
        """Adds a table of predictions: one row per utterance, with further columns."""
        n = len(data.ids)
        labels = {"target": [target] * n, "scale": [scale] * n}
        self.tables.append(
            pa.table({"id": data.ids, "speaker": data.speakers, **labels, **columns})
        )
