"""Scores as tables write them."""

from __future__ import annotations

from ..evaluation.results import Metric


def percent(metric: Metric | None) -> str:
    """Returns a share in percent with its interval, such as ``41.2 [35.1, 47.3]``."""
    if metric is None:
        return "–"
    text = f"{100 * metric.value:z.1f}"
    if metric.interval is None:
        return text
    return f"{text} [{100 * metric.interval.low:z.1f}, {100 * metric.interval.high:z.1f}]"


def decimal(metric: Metric | None) -> str:
    """Returns an R² with its interval, such as ``0.31 [0.22, 0.40]``."""
    if metric is None:
        return "–"
    text = f"{metric.value:z.2f}"
    if metric.interval is None:
        return text
    return f"{text} [{metric.interval.low:z.2f}, {metric.interval.high:z.2f}]"
