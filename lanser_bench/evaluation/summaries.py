"""Summaries of the label, transcribe and pretrain stages, for their artifacts and for records."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from .results import Confused, Metric, Result


class AgreementScores(Result):
    """Weak labels against single gold labels."""

    n: int
    """Utterances compared."""
    uar: Metric
    wa: Metric
    """Share of the n utterances whose weak label is the gold label."""
    macro_f1: float
    kappa: float | None
    """Cohen's kappa; None if chance alone gives complete agreement."""


class HitShare(Result):
    """How often the weak label is one of several gold labels."""

    n: int
    share: float


class GoldAgreement(Confused):
    """Weak labels, mapped into the gold taxonomy, against gold."""

    taxonomy: str
    """Taxonomy of the gold labels."""
    not_compared: str | None = None
    """Why there is no comparison: no map leads to that taxonomy."""
    labels: list[str] = Field(default_factory=list)
    unreachable: list[str] = Field(default_factory=list)
    """Gold labels that no weak label maps to."""
    without_single_gold: int = 0
    """Utterances left out for lack of exactly one gold label."""
    abstention_left_out: AgreementScores | None = None
    abstention_is_wrong: AgreementScores | None = None
    confusion: list[list[int]] = Field(default_factory=list)
    """Rows are gold, columns are weak labels; abstentions are left out."""
    hit_in_gold_set: HitShare | None = None
    """None if no utterance has several gold labels."""


class LabelUse(Result):
    """Frequency of each label of a taxonomy, and the labeler's mean confidence."""

    labelled: int
    labels: dict[str, int]
    """Label → utterances, in the taxonomy's order."""
    never_firing: list[str]
    label_entropy_bits: float
    max_entropy_bits: float
    mean_confidence: float | None
    """None if nothing was labelled."""


class LabelSummary(LabelUse):
    """Content of `labels.json`: the weak labels of one corpus."""

    taxonomy: str
    taxonomy_hash: str
    score_kind: Literal["distribution", "independent"]
    utterances: int
    coverage: float
    """Share of utterances with a label."""
    abstained: dict[str, int]
    """Reason → utterances without a label."""
    gold: GoldAgreement | None
    """None if the corpus has no gold labels."""
    labeler_reads: list[str] = Field(default_factory=list)
    """Fields of each utterance that the labeler reads."""
    odd_texts: dict[str, int] = Field(default_factory=dict)
    """Kind of odd text → utterances; empty in older records."""
    wordings: dict[str, int] = Field(default_factory=dict)
    """Language of the labels' wording → utterances with a text, empty for the taxonomy's default;
    only if some were worded in their own language."""
    settled: dict[str, Any] = Field(default_factory=dict)
    """Facts of a labeler that settles votes."""
    beside: dict[str, LabelSummary] = Field(default_factory=dict)
    """Other method to settle the same votes → its labels."""

    @property
    def against_gold(self) -> AgreementScores | None:
        """Scores of the labels without abstentions; None if they were not compared with gold."""
        return None if self.gold is None else self.gold.abstention_left_out


class WordErrors(Result):
    """Word errors over all utterances whose reference has words."""

    wer: float
    """Substitutions, deletions and insertions divided by the number of reference words."""
    words: int
    """Number of reference words."""
    utterances: int
    """Utterances with a reference."""
    substitutions: int
    deletions: int
    insertions: int
    cer: float | None = None
    """Character edits divided by the number of reference characters, including spaces; None in
    older records."""


class TranscriptSummary(Result):
    """Content of `transcripts.json`: the transcripts of one corpus."""

    utterances: int
    empty: int
    silent: int
    """Clips too quiet for the recogniser."""
    retried: int | None = None
    """None in older records, like `truncated`."""
    truncated: int | None = None
    """Texts cut at the recogniser's limit."""
    mean_words: float
    wer: WordErrors | None
    """None if the dataset has no transcripts."""


class Scaled(Result):
    """Standardisation of an acoustic target."""

    mean: float
    sd: float


class TrainingSummary(Result):
    """The part of an encoder's pre-training that a record repeats."""

    taxonomy: str
    pooling: Literal["mean", "mean+std", "attentive"]
    chosen_epoch: int
    seconds: float
    acoustic: dict[str, Scaled] | None = None
    """Acoustic targets trained in addition to the labels; None if there are none."""


class TrainingReport(TrainingSummary):
    """Content of `training.json`."""

    labels: list[str]
    """Labels of the head, in the taxonomy's order."""
    epochs: list[dict[str, Any]]
    """The training curve, one entry per epoch."""
