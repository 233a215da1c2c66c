"""Typed results of ratings on dimensions of emotion, such as arousal and valence."""

from __future__ import annotations

from pydantic import Field

from .results import Metric, Result


class DimensionScores(Result):
    """Predictions of one dimension against human ratings, the mean over draws."""

    ccc: Metric
    """Lin's concordance correlation coefficient of the pooled test sides; 0 if constant."""
    pearson: Metric
    """Pearson correlation of the same; 0 if they are constant."""
    rmse: Metric
    """Root mean squared error, in units of the scale."""


class DimensionBudget(Result):
    """Scores at one label budget."""

    budget: str
    """``"10%"``, or ``"k=5"`` for 5 utterances of each stratum."""
    fraction: float | None = None
    n_labels: float
    """Rated utterances used, mean over folds and draws."""
    ccc: Metric
    """Mean over dimensions."""
    scores: dict[str, DimensionScores]


class DimensionsResult(Result):
    """Content of `dimensions.json`: ratings predicted by ridge regression."""

    scales: dict[str, tuple[float, float]]
    """Dimension → ends of its scale."""
    rated: dict[str, int]
    """Dimension → rated utterances."""
    n_utterances: int
    """Utterances with a rating."""
    n_left_out: int = 0
    n_speakers: int
    n_folds: int
    split_hash: str
    budgets: list[DimensionBudget]
    area: Metric
    """Area under the mean CCC over the axis below, divided by the length of the axis."""
    areas: dict[str, Metric]
    """Dimension → the same for its CCC."""
    area_axis: str
    mean: dict[str, DimensionScores]
    """Control: predictions that are the mean of each fold's training side."""
    layers: dict[str, str]
    """Dimension → layer chosen most often at the largest budget."""
    control: str | None = None
    """``"permuted gold"`` if training ratings were permuted within speakers; None otherwise."""
    warnings: list[str] = Field(default_factory=list)

    @property
    def largest(self) -> DimensionBudget:
        """The budget with the most labels."""
        return max(self.budgets, key=lambda budget: budget.n_labels)
