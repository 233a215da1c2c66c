"""Scores by the names that `compare`, `gate`, `dose` and declared comparisons use."""

from __future__ import annotations

from typing import Any, NamedTuple, get_args

from ..errors import SettingsError, did_you_mean
from ..evaluation.families import MetricName
from . import MEASUREMENTS
from .base import Column, Measurement

CLASS_METRICS: tuple[MetricName, ...] = get_args(MetricName)
"""Scores of every evaluation."""
R2 = "r2"
"""Mean R² over probe targets; ``r2:NAME`` is that of one."""
CLASSES, IDENTITY = "uar:", "identity:"
"""Before the name of a probe target of classes: its UAR. The second is for classes that identify
speakers, such as ``identity:speaker``; there a high score is a leak, so lower is better."""


class Measured(NamedTuple):
    """A score of a measurement, with sums over speakers beside the record."""

    measurement: Measurement[Any]
    column: Column[Any]


MEASURED = {c.name: Measured(m, c) for m in MEASUREMENTS for c in m.columns if c.sums is not None}


def check_metric(name: str) -> None:
    """Refuses the name of an unknown score by a `SettingsError` that lists the known ones."""
    known = (*CLASS_METRICS, *MEASURED, R2)
    if name not in known and not name.startswith((f"{R2}:", CLASSES, IDENTITY)):
        raise SettingsError(
            f"Unknown metric '{name}'.{did_you_mean(name, known)} Known: {', '.join(known)}."
        )
