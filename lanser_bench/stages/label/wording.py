"""Scores texts with the taxonomy's labels worded in the language of each text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ...kinds.labeler import Scores, TextRecord
from ...taxonomy import Taxonomy

WORDING = "wording"
"""Key of a row's record: the language of its labels; rows without it have the default wording."""


def worded_scores(
    score: Callable[[Sequence[TextRecord], Taxonomy], Scores],
    records: Sequence[TextRecord],
    languages: Sequence[str],
    taxonomy: Taxonomy,
) -> Scores:
    """Scores records, those of each language together, with the taxonomy in that language.

    `languages` are those of each record's labels; empty for the default wording.
    """
    groups: dict[str, list[int]] = {}
    for position, language in enumerate(languages):
        groups.setdefault(language, []).append(position)
    if len(groups) < 2:
        return score(records, taxonomy.in_language(next(iter(groups), "")))
    parts = [
        score([records[position] for position in group], taxonomy.in_language(language))
        for language, group in groups.items()
    ]
    order = np.argsort(np.concatenate(list(groups.values())))
    return Scores(
        np.concatenate([part.values for part in parts])[order],
        parts[0].kind,
        np.concatenate([part.abstained for part in parts])[order],
        _joined([part.logits for part in parts], parts, order),
        _joined([part.truncated for part in parts], parts, order),
    )


def _joined(
    arrays: Sequence[npt.NDArray[Any] | None],
    parts: Sequence[Scores],
    order: npt.NDArray[np.intp],
) -> npt.NDArray[Any] | None:
    """Joins an optional field of all parts; a part without it gets zeros if another has it."""
    given = [array for array in arrays if array is not None]
    if not given:
        return None
    filled = [
        np.zeros((len(part.values), *given[0].shape[1:]), given[0].dtype) if a is None else a
        for a, part in zip(arrays, parts, strict=True)
    ]
    return np.asarray(np.concatenate(filled)[order])
