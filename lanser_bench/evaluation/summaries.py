"""What the label, transcribe and pretrain stages report, and records repeat: one model for both."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from .results import Metric, Result


class AgreementScores(Result):
    """Weak labels against single gold labels."""

    n: int
    """Utterances compared."""
    uar: Metric
    wa: Metric
    """Share of the n utterances whose weak label is the gold label."""
    macro_f1: float
    kappa: float | None
    """Cohen's kappa; None where chance alone agrees completely."""


class HitShare(Result):
    """How often the weak label is one of several gold labels."""

    n: int
    share: float


class GoldAgreement(Result):
    """Weak labels, mapped into the gold taxonomy, against gold."""

    taxonomy: str
    """Of the gold labels."""
    not_compared: str | None = None
    """Why nothing below is known: there is no map to that taxonomy."""
    labels: list[str] = Field(default_factory=list)
    unreachable: list[str] = Field(default_factory=list)
    """Gold labels that no weak label maps to."""
    without_single_gold: int = 0
    """Utterances left out: they do not have exactly one gold label."""
    abstention_left_out: AgreementScores | None = None
    abstention_is_wrong: AgreementScores | None = None
    confusion: list[list[int]] = Field(default_factory=list)
    """Rows are gold, columns are weak labels; abstentions are left out."""
    hit_in_gold_set: HitShare | None = None
    """None where no utterance has several gold labels."""


class LabelUse(Result):
    """How often a labeler gave each label of a taxonomy, and how sure it was."""

    labelled: int
    labels: dict[str, int]
    """Label → utterances, in the taxonomy's order."""
    never_firing: list[str]
    label_entropy_bits: float
    max_entropy_bits: float
    mean_confidence: float | None
    """None where nothing was labelled."""


class LabelSummary(LabelUse):
    """What `labels.json` holds: the weak labels of one corpus."""

    taxonomy: str
    taxonomy_hash: str
    score_kind: Literal["distribution", "independent"]
    utterances: int
    coverage: float
    """Share of utterances with a label."""
    abstained: dict[str, int]
    """Reason → utterances without a label."""
    gold: GoldAgreement | None
    """None where the corpus has no gold labels."""
    labeler_reads: list[str] = Field(default_factory=list)
    """What the labeler was given of each utterance."""
    odd_texts: dict[str, int] = Field(default_factory=dict)
    """What is odd about texts → utterances; empty in older records."""
    settled: dict[str, Any] = Field(default_factory=dict)
    """Facts of a labeler that settles votes."""
    beside: dict[str, LabelSummary] = Field(default_factory=dict)
    """Other ways to settle the same votes → what they give."""

    @property
    def against_gold(self) -> AgreementScores | None:
        """Scores of the labels that were given; None where they were not compared with gold."""
        return None if self.gold is None else self.gold.abstention_left_out


class WordErrors(Result):
    """Word errors over all utterances whose reference has words."""

    wer: float
    """Substitutions, deletions and insertions by the number of reference words."""
    words: int
    """Words of the references."""
    utterances: int
    """Utterances with a reference."""
    substitutions: int
    deletions: int
    insertions: int
    cer: float | None = None
    """Character edits by the number of the references' characters, spaces among them; None in
    older records."""


class TranscriptSummary(Result):
    """What `transcripts.json` holds: the transcripts of one corpus."""

    utterances: int
    empty: int
    silent: int
    """Clips too quiet to ask the recogniser."""
    retried: int | None = None
    """None in older records, as `truncated`."""
    truncated: int | None = None
    """Texts that stop at the recogniser's limit."""
    mean_words: float
    wer: WordErrors | None
    """None where the corpus has no transcripts of its own."""


class Scaled(Result):
    """How an acoustic target was standardised."""

    mean: float
    sd: float


class TrainingSummary(Result):
    """What a record repeats of how an encoder was pre-trained."""

    taxonomy: str
    pooling: Literal["mean", "mean+std", "attentive"]
    chosen_epoch: int
    seconds: float
    acoustic: dict[str, Scaled] | None = None
    """Acoustic targets learnt beside the labels; None without any."""


class TrainingReport(TrainingSummary):
    """What `training.json` holds."""

    labels: list[str]
    """Of the head, in the taxonomy's order."""
    epochs: list[dict[str, Any]]
    """The curve, one line per epoch."""
