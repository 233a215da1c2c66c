"""The records that a labeler reads: only the fields that it declares."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from ...data.utterances import UtteranceTable
from ...errors import DataError, PluginError, did_you_mean
from ...kinds.labeler import Labeler, TextRecord
from ...store import digest
from ...taxonomy import Taxonomy, mapped_choice
from ..base import StageContext
from .summary import gold_matrix

NUMBERS = ("avg_logprob", "no_speech_prob")


def checked_reads(labeler: Labeler[Any], name: str) -> frozenset[str]:
    """Returns the fields that a labeler reads.

    Raises:
        PluginError: it declares a field that `TextRecord` does not have.
    """
    known = [field.name for field in fields(TextRecord)]
    for read in sorted(labeler.reads):
        if read not in known:
            raise PluginError(
                f"labeler '{name}' reads '{read}', which is no field of lanser_bench.TextRecord."
                f"{did_you_mean(read, known)}"
            )
    return labeler.reads


def blanked(record: TextRecord, reads: frozenset[str], name: str) -> TextRecord:
    """Returns a record with only the fields that a labeler reads, so that equal inputs are equal.

    `name` replaces the id if the labeler does not read it.
    """
    return TextRecord(**{"id": name, "text": ""} | {f: getattr(record, f) for f in reads})


def read_fields(record: TextRecord, reads: frozenset[str]) -> dict[str, Any]:
    """Returns the fields that determine the scores of a record, as JSON values."""

    def plain(value: Any) -> Any:
        if isinstance(value, float) and math.isnan(value):
            return None
        return dict(value) if isinstance(value, Mapping) else value

    return {field: plain(getattr(record, field)) for field in sorted(reads)}


def add_audio(fields: Sequence[dict[str, Any]], table: UtteranceTable) -> list[str]:
    """Adds each utterance's id, recording and span to its `read_fields`.

    Returns:
        The names of the rows, which do not depend on ids: equal sound with equal fields is one row.
    """
    names = []
    spans = zip(table.ids, table.audio_sha, table.start, table.end, strict=True)
    for own, (id_, *span) in zip(fields, spans, strict=True):
        names.append(digest({**own, "audio": span}))
        own["audio"] = [id_, *span]
    return names


def record_of(name: str, fields: Mapping[str, Any]) -> TextRecord:
    """Rebuilds a record from its `read_fields`, as `blanked` returns it."""
    known: dict[str, Any] = {"id": name, "text": "", **fields}
    known |= {number: math.nan for number in NUMBERS if known.get(number) is None}
    return TextRecord(**known | {"context": tuple(known.get("context", ()))})


def gold_taxonomy_of(
    context: StageContext, summary: Mapping[str, Any], taxonomy: Taxonomy
) -> Taxonomy | None:
    """Returns the taxonomy of the manifest's human labels; None if it is unknown.

    If the key has none, it is the weak labels' taxonomy, provided that the manifest names it.
    """
    stored = context.spec.params["gold_taxonomy"]
    if stored is not None:
        return Taxonomy.bare(stored)
    return taxonomy if summary["card"]["taxonomy"] == taxonomy.name else None


def with_gold(
    name: str,
    records: list[TextRecord],
    table: UtteranceTable,
    gold_taxonomy: Taxonomy | None,
    taxonomy: Taxonomy,
) -> list[TextRecord]:
    """Adds the human labels, mapped into the taxonomy; none if most of them have no counterpart.

    Raises:
        DataError: the dataset has no gold labels.
        TaxonomyError: there is no map from the gold labels to the taxonomy.
    """
    if gold_taxonomy is None:
        raise DataError(
            f"labeler '{name}' reads gold labels, and the dataset names no taxonomy of its gold. "
            "Use it with a labelled dataset."
        )
    mapped, best = mapped_choice(gold_matrix(table, gold_taxonomy), gold_taxonomy.map_to(taxonomy))

    def weights(row: list[float]) -> dict[str, float]:
        return {label: w for label, w in zip(taxonomy.names, row, strict=True) if w}

    return [
        replace(record, gold=weights(row) if chosen >= 0 else None)
        for record, row, chosen in zip(records, mapped.tolist(), best.tolist(), strict=True)
    ]
