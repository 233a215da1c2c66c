"""Zero-shot scores: predictions in one taxonomy, mapped to another, without gold in training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ..errors import TaxonomyError
from ..taxonomy import Taxonomy, mapped_choice
from .agreement import Units, share
from .arrays import Bools, Floats, Ints
from .metrics import confusion_matrix
from .predictions import Classified, classification
from .results import ZeroShotResult
from .statistics import Statistic, metric


def choices(scores: npt.NDArray[np.floating], matrix: Floats, abstained: Bools) -> Ints:
    """Returns the target label of each utterance, shape (n,); −1 for an abstention.

    Scores over the source labels, shape (n, K source), are non-negative; the map has shape
    (K source, K target).
    """
    total = scores.sum(axis=1, keepdims=True)
    shares = np.divide(scores, total, out=np.zeros_like(scores, np.float64), where=total > 0)
    _, best = mapped_choice(shares, matrix)
    return np.where(abstained, -1, best)


def common_taxonomy(weak: Taxonomy, gold: Taxonomy) -> Taxonomy:
    """Returns the taxonomy in which both are compared: that of gold, if a map leads there.

    It is a `TaxonomyError` if neither can be mapped to the other.
    """
    try:
        weak.map_to(gold)
    except TaxonomyError as error:
        try:
            gold.map_to(weak)
        except TaxonomyError:
            raise error from None
        return weak
    return gold


def zero_shot(
    predicted: Ints,
    gold: Ints,
    speakers: Sequence[str],
    labels: Sequence[str],
    *,
    source: str,
    taxonomy: str,
    unreachable: Sequence[str] = (),
) -> ZeroShotResult:
    """Scores predictions that were made without labels of the target.

    An abstention, −1, is a miss: it counts in every denominator, and coverage is reported
    separately. Predicted and human labels have shape (n,). Gold labels that never occur are left
    out of the result; no label of the taxonomy maps to those `unreachable`.
    """
    present = np.unique(gold)
    data = answered(predicted, gold, speakers)
    k, answers, truth = len(present), data.predicted[0], data.gold
    scores = classification(data)
    # The extra class has an F1 of zero and must not count.
    scores["macro_f1"] = _times(scores["macro_f1"], (k + 1) / k)
    confusion = confusion_matrix(truth, answers, k + 1)[:k]
    support = confusion.sum(1)
    names = [labels[label] for label in present]
    return ZeroShotResult(
        source=source,
        taxonomy=taxonomy,
        labels=names,
        unreachable=[name for name in names if name in set(unreachable)],
        n_utterances=len(gold),
        n_speakers=len(set(speakers)),
        coverage=share(answers < k, Units("speakers", np.array(list(speakers)))),
        **{name: metric(score) for name, score in scores.items()},
        recalls=dict(zip(names, (np.diagonal(confusion) / support).tolist(), strict=True)),
        confusion=confusion.tolist(),
    )


def answered(predicted: Ints, gold: Ints, speakers: Sequence[str]) -> Classified:
    """Returns predictions over the labels that occur in gold, and one more for abstentions.

    Arguments are those of `zero_shot`.
    """
    present = np.unique(gold)
    answers = np.full(len(gold), len(present))  # an extra class: predicted, never gold
    for position, label in enumerate(present):
        answers[predicted == label] = position
    truth = np.searchsorted(present, gold)
    ids = [str(i) for i in range(len(gold))]
    return Classified(ids, list(speakers), truth, answers[None], len(present) + 1)


def _times(statistic: Statistic, factor: float) -> Statistic:
    return replace(
        statistic,
        value=lambda totals: factor * statistic.value(totals),
        gradient=lambda totals: factor * statistic.gradient(totals),
        ratios=None,
    )
