"""Dots with intervals on a scale, as places in percent of its length."""

from __future__ import annotations

from ...evaluation.results import Metric


def ends(metric: Metric) -> tuple[float, float]:
    """Returns the ends of a score's interval; the score itself, twice, without one."""
    interval = metric.interval
    return (interval.low, interval.high) if interval else (metric.value, metric.value)


def whisker(metric: Metric, span: tuple[float, float] = (0.0, 1.0)) -> dict[str, float]:
    """Returns ``at``, ``low`` and ``high`` of a score on a scale with the ends `span`."""
    places = dict(zip(("at", "low", "high"), (metric.value, *ends(metric)), strict=True))
    return {name: place_on(value, span) for name, value in places.items()}


def place_on(value: float, span: tuple[float, float]) -> float:
    """Returns the place of a value on a scale in percent, at an end if it is outside."""
    share = (value - span[0]) / max(span[1] - span[0], 1e-9)
    return round(100 * min(max(share, 0), 1), 1)
