"""Weak labels of single texts; the Python twin of ``lanser-bench label text``."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from ..errors import SettingsError
from ..kinds import Labeler
from ..kinds.labeler import ColumnLabeler, TextRecord
from ..languages import language_code
from ..plugins.identity import check_plugin
from ..taxonomy import Taxonomy

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from ..stages.label.decision import Decision

BATCH = 256
"""Bare texts that a labeler is given at a time."""


def label_texts(
    plugin: Labeler[Any],
    name: str,
    texts: Sequence[str],
    taxonomy: Taxonomy,
    language: str = "",
) -> list[dict[str, Any]]:
    """Labels texts as the label stage does with its default settings.

    If their language is known, labels are worded in it if the taxonomy can.

    Returns:
        Per text: text, label (None after an abstention), confidence, scores by label in the
        taxonomy's order, abstained, reason (None with a label), truncated (whether the labeler read
        only a part of it).

    Raises:
        PluginError: the labeler violates its contract.
        SettingsError: it reads human labels, which a text does not have, or the language is
            unknown.
    """
    try:
        code = language_code(language) or ""
    except ValueError as error:
        raise SettingsError(str(error)) from None
    check_plugin("labeler", name, plugin)
    records = [TextRecord(id=text, text=text.strip(), language=code) for text in texts]
    worded = taxonomy.in_language(code) if plugin.worded_in(code) else taxonomy
    decision, truncated = decided_texts(plugin, name, records, worded)
    return [
        {
            "text": text,
            "label": taxonomy.names[index] if index >= 0 else None,
            "confidence": round(confidence, 6),
            "scores": {n: round(v, 6) for n, v in zip(taxonomy.names, row, strict=True)},
            "abstained": index < 0,
            "reason": reason,
            "truncated": cut,
        }
        for text, index, confidence, row, reason, cut in zip(
            texts,
            decision.index.tolist(),
            decision.confidence.tolist(),
            decision.scores.tolist(),
            decision.reasons,
            truncated.tolist(),
            strict=True,
        )
    ]


def decided_texts(
    plugin: Labeler[Any],
    name: str,
    records: Sequence[TextRecord],
    taxonomy: Taxonomy,
    known: dict[int, dict[str, Any]] | None = None,
) -> tuple[Decision, npt.NDArray[np.bool_]]:
    """Labels n bare texts at once, as the label stage would with its default settings.

    `known` keeps the columns of a `ColumnLabeler`, by batch, between calls with the same records.

    Returns:
        The labels, and which texts the labeler read only in part, shape (n,).

    Raises:
        PluginError: the labeler breaks its contract.
        SettingsError: it reads human labels or audio, which a bare text does not have.
    """
    import numpy as np

    from ..stages.label.decision import checked_scores, decide
    from ..stages.label.records import blanked, checked_reads
    from ..stages.label.spec import Params

    reads = checked_reads(plugin, name)
    for needed, what in (("gold", "human labels"), ("audio", "recordings")):
        if needed in reads:
            raise SettingsError(
                f"labeler '{name}' reads {what}, and a text has none. Use it in an experiment on a "
                f"dataset with {what}."
            )
    known, parts = {} if known is None else known, []
    for begin in range(0, max(len(records), 1), BATCH):
        score = plugin.score
        if isinstance(plugin, ColumnLabeler):
            score = partial(plugin.score_with, known.setdefault(begin, {}))
        batch = [blanked(r, reads, r.id) for r in records[begin : begin + BATCH]]
        parts.append(checked_scores(score, name, batch, taxonomy))
    values = np.concatenate([part.values for part in parts])
    abstained = np.concatenate([part.abstained for part in parts])
    # As in the stage, an empty text does not stop a labeler that does not read texts.
    empty = np.array([not record.text for record in records]) if "text" in reads else None
    decision = decide(values, parts[0].kind, abstained, taxonomy, Params(), empty=empty)
    none = np.zeros(len(records), dtype=bool)
    cut = [none[: len(p.values)] if p.truncated is None else p.truncated for p in parts]
    return decision, np.concatenate(cut)
