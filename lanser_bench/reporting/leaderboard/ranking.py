"""Ranks with intervals: which rows differ significantly, and how far each is from the best.

A row's rank lies between 1 + the number of rows that are significantly better and the number of
rows less those that are significantly worse (Mogstad et al. 2024, Rev. Econ. Stud. 91, with Holm's
adjustment over all pairs). Rows that share ranks are ties.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from ...evaluation.contrast import Contrast, Side, adjusted
from ...evaluation.results import Metric
from ...evaluation.statistics import LEVEL

ALL_PAIRS = 30
"""With more rows, only tests against the best are made: pairs grow with the square of rows."""
Weighted = Sequence[tuple[float, Side]]
"""A row: the mean of cells, by weights that add up to 1."""


@dataclass(frozen=True)
class Standing:
    """A row's rank and its difference to the best row."""

    best: int
    """Best plausible rank."""
    worst: int
    behind: Metric | None
    """Its score minus the best row's; None for the best itself."""
    p_value: float | None
    """Of that difference; adjusted by Holm's method over all rows."""
    seeds_known: bool = True
    """False if a row that draws has a single training seed."""

    @property
    def text(self) -> str:
        """The rank in tables, such as ``2`` or ``1–3``."""
        return str(self.best) if self.best == self.worst else f"{self.best}–{self.worst}"


def standings(rows: Sequence[Weighted]) -> list[Standing]:
    """Returns the standing of each row, best first, all over the same speakers in one order."""
    against = [_difference(row, rows[0]) for row in rows[1:]]
    p_values = adjusted([contrast.p_value() for contrast in against])
    ranks = _ranks(rows, p_values)
    first = Standing(*ranks[0], behind=None, p_value=None)
    others = [
        Standing(*rank, contrast.metric(), p, contrast.seeds_known)
        for rank, contrast, p in zip(ranks[1:], against, p_values, strict=True)
    ]
    return [first, *others]


def mean(row: Weighted) -> Contrast:
    """Returns a row's score."""
    return Contrast([side for _, side in row], [weight for weight, _ in row])


def _difference(a: Weighted, b: Weighted) -> Contrast:
    sides = [side for _, side in (*a, *b)]
    return Contrast(sides, [*(w for w, _ in a), *(-w for w, _ in b)])


def _ranks(rows: Sequence[Weighted], to_best: Sequence[float | None]) -> list[tuple[int, int]]:
    n, alpha = len(rows), 1 - LEVEL
    if n > ALL_PAIRS:
        behind = [p is not None and p <= alpha for p in to_best]
        return [(1, n - sum(behind)), *((2, n) if far else (1, n) for far in behind)]
    pairs = list(combinations(range(n), 2))
    p_values = adjusted([_difference(rows[a], rows[b]).p_value() for a, b in pairs])
    apart = {pair for pair, p in zip(pairs, p_values, strict=True) if p is not None and p <= alpha}
    # Rows come best first, so the first of a pair that is apart is the better one.
    return [
        (1 + sum((a, row) in apart for a in range(n)), n - sum((row, b) in apart for b in range(n)))
        for row in range(n)
    ]
