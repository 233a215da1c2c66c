"""Scores over one taxonomy read in another: no human label of the evaluated set takes part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ..taxonomy import mapped_choice
from .metrics import confusion_matrix
from .predictions import Classified, classification
from .results import Metric, ZeroShotResult
from .statistics import Statistic, metric, ratio_mean

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def choices(
    scores: npt.NDArray[np.floating], matrix: Floats, abstained: npt.NDArray[np.bool_]
) -> Ints:
    """Returns the label there of each utterance, shape (n,); −1 where it abstains.

    Args:
        scores: scores over the labels here, shape (n, K here), not negative.
        matrix: the map, shape (K here, K there).
        abstained: utterances without a label here.
    """
    total = scores.sum(axis=1, keepdims=True)
    shares = np.divide(scores, total, out=np.zeros_like(scores, np.float64), where=total > 0)
    _, best = mapped_choice(shares, matrix)
    return np.where(abstained, -1, best)


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
    """Scores choices that no label of the target took part in.

    An abstention is a miss: it counts in every denominator, and coverage stands beside.

    Args:
        predicted: label of each utterance, −1 for none, shape (n,).
        gold: human label, shape (n,).
        speakers: who speaks.
        labels: names of the gold labels; those without any gold are left out of the result.
        source: what chose, such as ``head``.
        taxonomy: the taxonomy that it chose in.
        unreachable: gold labels that no label of that taxonomy maps to.
    """
    present = np.unique(gold)
    k = len(present)
    answers = np.full(len(gold), k)  # a class of its own: predicted, never gold
    for position, label in enumerate(present):
        answers[predicted == label] = position
    truth = np.searchsorted(present, gold)
    ids = [str(i) for i in range(len(gold))]
    found = classification(Classified(ids, list(speakers), truth, answers[None], k + 1))
    # The class of abstentions holds no gold: it must not count as a label with an F1 of zero.
    found["macro_f1"] = _times(found["macro_f1"], (k + 1) / k)
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
        coverage=_coverage(answers < k, speakers),
        uar=metric(found["uar"]),
        wa=metric(found["wa"]),
        macro_f1=metric(found["macro_f1"]),
        recalls=dict(zip(names, (np.diagonal(confusion) / support).tolist(), strict=True)),
        confusion=confusion.tolist(),
    )


def _times(statistic: Statistic, factor: float) -> Statistic:
    return replace(
        statistic,
        value=lambda totals: factor * statistic.value(totals),
        gradient=lambda totals: factor * statistic.gradient(totals),
        ratios=None,
    )


def _coverage(labelled: npt.NDArray[np.bool_], speakers: Sequence[str]) -> Metric:
    _, unit = np.unique(list(speakers), return_inverse=True)
    hits, all_ = np.bincount(unit, labelled), np.bincount(unit)
    share = ratio_mean(hits[:, None].astype(float), all_[:, None].astype(float), np.ones(1))
    return metric(replace(share, bounds=(0.0, 1.0)))
