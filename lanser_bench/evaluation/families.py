"""Comparisons declared before a run: the confirmatory family of its experiment.

An adjusted p-value is valid only if the family was fixed before any result was seen (Holm 1979,
Scand. J. Statist. 6). All other comparisons are exploratory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from .._digest import digest

MetricName = Literal["uar", "wa", "macro_f1", "area"]
Filters = Annotated[str, Field(pattern=r"^[^=,]+=[^,].*$")]
"""A side, written as for `lanser-bench compare`: ``encoder=resnet,control=none``."""


class Declared(BaseModel):
    """One comparison: side a against side b."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    a: Filters
    """Filters on the cells, as `lanser-bench compare` takes them: ``encoder=cnn,control=none``."""
    b: Filters
    """Filters on the cells that `a` is compared with."""
    metric: str = "uar"
    """The score, as `lanser-bench compare` takes it: ``uar``, ``wa``, ``macro_f1``, ``area``, or
    that of a measurement."""
    budget: str | None = None
    """Label budget, such as ``10%``; the largest if left out."""

    def __str__(self) -> str:
        """Returns the comparison as a note shows it."""
        at = f" at {self.budget}" if self.budget else ""
        return f"{self.a} against {self.b} ({self.metric.replace('_', '-')}{at})"


def filters(side: str) -> list[tuple[str, str]]:
    """Returns a side's (axis, value) filters.

    Commas separate filters, except inside a value's brackets: ``encoder=cnn(channels=[8,8])``.
    """
    texts, depth = [""], 0
    for sign in side:
        depth += (sign in "[(") - (sign in ")]")
        if sign == "," and depth == 0:
            texts.append("")
        else:
            texts[-1] += sign
    parts = (text.partition("=") for text in texts)
    return [(axis.strip(), value.strip()) for axis, _, value in parts]


def family_hash(comparisons: Sequence[Declared]) -> str | None:
    """Returns the identity of a declared family; None if nothing is declared."""
    return digest([c.model_dump(mode="json") for c in comparisons]) if comparisons else None
