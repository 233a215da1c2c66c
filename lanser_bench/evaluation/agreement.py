"""How far labels agree with gold, with intervals over speakers or, without speakers, over rows.

Over speakers the intervals are those of `statistics`. Rows without speakers are taken as
independent draws: then the counts of (gold, label) pairs are multinomial, so the rows need not be
drawn again one by one, and with hundreds of rows a percentile interval covers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from .metrics import confusion_matrix
from .predictions import Classified, classification
from .results import Interval, Metric
from .statistics import LEVEL, RESAMPLES, Statistic, metric, ratio_mean

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
OVER_ROWS = "percentile bootstrap over rows"
MIN_ROWS = 20
"""Below this no interval over rows is printed."""


@dataclass(frozen=True)
class Units:
    """What uncertainty is taken over: speakers where all rows have one, else rows."""

    kind: Literal["speakers", "rows"]
    speakers: npt.NDArray[np.str_] | None
    """Shape (rows,); None for rows."""

    @classmethod
    def of(cls, speakers: Sequence[str | None]) -> Units:
        """Chooses speakers where every row has one."""
        known = [speaker for speaker in speakers if speaker is not None]
        if not known or len(known) < len(speakers):
            return cls("rows", None)
        return cls("speakers", np.array(known))

    def part(self, rows: npt.NDArray[np.bool_ | np.int64]) -> Units:
        """The units of some of the rows."""
        return replace(self, speakers=None if self.speakers is None else self.speakers[rows])


def agreement(gold: Ints, labels: Ints, k: int, units: Units) -> dict[str, Metric]:
    """Returns ``uar``, ``wa`` (accuracy), ``macro_f1`` and ``kappa`` of labels against gold.

    Args:
        gold: positions, shape (n,).
        labels: positions, shape (n,); −1, an abstention, counts as a miss.
        k: number of labels.
        units: of the n rows.
    """
    # An abstention is a class of its own, K, that holds no gold.
    answers = np.where(labels < 0, k, labels)
    if units.speakers is None:
        return _over_rows(confusion_matrix(gold, answers, k + 1))
    ids = [""] * len(gold)
    data = Classified(ids, units.speakers.tolist(), gold, answers[None], k + 1)
    statistics = classification(data)
    scale = (k + 1) / k  # the extra class has an F1 of zero and must not count
    found = {name: metric(statistics[name]) for name in ("uar", "wa")}
    found["macro_f1"] = _scaled(metric(statistics["macro_f1"]), scale)
    found["kappa"] = metric(kappa_statistic(gold, answers, k + 1, units.speakers))
    return found


def share(hits: Bools, units: Units) -> Metric:
    """Returns the share of rows that hit, with its interval."""
    if units.speakers is None:
        return proportion(int(hits.sum()), len(hits))
    return metric(_ratio(hits.astype(float), np.ones(len(hits)), units.speakers))


def per_class(gold: Ints, labels: Ints, k: int, units: Units) -> list[dict[str, Metric | int]]:
    """Returns support, precision and recall of each class; recall counts abstentions as misses."""
    found: list[dict[str, Metric | int]] = []
    for position in range(k):
        mine, given = gold == position, labels == position
        found.append(
            {
                "support": int(mine.sum()),
                "given": int(given.sum()),
                "precision": share(mine[given], units.part(given)),
                "recall": share(given[mine], units.part(mine)),
            }
        )
    return found


def kappa_statistic(gold: Ints, answers: Ints, k: int, speakers: npt.NDArray[np.str_]) -> Statistic:
    """Cohen's kappa (1960) as a smooth function of the speakers' counts."""
    names, unit = np.unique(speakers, return_inverse=True)
    counts = np.zeros((len(names), k, k))
    np.add.at(counts, (unit, gold, answers), 1)

    def square(totals: Floats) -> Floats:
        return totals.reshape(*totals.shape[:-1], k, k)

    def value(totals: Floats) -> Floats:
        return kappa(square(totals))

    def gradient(totals: Floats) -> Floats:
        table = square(totals)
        n = np.maximum(table.sum((-2, -1)), 1.0)[..., None, None]
        rows, columns = table.sum(-1), table.sum(-2)
        observed = np.trace(table, axis1=-2, axis2=-1)[..., None, None] / n
        expected = (rows * columns).sum(-1)[..., None, None] / n**2
        d_observed = (np.eye(k) - observed) / n
        d_expected = (columns[..., :, None] + rows[..., None, :]) / n**2 - 2 * expected / n
        rest = np.maximum(1 - expected, 1e-12)
        slope = (d_observed * rest - (1 - observed) * d_expected) / rest**2
        return np.asarray(slope.reshape(totals.shape))

    return Statistic(counts.reshape(len(names), -1), value, gradient, bounds=(-1.0, 1.0))


def kappa(confusion: npt.NDArray[np.number]) -> Floats:
    """Cohen's kappa of tables of shape (..., K, K); 0 where chance alone agrees completely."""
    table = np.asarray(confusion, np.float64)
    n = np.maximum(table.sum((-2, -1)), 1e-12)
    observed = np.trace(table, axis1=-2, axis2=-1) / n
    expected = (table.sum(-1) * table.sum(-2)).sum(-1) / n**2
    rest = 1 - expected
    found: Floats = np.zeros_like(rest)
    np.divide(observed - expected, rest, out=found, where=rest > 1e-12)
    return found


