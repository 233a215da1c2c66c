"""What a labeler is told of each utterance, and nothing it did not ask for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from ...data.utterances import UtteranceTable
from ...errors import DataError, PluginError, did_you_mean
from ...kinds.labeler import Labeler, TextRecord
from ...taxonomy import Taxonomy, mapped_choice
from ..base import StageContext
from .summary import gold_matrix

NUMBERS = ("avg_logprob", "no_speech_prob")


def checked_reads(labeler: Labeler[Any], name: str) -> frozenset[str]:
    """Returns the fields that a labeler reads.

    Raises:
        PluginError: it names one that `TextRecord` does not have.
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
    """Returns a record with only what a labeler declares to read, so that equal ones are equal.

    Args:
        record: all that is known.
        reads: the labeler's declaration.
        name: stands in for the id where the labeler does not read it.
    """
    known = {field: getattr(record, field) for field in reads}
    return TextRecord(**{"id": name, "text": "", **known})


def read_fields(record: TextRecord, reads: frozenset[str]) -> dict[str, Any]:
    """What determines the scores of a record, as JSON values."""
    found = {}
    for field in sorted(reads):
        value = getattr(record, field)
        if isinstance(value, float) and math.isnan(value):
            value = None
        found[field] = dict(value) if isinstance(value, Mapping) else value
    return found


def record_of(name: str, fields: Mapping[str, Any]) -> TextRecord:
    """Returns the record that `read_fields` told of, as `blanked` would give it."""
    known: dict[str, Any] = {"id": name, "text": "", **fields}
    known |= {number: math.nan for number in NUMBERS if known.get(number) is None}
    return TextRecord(**known | {"context": tuple(known.get("context", ()))})


def gold_taxonomy_of(
    context: StageContext, summary: Mapping[str, Any], taxonomy: Taxonomy
) -> Taxonomy | None:
    """Returns the taxonomy of the manifest's human labels; None where they cannot be read.

    Without one in the key they are read where the manifest names the taxonomy of the weak labels.
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
    """Adds the human labels, mapped into the taxonomy; none where most of them have no counterpart.

    Raises:
        DataError: the dataset has no gold labels.
        TaxonomyError: there is no map from the gold labels to the taxonomy.
    """
    if gold_taxonomy is None:
        raise DataError(
            f"labeler '{name}' reads gold labels, and the dataset names no taxonomy of its gold. "
            "Use it with a labelled dataset."
        )
    there, best = mapped_choice(gold_matrix(table, gold_taxonomy), gold_taxonomy.map_to(taxonomy))
    return [
        replace(
            record,
            gold={
                label: weight for label, weight in zip(taxonomy.names, row, strict=True) if weight
            }
            if chosen >= 0
            else None,
        )
        for record, row, chosen in zip(records, there.tolist(), best.tolist(), strict=True)
    ]
