"""Scores, p-values and detectable differences as tables write them."""

from __future__ import annotations

from .evaluation.results import Metric


def percent(metric: Metric | None, *, sign: bool = False) -> str:
    """Returns a share in percent with its interval, such as ``41.2 [35.1, 47.3]``.

    Args:
        metric: the score, or a difference of scores.
        sign: whether positive numbers have a plus sign.
    """
    return _text(metric, 100, 1, sign)


def decimal(metric: Metric | None, *, digits: int = 2, sign: bool = False) -> str:
    """Returns a score, such as R², with its interval: ``0.31 [0.22, 0.40]``."""
    return _text(metric, 1, digits, sign)


def _text(metric: Metric | None, times: int, digits: int, sign: bool) -> str:
    if metric is None:
        return "–"
    form = f"{{:{'+' if sign else ''}z.{digits}f}}"
    made = metric.interval
    values = (metric.value,) if made is None else (metric.value, made.low, made.high)
    text, *ends = (form.format(times * value) for value in values)
    return f"{text} [{', '.join(ends)}]" if ends else text


def p_text(p: float | None) -> str:
    """Returns a p-value, such as ``0.032``."""
    if p is None:
        return "–"
    return f"{p:.3f}" if p >= 0.001 else "< .001"


def detectable_text(share: float | None, *, points: bool = True) -> str:
    """Returns a detectable difference in points, or as the score itself.

    Beyond 100 points (or 10) only that: with few degrees of freedom it may be astronomic.
    """
    if share is None:
        return "–"
    if points:
        return f"{100 * share:.1f}" if share <= 1 else "> 100"
    return f"{share:.3f}" if share <= 10 else "> 10"
