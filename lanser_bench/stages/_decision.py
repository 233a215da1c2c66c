"""From scores to weak labels: corrections, the best label, and reasons to give none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..errors import LanserError, PluginError, SettingsError
from ..kinds.labeler import Labeler, ScoreKind, Scores, TextRecord
from ..taxonomy import NeutralRule, Taxonomy

if TYPE_CHECKING:
    from .label import Params

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

REASONS = ("no speech", "empty text", "labeler", "neutral rule", "low confidence", "low margin")
"""Why an utterance gets no label; the first that holds is the one given."""


@dataclass(frozen=True)
class Decision:
    """What `decide` makes of n rows of scores."""

    scores: Floats
    """Shape (n, K): after temperature and prior correction."""
    index: npt.NDArray[np.int32]
    """Shape (n,): position of the label; −1 where there is none."""
    confidence: npt.NDArray[np.float32]
    """Shape (n,): the best label's score, also where it was not good enough."""
    reasons: list[str | None]
    """One of `REASONS` where there is no label."""


def decide(
    values: npt.NDArray[np.floating[Any]],
    kind: ScoreKind,
    abstained: Bools,
    taxonomy: Taxonomy,
    params: Params,
    *,
    empty: Bools | None = None,
    no_speech: Bools | None = None,
) -> Decision:
    """Chooses a label for every row, or a reason to give none. Ties go to the earlier label.

    Args:
        values: a labeler's scores, shape (n, K).
        kind: their kind.
        abstained: where the labeler declined, shape (n,).
        taxonomy: the labels.
        params: thresholds and corrections.
        empty: where there was no text, shape (n,).
        no_speech: where the recogniser says that nobody spoke, shape (n,).
    """
    n = len(values)
    nothing = np.zeros(n, dtype=bool)
    empty = nothing if empty is None else empty
    no_speech = nothing if no_speech is None else no_speech
    answered = ~(abstained | empty | no_speech)
    scores = tempered(np.asarray(values, dtype=np.float64), kind, params.temperature)
    if params.prior_correction == "corpus-mean":
        scores = prior_corrected(scores, answered)
    best = scores.argmax(axis=1) if n else np.zeros(0, dtype=np.intp)
    ordered = np.sort(scores, axis=1)
    top, second = ordered[:, -1], ordered[:, -2]
    tests = {
        "no speech": no_speech,
        "empty text": empty,
        "labeler": abstained,
        "neutral rule": _neutral(best, top, taxonomy, params),
        "low confidence": top < params.min_confidence,
        "low margin": top - second < params.min_margin,
    }
    reason = np.select([tests[name] for name in REASONS], range(len(REASONS)), default=-1)
    return Decision(
        scores=scores,
        index=np.where(reason < 0, best, -1).astype(np.int32),
        confidence=top.astype(np.float32),
        reasons=[None if number < 0 else REASONS[number] for number in reason.tolist()],
    )


def tempered(values: Floats, kind: ScoreKind, temperature: float) -> Floats:
    """Sharpens (below 1) or flattens (above 1) scores, as a divisor of the logits would."""
    if temperature == 1.0:
        return values
    powers = values ** (1.0 / temperature)
    if kind == "distribution":
        total = powers.sum(axis=1, keepdims=True)
    else:
        total = powers + (1.0 - values) ** (1.0 / temperature)
    return _ratio(powers, total)


def prior_corrected(scores: Floats, answered: Bools) -> Floats:
    """Divides each label's scores by their mean over the corpus and makes rows add up to 1.

    A zero-shot model favours some labels whatever the text says; its mean score over many texts
    estimates that without any gold (batch calibration: Zhou et al. 2024, arXiv 2309.17249; Zhao et
    al. 2021, arXiv 2102.09690, does it with empty inputs). It also takes away part of what is
    truly frequent.

    Args:
        scores: shape (n, K).
        answered: rows to take the mean over, shape (n,).
    """
    if not answered.any():
        return scores
    mean = scores[answered].mean(axis=0)
    lifted = _ratio(scores, mean)
    total = lifted.sum(axis=1, keepdims=True)
    return _ratio(lifted, total)


