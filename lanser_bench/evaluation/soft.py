"""Soft labels: heads that learn distributions of votes, their scores, and the annotators' own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from .arrays import Floats, Ints
from .budgets import Budget
from .calibration import (
    brier,
    calibration_error,
    calibration_metric,
    gap_sums,
    jensen_shannon,
    label_sets,
    reliability,
)
from .efficiency import Study
from .predictions import classification_score, tallies
from .results import Metric
from .soft_results import Ceiling, ReliabilityBin, SoftScores
from .statistics import Statistic, mean_of, metric, ratio_mean

SPLITS = 20
"""Random halves of each utterance's votes."""
TIED = 1e-9


@dataclass(frozen=True)
class Distributions:
    """Predicted distributions of some utterances, one per draw of the labelled subset."""

    speakers: list[str]
    votes: Floats
    """Shape (n, K)."""
    predicted: Floats
    """Shape (draws, n, K); rows add up to 1."""

    @classmethod
    def of(cls, speakers: list[str], votes: Floats, predicted: Floats) -> Distributions:
        """Normalises rows of float32, as files have them."""
        exact = np.asarray(predicted, np.float64)
        return cls(speakers, votes, exact / exact.sum(-1, keepdims=True))


def leaders(votes: Floats) -> Floats:
    """Returns the weight of the labels with most votes, shape (n, K): 1, or shared if tied."""
    top = votes >= votes.max(1, keepdims=True) - TIED
    return np.asarray(top / top.sum(1, keepdims=True))


def distributions(study: Study, votes: Floats, budget: Budget) -> Distributions:
    """Returns the predictions of one budget on the tested utterances."""
    return _tested(study, votes, study.answers(budget, np.zeros(votes.shape)))


def mean_votes(study: Study, votes: Floats) -> Distributions:
    """Returns the mean votes of each fold's training side as predictions."""
    predicted = np.zeros((1, *votes.shape))
    for fold in study.folds:
        predicted[0, fold.test] = votes[fold.train].mean(0)
    return _tested(study, votes, predicted)


def _tested(study: Study, votes: Floats, predicted: Floats) -> Distributions:
    rows = study.tested()
    speakers = [study.data.speakers[p] for p in rows]
    return Distributions.of(speakers, votes[rows], predicted[:, rows])


def statistics(data: Distributions, bins: int) -> dict[str, Statistic]:
    """Returns the scores of `SoftScores` as functions of sums over the sorted speakers."""
    names, unit = np.unique(data.speakers, return_inverse=True)
    p, t = data.predicted, data.votes
    chosen, K = p.argmax(-1), p.shape[2]
    counts = np.zeros((len(names), len(p), K, K))
    clear = (leaders(t) == 1).any(1)
    for draw, labels in enumerate(chosen[:, clear]):
        np.add.at(counts, (unit[clear], draw, t[clear].argmax(1), labels), 1)
    share = np.take_along_axis(t, chosen.T, 1).T
    return {
        "jsd": mean_of(jensen_shannon(p, t).mean(0), unit),
        "brier": mean_of(brier(p, t).mean(0), unit, 2.0),
        "ece": calibration_error(gap_sums(p.max(-1), share, unit, bins)),
        "set_f1": set_f1(p, t, unit),
        "uar": classification_score(tallies(counts), "uar"),
    }


def set_f1(p: Floats, t: Floats, unit: Ints) -> Statistic:
    """Returns macro-F1 of label sets as a function of sums over speakers, the mean over draws.

    Labels that are in no set count as 0. `p` has shape (draws, n, K), `t` the same or (n, K).
    """
    ours, theirs = label_sets(p), np.broadcast_to(label_sets(t), p.shape)
    shape = (int(unit.max()) + 1, p.shape[0], p.shape[2])
    hits, marked = np.zeros((2, *shape))
    np.add.at(hits, unit, np.moveaxis(2.0 * (ours & theirs), 1, 0))
    np.add.at(marked, unit, np.moveaxis(1.0 * ours + theirs, 1, 0))
    flat, cells = (shape[0], -1), shape[1] * shape[2]
    score = ratio_mean(hits.reshape(flat), marked.reshape(flat), np.full(cells, 1 / cells))
    return replace(score, bounds=(0.0, 1.0))


def soft_scores(data: Distributions, bins: int) -> SoftScores:
    """Returns the scores with intervals over speakers."""
    found = statistics(data, bins)
    metrics = {name: metric(statistic) for name, statistic in found.items() if name != "ece"}
    return SoftScores(ece=calibration_metric(found["ece"].sums), **metrics)


def reliability_of(data: Distributions, bins: int) -> list[ReliabilityBin]:
    """Returns the reliability of the predicted labels, over all draws."""
    chosen = data.predicted.argmax(-1)
    share = np.take_along_axis(data.votes, chosen.T, 1).T
    unit = np.tile(np.unique(data.speakers, return_inverse=True)[1], len(chosen))
    return reliability(data.predicted.max(-1).ravel(), share.ravel(), unit, bins)


def ceiling(votes: Floats, totals: Floats, speakers: Sequence[str]) -> Ceiling | None:
    """Returns how well annotators predict each other; None without counts of votes.

    One annotator against the others of the utterance (leave one out, Snow et al. 2008) is exact:
    the mean over its votes. Random halves (split-half reliability, Spearman 1910) are drawn
    `SPLITS` times. Both compare samples of votes, so a good head may come closer to all votes.
    Votes are shares, shape (n, K); `totals` their number per utterance, NaN if unknown.
    """
    counts = np.rint(votes * np.nan_to_num(totals)[:, None])
    whole = np.abs(counts - votes * np.nan_to_num(totals)[:, None]).max(1) < 0.01
    rows = np.flatnonzero(whole & (counts.sum(1) >= 2))
    if not len(rows):
        return None
    c, n = counts[rows], counts[rows].sum(1)
    unit = np.unique(np.array(speakers)[rows], return_inverse=True)[1]
    one = np.eye(c.shape[1])
    rest = np.maximum(c[:, None] - one, 0) / (n - 1)[:, None, None]  # (n, K held out, K)
    held, lone = c / n[:, None], np.broadcast_to(one, rest.shape)
    rng = np.random.default_rng([0, len(rows)])
    draw, sizes = rng.multivariate_hypergeometric, (n // 2).astype(np.int64)
    pairs = zip(c.astype(np.int64), sizes, strict=True)
    first = np.stack([draw(of, size, size=SPLITS) for of, size in pairs])
    a = first / first.sum(-1, keepdims=True)
    b = (c[:, None] - first) / (c[:, None] - first).sum(-1, keepdims=True)

    def over(values: Floats, top: float = 1.0) -> Metric:
        return metric(mean_of(values, unit, top))

    return Ceiling(
        n_utterances=len(rows),
        n_votes=float(n.mean()),
        agreement=over((held * np.einsum("nkk->nk", rest)).sum(1)),
        one_jsd=over((held * jensen_shannon(lone, rest)).sum(1)),
        one_brier=over((held * brier(lone, rest)).sum(1), 2.0),
        halves_jsd=over(jensen_shannon(a, b).mean(1)),
        halves_brier=over(brier(a, b).mean(1), 2.0),
        halves_set_f1=metric(set_f1(np.moveaxis(a, 1, 0), np.moveaxis(b, 1, 0), unit)),
    )
