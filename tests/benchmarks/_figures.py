"""What a benchmark measured, said in one line and, for `bench.py`, written to a file.

A benchmark that `make bench` keeps calls `figure` once for each ratio (and each peak of memory).
Contenders take turns; a value is one pair of them, and there are at least five.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from statistics import median

FILE = "LANSER_FIGURES"
"""Variable with the path of a file that gets a JSON line for each figure."""


def figure(name: str, values: Sequence[float], opponent: str = "", unit: str = "×") -> None:
    """Reports a figure.

    Args:
        name: what was measured; it stays the same from commit to commit.
        values: one for each pair, or each repetition.
        opponent: what a ratio compares with.
        unit: ``×`` for a ratio, opponent's time over ours: more is better. Of any other unit, such
            as ``MB`` or ``s``, less is better.
    """
    middle, low, high = median(values), min(values), max(values)
    print(
        f"{name}: {middle:.4g} {unit} [{low:.4g}, {high:.4g}] of {len(values)}"
        + (f", against {opponent}" if opponent else ""),
        flush=True,
    )
    if path := os.environ.get(FILE):
        found = {"name": name, "opponent": opponent, "unit": unit}
        found |= {"median": middle, "min": low, "max": high, "n": len(values)}
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(json.dumps(found, ensure_ascii=False) + "\n")