def _ratio(upper: Floats, lower: Floats) -> Floats:
    """Divides, with 0 where there is nothing to divide by."""
    found: Floats = np.zeros_like(upper)
    np.divide(upper, lower, out=found, where=lower > 0)
    return found


def _neutral(best: npt.NDArray[Any], top: Floats, taxonomy: Taxonomy, params: Params) -> Bools:
    """Where the taxonomy's or the user's rule says: no emotion here, so no label."""
    if params.neutral == "abstain" and taxonomy.neutral is not None:
        return np.asarray(best == taxonomy.index(taxonomy.neutral))
    rule = neutral_rule(taxonomy, params)
    return np.asarray(top < rule.min_confidence if rule.kind == "abstain" else top < -np.inf)


def neutral_rule(taxonomy: Taxonomy, params: Params) -> NeutralRule:
    """Returns the rule in force for a taxonomy without a neutral label.

    Raises:
        SettingsError: the label stage asks to abstain and the file has no threshold to do it by.
    """
    if taxonomy.neutral is not None or params.neutral == "keep":
        return NeutralRule(kind="keep")
    if params.neutral == "taxonomy":
        return taxonomy.neutral_rule
    threshold = taxonomy.neutral_rule.min_confidence
    if threshold <= 0:
        raise SettingsError(
            f"label.neutral is 'abstain', but {taxonomy.name} has neither a neutral label nor a "
            "threshold: give `neutral_rule: {kind: keep, min_confidence: …}` in its file, or set "
            "label.min_confidence instead."
        )
    return NeutralRule(kind="abstain", min_confidence=threshold)


def checked_scores(
    labeler: Labeler[Any], name: str, records: Sequence[TextRecord], taxonomy: Taxonomy
) -> Scores:
    """Calls a labeler and holds it to its contract.

    Raises:
        PluginError: it failed, or gave wrong shapes, numbers that are not finite or out of range,
            or distributions that do not add up to 1.
    """
    try:
        scores = labeler.score(records, taxonomy)
    except LanserError:
        raise
    # A stranger's labeler may fail in any way; the user must learn where.
    except Exception as error:
        raise PluginError(
            f"labeler '{name}' failed on {len(records)} records, the first of them "
            f"'{records[0].text[:40] if records else ''}': {type(error).__name__}: {error}."
        ) from error
    fault = score_fault(scores, len(records), len(taxonomy.labels))
    if fault:
        raise PluginError(f"labeler '{name}' breaks its contract: {fault}.")
    return scores


def score_fault(scores: object, n: int, k: int) -> str:
    """Says what is wrong with an answer to n records over K labels; empty if nothing is."""
    if not isinstance(scores, Scores):
        return f"score() returned {type(scores).__name__}, not lanser_bench.Scores"
    values = np.asarray(scores.values)
    if values.shape != (n, k):
        return f"values have shape {values.shape}, not ({n}, {k}) = (records, labels)"
    if np.asarray(scores.abstained).shape != (n,):
        return f"abstained has shape {np.asarray(scores.abstained).shape}, not ({n},)"
    if not np.isfinite(values).all():
        return "values hold NaN or infinity"
    if n and (values.min() < 0 or values.max() > 1 + 1e-4):
        return "values lie outside [0, 1]"
    if scores.kind not in ("distribution", "independent"):
        return f"kind is '{scores.kind}', not 'distribution' or 'independent'"
    if scores.kind == "distribution" and n and abs(values.sum(axis=1) - 1).max() > 1e-3:
        return "rows of a 'distribution' do not add up to 1"
    if scores.logits is not None and np.asarray(scores.logits).shape[:2] != (n, k):
        shape = np.asarray(scores.logits).shape
        return f"logits have shape {shape}, which does not begin with ({n}, {k})"
    return ""
