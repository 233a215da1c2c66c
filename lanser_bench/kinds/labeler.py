"""Labelers: texts and a taxonomy in, a score per label out."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from ..taxonomy import Taxonomy
from .base import OptionsT, Plugin

ScoreKind = Literal["distribution", "independent"]


@dataclass(frozen=True, slots=True)
class TextRecord:
    """What a labeler may know about one utterance. Everything but `text` may be missing."""

    id: str
    text: str
    context: tuple[str, ...] = ()
    """The previous utterances of the same dialogue, oldest first."""
    language: str = ""
    avg_logprob: float = math.nan
    no_speech_prob: float = math.nan
    gold: Mapping[str, float] | None = None
    """Human label weights in the taxonomy's labels; only given to a labeler that reads ``gold``."""


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores of n texts over the K labels of a taxonomy, columns in the taxonomy's order."""

    values: npt.NDArray[np.float32]
    """Shape (n, K). Rows of a ``distribution`` add up to 1; ``independent`` ones lie in [0, 1]."""
    kind: ScoreKind
    abstained: npt.NDArray[np.bool_]
    """Shape (n,). True where the labeler declines to answer; its row of `values` is then uniform
    (``distribution``) or zero (``independent``)."""
    logits: npt.NDArray[np.float32] | None = None
    """Shape (n, K) or (n, K, classes): the model's raw outputs, kept for later calibration."""


class Labeler(Plugin[OptionsT]):
    """Scores every label of a taxonomy for every text.

    Scores of one record must not depend on the other records of the batch.
    """

    reads: frozenset[str] = frozenset({"text"})
    """Fields of `TextRecord` that can change its scores; the others are left blank in what `score`
    is given. Set on the class, or on the instance where its options decide. Equal records are
    scored once, and a labeler that reads ``gold`` is marked as a control in every table."""

    @abstractmethod
    def score(self, records: Sequence[TextRecord], taxonomy: Taxonomy) -> Scores:
        """Scores a batch.

        Args:
            records: any number of records; the labeler forms its own mini-batches.
            taxonomy: the labels with their hypothesis wording.

        Returns:
            Scores with one row per record. Empty text abstains and never raises.
        """
