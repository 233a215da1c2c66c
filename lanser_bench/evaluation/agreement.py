"""Agreement of labels with gold, with intervals over speakers or, without speakers, over rows.

Intervals over speakers are those of `statistics`. Rows without speakers count as independent draws:
the counts of (gold, label) pairs are then multinomial, so the table is resampled as a whole, and
with hundreds of rows a percentile interval has its nominal coverage.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from .arrays import Bools, Floats, Ints, Strings
from .metrics import confusion_matrix
from .predictions import Classified, classification
from .results import Interval, Metric
from .statistics import LEVEL, RESAMPLES, Statistic, mean_of, metric

OVER_ROWS = "percentile bootstrap over rows"
MIN_ROWS = 20
"""Fewer rows get no interval."""
GROUPS = 200
"""Rows without speakers form so many groups, which take the place of speakers in differences."""


@dataclass(frozen=True)
class Units:
    """Units of uncertainty: speakers if every row has one, otherwise rows."""

    kind: Literal["speakers", "rows"]
    speakers: Strings | None
    """Shape (rows,); None for rows."""

    @classmethod
    def of(cls, speakers: Sequence[str | None]) -> Units:
        """Uses speakers if every row has one."""
        known = [speaker for speaker in speakers if speaker is not None]
        complete = known and len(known) == len(speakers)
        return cls("speakers", np.array(known)) if complete else cls("rows", None)

    def part(self, rows: npt.NDArray[np.bool_ | np.int64]) -> Units:
        """Returns the units of a subset of rows."""
        return replace(self, speakers=None if self.speakers is None else self.speakers[rows])

    def codes(self, n: int) -> Ints:
        """Returns the speaker of each of n rows as a position, or the group of rows without one."""
        if self.speakers is None:
            return np.arange(n) % GROUPS
        return np.unique(self.speakers, return_inverse=True)[1].astype(np.int64)


def agreement(gold: Ints, labels: Ints, k: int, units: Units) -> dict[str, Metric]:
    """Returns ``uar``, ``wa`` (accuracy), ``macro_f1`` and ``kappa`` of labels against gold.

    Both are positions among `k` labels, shape (n,); −1 in `labels`, an abstention, is a miss.
    """
    # Abstentions form an extra class K without gold.
    answers = np.where(labels < 0, k, labels)
    if units.speakers is None:
        return _over_rows(confusion_matrix(gold, answers, k + 1))
    ids = [""] * len(gold)
    data = Classified(ids, units.speakers.tolist(), gold, answers[None], k + 1)
    scores = {name: metric(statistic) for name, statistic in classification(data).items()}
    # The extra class has an F1 of zero and must not count.
    scores["macro_f1"] = _scaled(scores["macro_f1"], (k + 1) / k)
    scores["kappa"] = metric(kappa_statistic(gold, answers, k + 1, units.speakers))
    return scores


def share(hits: Bools, units: Units) -> Metric:
    """Returns the share of rows that are hits, with its interval."""
    if units.speakers is None:
        return proportion(int(hits.sum()), len(hits))
    return metric(mean_of(hits, units.codes(len(hits))))


def per_class(gold: Ints, labels: Ints, k: int, units: Units) -> list[dict[str, Metric | int]]:
    """Returns support, precision and recall of each class; recall counts abstentions as misses."""

    def scores(mine: Bools, given: Bools) -> dict[str, Metric | int]:
        return {
            "support": int(mine.sum()),
            "given": int(given.sum()),
            "precision": share(mine[given], units.part(given)),
            "recall": share(given[mine], units.part(mine)),
        }

    return [scores(gold == position, labels == position) for position in range(k)]


def kappa_statistic(gold: Ints, answers: Ints, k: int, speakers: Strings | Ints) -> Statistic:
    """Cohen's kappa (1960) as a smooth function of the speakers' counts."""
    names, unit = np.unique(speakers, return_inverse=True)
    counts = np.zeros((len(names), k, k))
    np.add.at(counts, (unit, gold, answers), 1)
    return kappa_of(counts)


def kappa_of(counts: Floats) -> Statistic:
    """Cohen's kappa of the units' tables, shape (units, K, K)."""
    n_units, k, _ = counts.shape

    def square(totals: Floats) -> Floats:
        return totals.reshape(*totals.shape[:-1], k, k)

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

    flat = counts.reshape(n_units, -1)
    return Statistic(flat, lambda totals: kappa(square(totals)), gradient, bounds=(-1.0, 1.0))


def kappa(confusion: npt.NDArray[np.number]) -> Floats:
    """Cohen's kappa of tables of shape (..., K, K); 0 where chance alone agrees completely."""
    table = np.asarray(confusion, np.float64)
    n = np.maximum(table.sum((-2, -1)), 1e-12)
    observed = np.trace(table, axis1=-2, axis2=-1) / n
    expected = (table.sum(-1) * table.sum(-2)).sum(-1) / n**2
    rest = np.asarray(1 - expected)
    return np.asarray(
        np.divide(observed - expected, rest, out=np.zeros_like(rest), where=rest > 1e-12)
    )


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
    low, high = max(0.0, float(centre - half)), min(1.0, float(centre + half))
    method = "Wilson's score interval over rows"
    return Metric(value=p, interval=Interval(low=low, high=high, level=LEVEL, method=method))


def _scaled(score: Metric, factor: float) -> Metric:
    interval = score.interval
    if interval is not None:
        low, high = interval.low * factor, min(1.0, interval.high * factor)
        interval = replace(interval, low=low, high=high)
    return Metric(value=score.value * factor, interval=interval)


def _over_rows(confusion: Ints) -> dict[str, Metric]:
    """Returns all four scores with percentile intervals from multinomial draws of the table."""
    k = len(confusion) - 1
    tables = resampled(confusion.ravel()).reshape(-1, k + 1, k + 1)
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
    """Returns counts of equally many independent rows drawn again, shape (resamples, cells)."""
    n = int(counts.sum())
    rng = np.random.default_rng([seed, n])
    shares = counts / n if n else np.full(len(counts), 1 / len(counts))
    return rng.multinomial(n, shares, size=RESAMPLES).astype(np.float64)


def interval_over_rows(value: float, drawn: Floats, n: int) -> Metric:
    """Returns a score with the percentile interval of its resampled values."""
    if n < MIN_ROWS:
        return Metric(value=value)
    tail = (1 - LEVEL) / 2
    low, high = (float(q) for q in np.quantile(drawn, [tail, 1 - tail]))
    return Metric(value=value, interval=Interval(low=low, high=high, level=LEVEL, method=OVER_ROWS))


def _uar(tables: Floats, whole: Ints) -> Floats:
    """Mean recall; a class missing from a draw keeps its recall in the whole table."""
    hits, support = np.diagonal(tables, axis1=1, axis2=2), tables.sum(2)
    gold = whole.sum(1)
    present = gold > 0
    overall = np.divide(np.diagonal(whole), gold, out=np.zeros(len(gold)), where=present)
    default = np.broadcast_to(overall, hits.shape).copy()
    recall = np.divide(hits, support, out=default, where=support > 0)
    return recall[:, present].mean(1) if present.any() else np.zeros(len(tables))


def _f1(tables: Floats) -> Floats:
    hits = 2 * np.diagonal(tables, axis1=1, axis2=2)
    total = tables.sum(1) + tables.sum(2)
    return np.asarray(np.divide(hits, total, out=np.zeros_like(total), where=total > 0))
