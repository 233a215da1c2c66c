"""Differences between several parts that did the same rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations

from ...evaluation.contrast import adjusted
from ...evaluation.label_quality import QualitySums, quality_differences
from ...evaluation.results import Metric
from ...evaluation.statistics import LEVEL
from ...numbers import decimal, detectable_text, p_text
from ..tables.sheet import Column, Entry, Sheet


@dataclass(frozen=True)
class Pair:
    """The score of `a` minus that of `b`."""

    a: str
    b: str
    difference: Metric
    p_value: float | None
    """Adjusted by Holm's method over all pairs; None if there are too few speakers."""
    detectable: float | None
    """Smallest difference that is detected with 90 % power at the level of so many pairs."""


def paired(
    sums: Mapping[str, QualitySums], names: Sequence[str], metric: str, over: str
) -> list[Pair]:
    """Compares each with each later one.

    `over` is what the sums are over, speakers or rows, for the intervals' description.
    """
    pairs = list(combinations(names, 2))
    made = [quality_differences(sums[a], sums[b])[metric] for a, b in pairs]
    p_values = adjusted([contrast.p_value() for contrast in made])
    alpha = (1 - LEVEL) / max(sum(p is not None for p in p_values), 1)
    return [
        Pair(a, b, over_units(one.metric(), over), p, one.detectable(alpha=alpha))
        for (a, b), one, p in zip(pairs, made, p_values, strict=True)
    ]


def over_units(metric: Metric, over: str) -> Metric:
    """Returns a score over groups of rows, whose method says rows in place of speakers."""
    made = metric.interval
    if made is None:
        return metric
    return replace(metric, interval=replace(made, method=made.method.replace("speakers", over)))


def pairs_sheet(pairs: Sequence[Pair], title: str) -> Sheet:
    """Returns all pairs as a table."""
    columns = [
        Column("a", "first"),
        Column("b", "second"),
        Column("difference", "first − second", partial(decimal, digits=3, sign=True), True),
        Column("p_value", "p (Holm)", p_text, True),
        Column("detectable", "detectable", partial(detectable_text, points=False), True),
    ]
    return Sheet(title, columns, [Entry(vars(pair)) for pair in pairs])
