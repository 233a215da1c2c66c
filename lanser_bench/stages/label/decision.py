"""From scores to weak labels: corrections, the best label, and reasons to give none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ...errors import PluginError, SettingsError, plugin_boundary
from ...kinds.labeler import ScoreKind, Scores, TextRecord
from ...taxonomy import Taxonomy
from .calibration import divided, mean_scores, tempered
from .filters import disagreeing, not_in_top, over_balance
from .spec import neutral_rule

if TYPE_CHECKING:
    from .spec import Params

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Scorer = Callable[[Sequence[TextRecord], Taxonomy], Scores]

REASONS = (
    "no speech",
    "empty text",
    "labeler",
    "neutral rule",
    "low confidence",
    "low margin",
    "labelers disagree",
    "not in top q",
    "class balance",
)
"""Why an utterance gets no label; the first that applies is reported."""
LABELLED = -1
"""Instead of a position in `REASONS`: there is a label."""


@dataclass(frozen=True)
class Evidence:
    """The input of a decision about some rows."""

    values: npt.NDArray[np.floating[Any]]
    """A labeler's scores, shape (n, K)."""
    abstained: Bools
    """Where the labeler abstained, shape (n,)."""
    empty: Bools
    """Where there is no text."""
    no_speech: Bools
    """Where the recogniser found no speech."""

    @property
    def answered(self) -> Bools:
        """Rows that count in corpus means, shape (n,)."""
        return ~(self.abstained | self.empty | self.no_speech)


@dataclass(frozen=True)
class Decision:
    """Labels of n rows of scores."""

    scores: Floats
    """Shape (n, K): after temperature and prior correction."""
    index: npt.NDArray[np.int32]
    """Shape (n,): position of the label; −1 if there is none."""
    confidence: npt.NDArray[np.float32]
    """Shape (n,): the best label's score, even if it was too low."""
    reasons: list[str | None]
    """One of `REASONS` if there is no label."""


@dataclass(frozen=True)
class Choices:
    """Labels of a whole corpus without their scores: nine bytes per utterance."""

    index: npt.NDArray[np.int32]
    confidence: npt.NDArray[np.float32]
    reason: npt.NDArray[np.int8]
    """Positions in `REASONS`, or `LABELLED`."""

    def reasons(self, rows: slice) -> list[str | None]:
        """Returns why rows have no label; None if they have one."""
        codes = self.reason[rows].tolist()
        return [None if code == LABELLED else REASONS[code] for code in codes]


def decide(
    values: npt.NDArray[np.floating[Any]],
    kind: ScoreKind,
    abstained: Bools,
    taxonomy: Taxonomy,
    params: Params,
    *,
    empty: Bools | None = None,
    no_speech: Bools | None = None,
    content_free: Floats | None = None,
) -> Decision:
    """Chooses a label for every row, or a reason to give none. Ties go to the earlier label.

    The arrays are those of `Evidence`, but for `content_free`: scores of shape (m, K).

    Raises:
        SettingsError: as `fitted_prior`.
    """
    none = np.zeros(len(values), dtype=bool)
    empty, no_speech = (none if rows is None else rows for rows in (empty, no_speech))
    evidence = Evidence(values, abstained, empty, no_speech)
    prior = fitted_prior(lambda: [evidence], kind, params, len(taxonomy.labels), content_free)
    choices = choose(lambda: [evidence], len(values), kind, taxonomy, params, prior)
    return Decision(
        corrected(evidence.values, kind, params, prior),
        choices.index,
        choices.confidence,
        choices.reasons(slice(None)),
    )


def corrected(
    values: npt.NDArray[np.floating[Any]], kind: ScoreKind, params: Params, prior: Floats | None
) -> Floats:
    """Returns scores after temperature and prior correction, shape (n, K)."""
    scores = tempered(np.asarray(values, dtype=np.float64), kind, params.temperature)
    return scores if prior is None else divided(scores, prior)


def fitted_prior(
    blocks: Callable[[], Iterable[Evidence]],
    kind: ScoreKind,
    params: Params,
    k: int,
    content_free: Floats | None = None,
) -> Floats | None:
    """Returns the prior that divides scores, shape (K,); None if there is no correction.

    `blocks` starts a pass over the corpus. `content_free` are the scores of content-free texts,
    shape (m, K).

    Raises:
        SettingsError: the correction needs `content_free`.
    """
    if params.prior_correction == "none":
        return None
    if params.prior_correction == "content-free":
        if content_free is None:
            raise SettingsError(
                "label.prior_correction is 'content-free', which needs a labeler and not only "
                "scores. Choose 'corpus-mean' here."
            )
        return np.asarray(corrected(content_free, kind, params, None).mean(axis=0))
    scores = ((corrected(rows.values, kind, params, None), rows.answered) for rows in blocks())
    return mean_scores(scores, k)


