"""Scores as tables write them."""

from __future__ import annotations

from .evaluation.results import Metric


def percent(metric: Metric | None) -> str:
    """Returns a share in percent with its interval, such as ``41.2 [35.1, 47.3]``."""
    return _text(metric, 100, 1)


def decimal(metric: Metric | None) -> str:
    """Returns an R² with its interval, such as ``0.31 [0.22, 0.40]``."""
    return _text(metric, 1, 2)


def _text(metric: Metric | None, times: int, digits: int) -> str:
    if metric is None:
        return "–"

    def number(value: float) -> str:
        return f"{times * value:z.{digits}f}"

    if metric.interval is None:
        return number(metric.value)
    low, high = metric.interval.low, metric.interval.high
    return f"{number(metric.value)} [{number(low)}, {number(high)}]"
