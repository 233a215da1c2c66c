"""Dots with intervals on a scale, as places in percent of its length."""

from __future__ import annotations

from ...evaluation.results import Metric


def ends(metric: Metric) -> tuple[float, float]:
    """Returns the ends of a score's interval; the score itself, twice, without one."""
    interval = metric.interval
    return (interval.low, interval.high) if interval else (metric.value, metric.value)


def whisker(metric: Metric, span: tuple[float, float] = (0.0, 1.0)) -> dict[str, float]:
    """Returns ``at``, ``low`` and ``high`` of a score on a scale with the ends `span`."""
    width = max(span[1] - span[0], 1e-9)
    places = dict(zip(("at", "low", "high"), (metric.value, *ends(metric)), strict=True))
    shares = {name: min(max((value - span[0]) / width, 0), 1) for name, value in places.items()}
    return {name: round(100 * share, 1) for name, share in shares.items()}
