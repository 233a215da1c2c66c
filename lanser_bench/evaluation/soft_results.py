"""Typed results of the measurement `soft`."""

from __future__ import annotations

from pydantic import Field

from .results import Metric, Result


class SoftScores(Result):
    """Predicted distributions against the votes of each utterance; see `calibration`."""

    jsd: Metric
    """Jensen–Shannon divergence in bits, in [0, 1], the mean over utterances."""
    brier: Metric
    """Squared distance to the votes, in [0, 2], the mean over utterances."""
    ece: Metric
    """Expected calibration error of the predicted label."""
    set_f1: Metric
    """Macro-F1 of the labels with more than 1/K of the weight."""
    uar: Metric
    """UAR of the predicted label, over utterances where one label has most votes."""


class SoftBudget(SoftScores):
    """Scores at one label budget, the mean over draws."""

    budget: str
    n_labels: float
    """Utterances whose votes were used, mean over folds and draws."""


class ReliabilityBin(Result):
    """Predictions of similar confidence."""

    n: int
    """Predictions, over all draws."""
    confidence: float
    """Their mean."""
    share: Metric
    """Share of the votes that the predicted labels have."""


class Ceiling(Result):
    """Agreement of the annotators with each other, where the number of votes is known."""

    n_utterances: int
    """Utterances with at least two counted votes."""
    n_votes: float
    """Votes per utterance, mean."""
    agreement: Metric
    """Share of the other votes that one vote agrees with, over all votes."""
    one_jsd: Metric
    """Divergence between one annotator's vote and all others of the utterance."""
    one_brier: Metric
    halves_jsd: Metric
    """Divergence between a random half of the votes and the other half."""
    halves_brier: Metric
    halves_set_f1: Metric


class SoftResult(Result):
    """Content of `soft.json`: heads trained on distributions of votes, on held-out speakers."""

    labels: list[str]
    """Labels with any vote, in the taxonomy's order."""
    n_utterances: int
    n_left_out: int
    """Utterances without votes or with a set of labels instead."""
    n_split: int
    """Utterances with votes for several labels."""
    n_tied: int
    """Utterances where several labels have most votes."""
    n_speakers: int
    n_bins: int
    split_hash: str
    budgets: list[SoftBudget]
    from_majority: SoftScores | None = None
    """The same at the largest budget, trained on the label with most votes instead of on the votes;
    tied labels share its weight. None if no votes are split, so that both are the same."""
    mean_votes: SoftScores
    """Always predicting the mean votes of the training side."""
    reliability: list[ReliabilityBin]
    """At the largest budget, by rising confidence."""
    ceiling: Ceiling | None = None
    """None where the number of votes is unknown."""
    control: str | None = None
    """``"permuted gold"`` if training votes were permuted within speakers; None otherwise."""
    warnings: list[str] = Field(default_factory=list)

    @property
    def largest(self) -> SoftBudget:
        """The budget with the most labels."""
        return max(self.budgets, key=lambda budget: budget.n_labels)
