"""Labelers: texts and a taxonomy in, a score per label out."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

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
    truncated: npt.NDArray[np.bool_] | None = None
    """Shape (n,). True where the labeler read only a part of the text or context, because its model
    takes no more; None where it reads all of every record."""


@dataclass(frozen=True)
class Settled:
    """What a labeler makes of a whole corpus of n utterances: see `SettlingLabeler`."""

    rows: npt.NDArray[np.integer[Any]]
    """Shape (n,): each utterance's row in `table`; −1 where there is no answer."""
    table: npt.NDArray[np.floating[Any]]
    """Shape (rows, K): distributions, each of which many utterances may share."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """JSON values for the report."""
    beside: Mapping[str, Settled] = field(default_factory=dict)
    """Other ways to settle, by name, whose labels are reported beside these."""


class Labeler(Plugin[OptionsT]):
    """Scores every label of a taxonomy for every text.

    Scores of one record must not depend on the other records of the batch. What depends on the
    whole corpus, such as how far members of an ensemble can be trusted, is for a
    `SettlingLabeler`.
    """

    reads: frozenset[str] = frozenset({"text"})
    """Fields of `TextRecord` that can change its scores; the others are left blank in what `score`
    is given. Set on the class, or on the instance where its options decide. Equal records are
    scored once, and a labeler that reads ``gold`` is marked as a control in every table."""

    languages: frozenset[str] = frozenset()
    """ISO 639-1 codes of the languages it is made for; empty where it does not say. Texts in others
    are scored like all, and counted. Set on the class or on the instance."""

    control: bool = False
    """True for a labeler that is there to be compared with: marked in every table."""

    @abstractmethod
    def score(self, records: Sequence[TextRecord], taxonomy: Taxonomy) -> Scores:
        """Scores a batch.

        Args:
            records: any number of records; the labeler forms its own mini-batches.
            taxonomy: the labels with their hypothesis wording.

        Returns:
            Scores with one row per record. Empty text abstains and never raises.
        """


class SettlingLabeler(Labeler[OptionsT]):
    """A labeler that has the last word over a whole corpus, after each record was scored alone."""

    settles: bool = True
    """False on an instance whose options leave the scores as they are. Otherwise `Scores.logits`
    have shape (n, K, members): what each of one or more members says, all zero where it says
    nothing."""

    @abstractmethod
    def settle(self, votes: npt.NDArray[np.int16], taxonomy: Taxonomy) -> Settled:
        """Decides over a corpus that was scored record by record; called where `settles` is true.

        Args:
            votes: the best label of each member for each utterance, shape (n, members); −1 where
                it has none.
            taxonomy: the labels.
        """