def choose(
    blocks: Callable[[], Iterable[Evidence]],
    n: int,
    kind: ScoreKind,
    taxonomy: Taxonomy,
    params: Params,
    prior: Floats | None,
    second: npt.NDArray[np.int32] | None = None,
) -> Choices:
    """Chooses labels block by block, then applies the filters that need all of them.

    `blocks` starts a pass over the `n` rows of the corpus; `prior` is from `fitted_prior`.
    `second` are the labels of another labeler, shape (n,).
    """
    index, confidence = np.zeros(n, np.int32), np.zeros(n, np.float32)
    reason = np.zeros(n, np.int8)
    begin = 0
    for evidence in blocks():
        rows = slice(begin, begin := begin + len(evidence.values))
        scores = corrected(evidence.values, kind, params, prior)
        best, top, reason[rows] = _chosen(scores, evidence, taxonomy, params)
        index[rows] = np.where(reason[rows] == LABELLED, best, -1)
        confidence[rows] = top

    def drop(rows: Bools, why: str) -> None:
        index[rows], reason[rows] = -1, REASONS.index(why)

    if second is not None:
        drop(disagreeing(index, second), "labelers disagree")
    drop(not_in_top(index, confidence, params.top_q), "not in top q")
    if params.balance == "downsample":
        drop(over_balance(index, params.balance_seed), "class balance")
    return Choices(index, confidence, reason)


def _chosen(
    scores: Floats, evidence: Evidence, taxonomy: Taxonomy, params: Params
) -> tuple[npt.NDArray[np.intp], Floats, npt.NDArray[np.int8]]:
    """Returns the best label of each row, its score, and the first reason against it."""
    best = scores.argmax(axis=1) if len(scores) else np.zeros(0, dtype=np.intp)
    ordered = np.sort(scores, axis=1)
    top = ordered[:, -1]
    second = ordered[:, -2] if scores.shape[1] > 1 else np.zeros_like(top)
    tests = {
        "no speech": evidence.no_speech,
        "empty text": evidence.empty,
        "labeler": evidence.abstained,
        "neutral rule": _neutral(best, top, taxonomy, params),
        "low confidence": top < params.min_confidence,
        "low margin": top - second < params.min_margin,
    }
    codes = [REASONS.index(name) for name in tests]
    return best, top, np.select(list(tests.values()), codes, LABELLED).astype(np.int8)


def _neutral(best: npt.NDArray[Any], top: Floats, taxonomy: Taxonomy, params: Params) -> Bools:
    """Returns where the taxonomy's or the user's rule for neutral rows gives no label."""
    if params.neutral == "abstain" and taxonomy.neutral is not None:
        return np.asarray(best == taxonomy.index(taxonomy.neutral))
    rule = neutral_rule(taxonomy, params)
    return np.asarray(top < rule.min_confidence if rule.kind == "abstain" else top < -np.inf)


def checked_scores(
    score: Scorer, name: str, records: Sequence[TextRecord], taxonomy: Taxonomy
) -> Scores:
    """Scores records by the labeler of a name, and checks the scores.

    Raises:
        PluginError: it failed, or returned wrong shapes, numbers that are not finite or out of
            range, or distributions that do not add up to 1.
    """
    first = records[0].text[:40] if records else ""
    with plugin_boundary(f"labeler '{name}' failed on {len(records)} records (first: '{first}')"):
        scores = score(records, taxonomy)
        fault = score_fault(scores, len(records), len(taxonomy.labels))
    if fault:
        raise PluginError(f"labeler '{name}' breaks its contract: {fault}.")
    return scores


def score_fault(scores: object, n: int, k: int) -> str:
    """Describes the first fault in scores of n records over K labels; empty if there is none."""
    if not isinstance(scores, Scores):
        return f"score() returned {type(scores).__name__}, not lanser_bench.Scores"
    values = np.asarray(scores.values)
    if values.shape != (n, k):
        return f"values have shape {values.shape}, not ({n}, {k}) = (records, labels)"
    if n and values.dtype.kind not in "biuf":
        return f"values have the type {values.dtype}, not float32"
    for name in ("abstained", "truncated"):
        flags = np.asarray(getattr(scores, name))
        if name == "truncated" and scores.truncated is None:
            continue
        if flags.shape != (n,) or (n and flags.dtype != np.bool_):
            return f"{name} has shape {flags.shape} and type {flags.dtype}, not ({n},) and bool"
    if not np.isfinite(values).all():
        return "values contain NaN or infinity"
    if n and (values.min() < 0 or values.max() > 1 + 1e-4):
        return "values are outside [0, 1]"
    if scores.kind not in ("distribution", "independent"):
        return f"kind is '{scores.kind}', not 'distribution' or 'independent'"
    if scores.kind == "distribution" and n and abs(values.sum(axis=1) - 1).max() > 1e-3:
        return "rows of a 'distribution' do not add up to 1"
    shape = (n, k) if scores.logits is None else np.asarray(scores.logits).shape
    if shape[:2] != (n, k):
        return f"logits have shape {shape}, which does not begin with ({n}, {k})"
    return ""
