"""Gold labels with weights, as tables write them."""

from __future__ import annotations

import json
import math
from typing import Any, Literal

from lanser_bench import DataError

from ._columns import nfc

GoldKind = Literal["single", "multi", "distribution"]


def weighted_gold(origin: str, value: Any, *, names: bool = False) -> dict[str, float]:
    """Reads a cell with weights of labels: a mapping, Parquet's map, or a JSON object.

    Labels of weight 0 are dropped. With `names`, text that is not JSON is the name of a label.

    Raises:
        DataError: it is something else, or a weight is not valid.
    """
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except json.JSONDecodeError:
            if names:
                return {nfc(value): 1.0}
    if isinstance(value, list) and all(isinstance(p, list | tuple) and len(p) == 2 for p in value):
        value = {str(label): one for label, one in value}
    if not isinstance(value, dict):
        raise DataError(f'{origin}: gold must be a JSON object of weights such as {{"happy": 1}}.')
    weights = {nfc(str(label)): as_weight(origin, label, one) for label, one in value.items()}
    return {label: weight for label, weight in weights.items() if weight}


def shares_of_votes(weights: dict[str, float]) -> tuple[dict[str, float], dict[str, int]]:
    """Returns counts as shares, with their sum as ``votes``; other weights as they are."""
    total = sum(weights.values())
    if total <= 1 or any(weight != int(weight) for weight in weights.values()):
        return weights, {}
    return {label: weight / total for label, weight in weights.items()}, {"votes": int(total)}


def as_weight(origin: str, label: str, value: Any) -> float:
    """Reads a cell as a weight of 0 or more, 0 if empty; raises `DataError` for anything else."""
    try:
        weight = float(0 if value is None else value)
    except (TypeError, ValueError):
        weight = math.nan
    if not 0 <= weight < math.inf:
        raise DataError(f"{origin}: the weight of '{label}' is '{value}'; it must be 0 or more.")
    return weight
