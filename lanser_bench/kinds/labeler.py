"""Labelers: texts and a taxonomy in, a score per label out."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt

from ..taxonomy import Taxonomy
from .base import OptionsT, Plugin
from .speech import Waveform

ScoreKind = Literal["distribution", "independent"]
Column = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class TextRecord:
    """A labeler's input about one utterance. Everything but `text` may be missing."""

    id: str
    text: str
    context: tuple[str, ...] = ()
    """The previous utterances of the same dialogue, oldest first."""
    language: str = ""
    avg_logprob: float = math.nan
    no_speech_prob: float = math.nan
    gold: Mapping[str, float] | None = None
    """Human label weights in the taxonomy's labels; only for a labeler that reads ``gold``."""
    recording: str = ""
    """SHA-256 of the utterance's recording; only for a labeler that reads ``recording``."""
    audio: Waveform | None = field(default=None, compare=False, repr=False)
    """The utterance's sound; only for a labeler that reads ``audio``."""


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores of n texts over the K labels of a taxonomy, columns in the taxonomy's order."""

    values: npt.NDArray[np.float32]
    """Shape (n, K), in [0, 1]. Rows of a ``distribution`` add up to 1."""
    kind: ScoreKind
    abstained: npt.NDArray[np.bool_]
    """Shape (n,). True where the labeler abstains; its row of `values` is then uniform
    (``distribution``) or zero (``independent``)."""
    logits: npt.NDArray[np.float32] | None = None
    """Shape (n, K) or (n, K, classes): the model's raw outputs, kept for later calibration."""
    truncated: npt.NDArray[np.bool_] | None = None
    """Shape (n,). True where the labeler read only a part of the text or context, because of its
    model's length limit; None if it reads all of every record."""


@dataclass(frozen=True)
class Settled:
    """The result of a `SettlingLabeler` for a whole corpus of n utterances."""

    rows: npt.NDArray[np.integer[Any]]
    """Shape (n,): each utterance's row in `table`; −1 for no answer."""
    table: npt.NDArray[np.floating[Any]]
    """Shape (rows, K): distributions; utterances may share a row."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """JSON values for the report."""
    beside: Mapping[str, Settled] = field(default_factory=dict)
    """Alternative methods, by name, whose labels are also reported."""


class Labeler(Plugin[OptionsT]):
    """Scores every label of a taxonomy for every text.

    Scores of one record must not depend on the other records of the batch. Methods that need the
    whole corpus, such as estimating the accuracy of an ensemble's members, belong in a
    `SettlingLabeler`.
    """

    reads: frozenset[str] = frozenset({"text"})
    """Fields of `TextRecord` that can change its scores; `score` gets the other fields blank. Set
    on the class, or on the instance if its options decide. Equal records are scored once, and a
    labeler that reads ``gold`` is marked as a control in every table."""

    languages: frozenset[str] = frozenset()
    """ISO 639-1 codes of the languages it is made for; empty if unspecified. Texts in other
    languages are scored too, and counted. Set on the class or on the instance."""

    control: bool = False
    """True for a labeler that serves only as a comparison: marked in every table."""

    def worded_in(self, language: str) -> bool:
        """Whether `score` gets the taxonomy worded in the language of the texts, if it has that.

        By default in every language that the labeler is made for. An option `templates`, of its own
        or of a member, that lists templates turns this off, because they fit the default wording.
        """
        made_for = language in (self.languages or {language})
        return made_for and not _lists_templates(self.options.model_dump())

    @abstractmethod
    def score(self, records: Sequence[TextRecord], taxonomy: Taxonomy) -> Scores:
        """Scores a batch.

        Args:
            records: any number of records; the labeler forms its own mini-batches.
            taxonomy: the labels with their hypothesis wording, in the language of the texts if the
                taxonomy has it and `worded_in` allows it.

        Returns:
            Scores with one row per record. Empty text abstains and never raises.
        """


def _lists_templates(options: Any) -> bool:
    """Whether options, or options inside them, contain a list of templates."""
    if isinstance(options, Mapping):
        own = isinstance(options.get("templates"), list | tuple)
        return own or any(map(_lists_templates, options.values()))
    return isinstance(options, list | tuple) and any(map(_lists_templates, options))


class ColumnLabeler(Labeler[OptionsT]):
    """A labeler whose scores follow from columns that taxonomies share, such as one per hypothesis.

    The label stage stores columns, so that labels of another taxonomy compute only new ones. A
    column must follow from its name and the records alone, bit by bit: not from other columns.
    """

    @abstractmethod
    def columns(self, taxonomy: Taxonomy) -> Sequence[str]:
        """Names the distinct columns of a taxonomy's scores."""

    @abstractmethod
    def compute(self, records: Sequence[TextRecord], columns: Sequence[str]) -> Sequence[Column]:
        """Computes columns of n records, each of shape (n, width)."""

    @abstractmethod
    def combine(
        self, records: Sequence[TextRecord], computed: Sequence[Column], taxonomy: Taxonomy
    ) -> Scores:
        """Returns scores, given the columns that `columns` names, in its order."""

    def score(self, records: Sequence[TextRecord], taxonomy: Taxonomy) -> Scores:
        """Computes all columns and combines them."""
        return self.score_with({}, records, taxonomy)

    def score_with(
        self, known: dict[str, Column], records: Sequence[TextRecord], taxonomy: Taxonomy
    ) -> Scores:
        """Adds missing columns of these records to the known ones, and combines them."""
        names = self.columns(taxonomy)
        if missing := [name for name in names if name not in known]:
            known.update(zip(missing, self.compute(records, missing), strict=True))
        return self.combine(records, [known[name] for name in names], taxonomy)


class LabelTable(Labeler[OptionsT]):
    """A labeler that reads its answers from a table, so that ``predictions import`` can use it."""

    @abstractmethod
    def parts(self, columns: Sequence[str]) -> list[tuple[dict[str, str], Self]]:
        """Splits the table by the values of those of some columns that it has.

        Returns:
            Column → value, and a labeler of the rows with these values, in the table's order.
        """


class SettlingLabeler(Labeler[OptionsT]):
    """A labeler that decides over a whole corpus, after each record was scored alone."""

    settles: bool = True
    """False on an instance whose options keep the scores unchanged. Otherwise `Scores.logits` have
    shape (n, K, members): the scores of each of one or more members, all zero if it abstains."""

    @abstractmethod
    def settle(self, votes: npt.NDArray[np.int16], taxonomy: Taxonomy) -> Settled:
        """Decides over a corpus that was scored record by record; called if `settles` is true.

        Args:
            votes: the best label of each member for each utterance, shape (n, members); −1 for
                none.
            taxonomy: the labels.
        """