def cohen_kappa(confusion: Ints) -> float | None:
    """Cohen's kappa of one table, shape (K, K); None where chance alone agrees completely."""
    certain = np.count_nonzero(confusion) <= 1 and np.trace(confusion) == confusion.sum()
    return None if certain else float(kappa(confusion))


def proportion(hits: int, n: int) -> Metric:
    """A share of independent rows with Wilson's score interval (1927)."""
    if n == 0:
        return Metric(value=0.0)
    p, z2 = hits / n, 1.959964**2
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = np.sqrt(z2 * (p * (1 - p) / n + z2 / (4 * n * n))) / (1 + z2 / n)
    made = Interval(
        low=max(0.0, float(centre - half)),
        high=min(1.0, float(centre + half)),
        level=LEVEL,
        method="Wilson's score interval over rows",
    )
    return Metric(value=p, interval=made)


def _ratio(top: Floats, bottom: Floats, speakers: npt.NDArray[np.str_]) -> Statistic:
    names, unit = np.unique(speakers, return_inverse=True)
    sums = np.zeros((len(names), 2))
    np.add.at(sums, unit, np.stack([top, bottom], axis=1))
    return replace(ratio_mean(sums[:, :1], sums[:, 1:], np.ones(1)), bounds=(0.0, 1.0))


def _scaled(score: Metric, factor: float) -> Metric:
    made = score.interval
    if made is not None:
        made = made.model_copy(
            update={"low": made.low * factor, "high": min(1.0, made.high * factor)}
        )
    return Metric(value=score.value * factor, interval=made)


def _over_rows(confusion: Ints) -> dict[str, Metric]:
    """All four scores with percentile intervals, out of multinomial draws of the table."""
    k = len(confusion) - 1
    draws = resampled(confusion.ravel())
    tables = draws.reshape(-1, k + 1, k + 1)
    scores: dict[str, Callable[[Floats], Floats]] = {
        "uar": lambda t: _uar(t, confusion),
        "wa": lambda t: np.trace(t, axis1=1, axis2=2) / np.maximum(t.sum((1, 2)), 1),
        "macro_f1": lambda t: _f1(t).sum(1) / k,
        "kappa": kappa,
    }
    whole = confusion[None].astype(np.float64)
    n = int(confusion.sum())
    return {
        name: interval_over_rows(float(score(whole)[0]), score(tables), n)
        for name, score in scores.items()
    }


def resampled(counts: Ints | Floats, seed: int = 0) -> Floats:
    """Counts of as many independent rows drawn again, shape (resamples, cells)."""
    n = int(counts.sum())
    rng = np.random.default_rng([seed, n])
    shares = counts / n if n else np.full(len(counts), 1 / len(counts))
    return rng.multinomial(n, shares, size=RESAMPLES).astype(np.float64)


def interval_over_rows(value: float, drawn: Floats, n: int) -> Metric:
    """A score with the percentile interval of its redrawn values."""
    if n < MIN_ROWS:
        return Metric(value=value)
    tail = (1 - LEVEL) / 2
    low, high = (float(q) for q in np.quantile(drawn, [tail, 1 - tail]))
    return Metric(value=value, interval=Interval(low=low, high=high, level=LEVEL, method=OVER_ROWS))


def _uar(tables: Floats, whole: Ints) -> Floats:
    """Mean recall; a class that a draw has none of keeps its recall of the whole table."""
    hits, support = np.diagonal(tables, axis1=1, axis2=2), tables.sum(2)
    gold = whole.sum(1)
    there = gold > 0
    overall = np.divide(np.diagonal(whole), gold, out=np.zeros(len(gold)), where=there)
    recall = np.divide(
        hits, support, out=np.broadcast_to(overall, hits.shape).copy(), where=support > 0
    )
    return recall[:, there].mean(1) if there.any() else np.zeros(len(tables))


def _f1(tables: Floats) -> Floats:
    hits = 2 * np.diagonal(tables, axis1=1, axis2=2)
    total = tables.sum(1) + tables.sum(2)
    found: Floats = np.zeros_like(total)
    np.divide(hits, total, out=found, where=total > 0)
    return found
