"""Typed results of the evaluation stages, compatible with older files."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass

from ..kinds.probe import HeldOut

_CONFIG = ConfigDict(extra="forbid", allow_inf_nan=False)


class Result(BaseModel):
    """Base: rejects unknown fields, is immutable, and has only finite numbers."""

    model_config = ConfigDict(**_CONFIG, frozen=True)


class Confused(Result):
    """Base: a confusion matrix has a row and a column per label; a last column may be no label."""

    @model_validator(mode="after")
    def _per_label(self) -> Self:
        rows, k = getattr(self, "confusion", ()), len(getattr(self, "labels", ()))
        if rows and (len(rows) != k or any(len(row) - k not in (0, 1) for row in rows)):
            raise ValueError("the confusion matrix has no row and column per label")
        return self


# Records have hundreds of the next three: with slots they take a tenth of a model's memory.
@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class Interval:
    """An interval over speakers."""

    low: float
    high: float
    level: float = 0.95
    """Nominal coverage."""
    method: str
    """Such as ``jackknife-t over speakers``."""


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class Metric:
    """A number with its uncertainty."""

    value: float
    interval: Interval | None = None
    """None below 5 speakers."""


@dataclass(frozen=True, slots=True, kw_only=True, config=_CONFIG)
class FoldScore:
    """The test score of one fold at one budget with one draw of the labelled subset."""

    fold: int
    seed: int
    """Number of the draw of the labelled subset, from 0; not the seed of the stage."""
    n_train: int
    """Labels used, both to fit and to choose strength and layer; of external predictions those that
    the budget allows."""
    n_test: int
    uar: float
    wa: float
    macro_f1: float
    layer: str
    """Layer chosen inside the budget; ``fine-tuned`` if the whole encoder was trained, and
    ``external``."""
    strength: float | None
    """Inverse regularisation strength C (as in scikit-learn) chosen inside the budget; None without
    a linear classifier."""


class BudgetResult(Result):
    """Scores at one label budget, over all folds and subset draws."""

    budget: str
    """``"10%"`` or ``"k=5"``."""
    fraction: float | None = Field(default=None, gt=0, le=1)
    """Share of the training side's labels, in (0, 1]; None for a budget per class."""
    per_class: int | None = None
    """Labels per class; None for a fraction."""
    n_labels: float
    """Labels used, mean over folds and draws."""
    uar: Metric
    """Unweighted average recall over the pooled test sides, mean over subset draws."""
    wa: Metric
    """Accuracy, pooled the same way."""
    macro_f1: Metric
    """F1 averaged over the frozen label set, pooled the same way."""
    folds: list[FoldScore]


class LabelsNeeded(Result):
    """Number of labels needed to reach a target that was fixed beforehand."""

    target: float
    """UAR to reach."""
    n_labels: float | None = None
    """Labels at which the curve first reaches it; None if it never does (right-censored)."""
    fraction: float | None = None
    """The same on the fraction axis."""
    censored_at: float | None = None
    """Largest number of labels tried, if the target was not reached."""


class EvaluationResult(Confused):
    """Content of `evaluation.json`: one encoder's embeddings on one labelled set."""

    protocol: str
    method: Literal["linear", "finetune", "external"] = "linear"
    """``linear``: logistic regression on frozen embeddings; ``finetune``: the whole encoder;
    ``external``: predictions made elsewhere, of which −1, no label, counts as a miss."""
    labels: list[str] = Field(min_length=1)
    """The frozen label set, in the taxonomy's order, without labels that never occur in gold."""
    n_utterances: int = Field(ge=0, lt=2**31)
    """Evaluated utterances, those with a single gold label."""
    n_left_out: int = 0
    """Utterances without a single gold label."""
    n_speakers: int = Field(ge=0, lt=2**31)
    n_folds: int
    n_draws: int = 1
    """Subset draws per fold and budget."""
    split_hash: str
    """Hash of which utterance is tested in which fold."""
    budgets: list[BudgetResult] = Field(min_length=1)
    area: Metric
    """Area under UAR over the axis below, divided by the length of the axis, so in [0, 1]."""
    area_axis: str
    """Such as ``log10(fraction of training labels) from 0.01 to 1``."""
    labels_needed: list[LabelsNeeded] = Field(default_factory=list)
    majority: dict[str, Metric]
    """``uar``, ``wa`` and ``macro_f1`` of always predicting the training side's largest class."""
    confusion: list[list[int]]
    """Counts at the largest budget of the first draw, of those with a label; rows are gold, columns
    are predicted."""
    control: str | None = None
    """``"permuted gold"`` if training labels were permuted within speakers; None otherwise."""
    warnings: list[str] = Field(default_factory=list)

    @property
    def largest(self) -> BudgetResult:
        """The budget with the most labels."""
        return max(self.budgets, key=lambda budget: budget.n_labels)


class ZeroShotResult(Confused):
    """Content of `zeroshot.json`: predictions made without any human label of the set.

    An abstention counts as a miss in every score.
    """

    source: Literal["head", "labels"]
    """``head``: the pre-trained head classifies the recording. ``labels``: the labeler reads the
    transcript, the text-only row."""
    taxonomy: str
    """Taxonomy of the predictions, before its map to the gold labels."""
    labels: list[str]
    """Gold labels that occur, in the taxonomy's order."""
    unreachable: list[str] = Field(default_factory=list)
    """Gold labels that no label maps to: their recall is always 0."""
    n_utterances: int
    n_speakers: int
    coverage: Metric
    """Share of utterances with a label after the map."""
    uar: Metric
    wa: Metric
    macro_f1: Metric
    recalls: dict[str, float]
    """Gold label → recall."""
    confusion: list[list[int]]
    """Rows are gold, columns are predicted; the last column counts abstentions."""


