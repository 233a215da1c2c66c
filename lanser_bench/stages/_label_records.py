"""What a labeler is told of each utterance, and nothing it did not ask for."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from ..errors import DataError, PluginError, StoreError, did_you_mean
from ..kinds.labeler import Labeler, TextRecord
from ..taxonomy import Taxonomy, mapped_choice
from ..utterances import UtteranceTable
from ._label_quality import gold_matrix
from .base import StageContext
from .sharding import MapResult

MAX_CONTEXT = 8
"""Most previous utterances given to a labeler that reads ``context``."""


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


def text_records(context: StageContext, table: UtteranceTable) -> list[TextRecord]:
    """One record per utterance, without gold: of the transcripts, or of the manifest's texts."""
    n = len(table)
    nan = [math.nan] * n
    columns: dict[str, Sequence[Any]]
    if "transcripts" in context.spec.parents:
        found = MapResult(context.store, context.parent("transcripts"))
        if found.ids != table.ids:
            raise StoreError(
                "The transcripts are not those of the utterances: a fault of the plan."
            )
        kept = ("text", "language", "avg_logprob", "no_speech_prob")
        columns = {name: found.column(name) for name in kept}
    else:
        columns = {"text": table.transcripts, "language": [None] * n,
                   "avg_logprob": nan, "no_speech_prob": nan}  # fmt: skip
    texts = [(text or "").strip() for text in columns["text"]]
    contexts = _contexts(table, texts)
    return [
        TextRecord(
            id=table.ids[i],
            text=texts[i],
            context=contexts[i],
            language=columns["language"][i] or table.languages[i] or "",
            avg_logprob=_number(columns["avg_logprob"][i]),
            no_speech_prob=_number(columns["no_speech_prob"][i]),
        )
        for i in range(n)
    ]


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _contexts(table: UtteranceTable, texts: list[str]) -> list[tuple[str, ...]]:
    """The texts of up to `MAX_CONTEXT` earlier turns of each utterance's dialogue, oldest first."""
    turns: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for i, (dialogue, turn) in enumerate(zip(table.dialogue_ids, table.turns, strict=True)):
        if dialogue is not None and turn is not None:
            turns[dialogue].append((turn, i))
    contexts: list[tuple[str, ...]] = [()] * len(texts)
    for members in turns.values():
        said = [i for _, i in sorted(members)]
        for place, i in enumerate(said):
            earlier = said[max(0, place - MAX_CONTEXT) : place]
            contexts[i] = tuple(texts[j] for j in earlier)
    return contexts


def gold_taxonomy_of(
    context: StageContext, summary: Mapping[str, Any], taxonomy: Taxonomy
) -> Taxonomy | None:
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
