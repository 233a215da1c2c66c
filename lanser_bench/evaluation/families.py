"""Comparisons that are declared before a run: the confirmatory family of its experiment.

A p-value means what it says only if the family it is adjusted over was fixed before anything was
seen (Holm 1979, Scand. J. Statist. 6). What is not in that family is exploratory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from ..store import digest

MetricName = Literal["uar", "wa", "macro_f1", "area"]
Filters = Annotated[str, Field(pattern=r"^[^=,]+=[^,].*$")]
"""A side in the words of `lanser-bench compare`: ``encoder=resnet,control=none``."""


class Declared(BaseModel):
    """One comparison: side a against side b."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    a: Filters
    """Filters on the cells, as `lanser-bench compare` takes them: ``encoder=cnn,control=none``."""
    b: Filters
    """What a is compared with, in the same words."""
    metric: MetricName = "uar"
    """The score."""
    budget: str | None = None
    """Label budget, such as ``10%``; the largest if left out."""

    def __str__(self) -> str:
        """As a note shows it."""
        at = f" at {self.budget}" if self.budget else ""
        return f"{self.a} against {self.b} ({self.metric.replace('_', '-')}{at})"


def filters(side: str) -> list[tuple[str, str]]:
    """Returns a side's axes and the values that it wants of them.

    Commas part filters, but not inside the brackets of a value: ``encoder=cnn(channels=[8,8])``.
    """
    found, depth = [""], 0
    for sign in side:
        depth += (sign in "[(") - (sign in ")]")
        if sign == "," and depth == 0:
            found.append("")
        else:
            found[-1] += sign
    parts = (text.partition("=") for text in found)
    return [(axis.strip(), value.strip()) for axis, _, value in parts]


def family_hash(comparisons: Sequence[Declared]) -> str | None:
    """Identity of a declared family; None where nothing is declared."""
    return digest([c.model_dump(mode="json") for c in comparisons]) if comparisons else None
