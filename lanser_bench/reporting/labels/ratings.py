"""Weak labels against human ratings of valence and arousal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...data.utterances import UtteranceTable
from ...evaluation.agreement import Units
from ...evaluation.expected import DIMENSIONS, agreement, expected
from ...stages.label.files import LabelTable
from ...stages.task import rating
from ...taxonomy import Taxonomy


def rated(
    table: UtteranceTable,
    labels: LabelTable,
    taxonomy: Taxonomy,
    scales: Mapping[str, tuple[float, float]],
    units: Units,
) -> list[dict[str, Any]]:
    """Returns the agreement of each dimension that both sides have, as JSON values.

    The table has ratings as extras, on `scales` by their names. Rows without a label are left out.
    """
    found = []
    for name in (name for name in DIMENSIONS if name in scales):
        answers = expected(labels.scores, taxonomy, name, scales[name])
        if answers is None:
            continue
        ratings = np.array([rating(extras.get(name)) for extras in table.extras])
        compared = agreement(ratings, np.where(labels.index >= 0, answers, np.nan), units)
        if compared is not None:
            where = {"dimension": name, "scale": list(scales[name])}
            found.append({**where, **compared.model_dump(mode="json")})
    return found