class TargetScore(Result):
    """Scores of one numeric target, predicted from frozen embeddings on held-out speakers."""

    target: str
    scale: Literal["raw", "speaker"]
    """``speaker``: target and embedding z-scored within each speaker, so the speaker's identity
    does not help."""
    layer: str
    """Layer chosen most often over the folds, by inner folds of training speakers."""
    strength: float
    """Ridge penalty chosen for it (median over folds), for standardised embeddings."""
    r2: Metric
    """Pooled out-of-fold R² against each fold's training mean; below 0 is worse than that mean."""
    pearson: Metric
    """Pearson correlation of the pooled out-of-fold predictions; 0 if they are constant."""
    ccc: Metric
    """Lin's concordance correlation coefficient of the same."""
    n: int
    """Utterances with a defined target."""
    layers: dict[str, Metric] = Field(default_factory=dict)
    """Layer → R² from that layer alone, at its own best penalty; empty with a single layer."""


class ClassScore(Result):
    """Scores of one target's classes, predicted out of fold from frozen embeddings."""

    target: str
    scale: Literal["raw", "speaker"]
    """``speaker``: embeddings z-scored within each speaker."""
    layer: str
    """Layer chosen most often over the folds, by inner folds of the training side."""
    strength: float
    """Penalty per row chosen for it (median over folds); C is 1 / (rows · strength)."""
    uar: Metric
    """Mean recall of the classes, averaged over strata."""
    wa: Metric
    """Accuracy, averaged over strata."""
    chance: float
    """UAR of guessing."""
    n_classes: int
    n_strata: int = 1
    """Scripted sentences that were each trained on and tested separately; 1 if all utterances were
    taken together."""
    n: int
    """Utterances tested."""
    layers: dict[str, Metric] = Field(default_factory=dict)
    """Layer → UAR from that layer alone; empty with a single layer."""


class ProbeResult(Result):
    """Content of `probe.json`: one encoder's embeddings and one probe."""

    probe: str
    targets: list[TargetScore]
    """Targets that are numbers."""
    classes: list[ClassScore] = Field(default_factory=list)
    """Targets that are classes."""
    held_out: HeldOut = "speakers-and-sentences"
    """What test and training utterances do not share (`Probe.held_out`)."""
    n_speakers: int
    n_utterances: int = 0
    n_folds: int = 0
    sentence_disjoint: bool = False
    """Whether no test sentence is on the training side of its fold."""
    split_hash: str = ""
    warnings: list[str] = Field(default_factory=list)


class CueDrop(Result):
    """The drop of a classifier trained with a prosodic cue when the cue is flattened."""

    cue: str
    """``f0`` or ``energy``."""
    uar: Metric
    """UAR on speech resynthesised with the cue flattened."""
    drop: Metric
    """UAR of the resynthesis without flattening, minus `uar`; paired by utterance."""


class FlattenResult(Result):
    """Content of `flatten.json`: trained on natural speech, tested without single cues."""

    original: Metric
    """UAR on the recordings themselves, with all labels of the training side."""
    resynthesised: Metric
    """UAR on speech resynthesised by the vocoder without flattening."""
    vocoder: Metric
    """`original` minus `resynthesised`: the damage of the vocoder itself."""
    cues: list[CueDrop]
    split_hash: str


class TransferScore(Confused):
    """Scores of a head that was trained on other labelled sets and tested on this one."""

    trained_on: list[str]
    """Names of the training sets; several if they were pooled."""
    labels: list[str]
    """Common labels: those of the result's taxonomy that occur on both sides."""
    n_train: int
    n_train_speakers: int
    n_test: int
    n_test_speakers: int
    left_out: dict[str, dict[str, int]] = Field(default_factory=dict)
    """Set → its own label → utterances without a common label."""
    tested_speakers: dict[str, list[str]] = Field(default_factory=dict)
    """Training set → its speakers who were not trained on, because this set tests them."""
    layer: str
    """Layer chosen on the training speakers."""
    strength: float
    """Inverse regularisation strength C chosen on the training speakers."""
    chosen: bool = True
    """False if there were too few training speakers to choose, so that defaults were used."""
    uar: Metric
    wa: Metric
    macro_f1: Metric
    majority: dict[str, Metric]
    """``uar``, ``wa`` and ``macro_f1`` of always predicting the training sets' largest class."""
    confusion: list[list[int]]
    """Rows are gold, columns are predicted, in the order of `labels`."""
    within: Metric | None = None
    """UAR of heads trained within this set, by its speaker folds, on the same utterances and
    labels; None if a fold has fewer than 2 of the labels to train on."""
    to_within: Metric | None = None
    """`uar` minus `within`, paired by utterance: negative if transfer loses."""


class TransferResult(Result):
    """Content of `transfer.json`: heads of other labelled sets on this one, without its labels."""

    taxonomy: str
    """Taxonomy that labels were mapped to."""
    normalise: Literal["none", "corpus", "speaker"] = "none"
    """Units within which embeddings were z-scored."""
    scores: list[TransferScore]
    """One per training set and, of several, one for all of them pooled, which comes last."""
    warnings: list[str] = Field(default_factory=list)
