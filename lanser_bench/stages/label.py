"""Label: transcripts and a taxonomy in, weak labels out.

Scoring is a map over distinct records, so equal texts are scored once and a new file costs one
shard. The decision (corrections, thresholds, neutral rule) is made on all rows afterwards; its
settings are not part of the shards' keys, so that changing them scores nothing anew.
"""

from __future__ import annotations

import json
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from ..kinds.labeler import Scores, TextRecord
from ..store import Draft, PluginIdentity, Spec, digest
from ..taxonomy import Taxonomy
from ..utterances import read_summary, read_utterances
from ._decision import Decision, checked_scores, decide, neutral_rule
from ._label_files import LABELS, LabelTable, read_labels, read_shards, write_labels, write_shard
from ._label_quality import label_summary
from ._label_records import (
    blanked,
    checked_reads,
    gold_taxonomy_of,
    read_fields,
    text_records,
    with_gold,
)
from .base import StageContext
from .sharding import run_map

__all__ = ["LABELS", "SUMMARY", "VERSION", "LabelTable", "Params", "read_labels", "run", "spec"]

VERSION = "1"
SUMMARY = "labels.json"


class Params(BaseModel):
    """Settings of the label stage."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    neutral: Literal["taxonomy", "keep", "abstain"] = "taxonomy"
    """``taxonomy``: the rule in the taxonomy's file. ``keep``: every utterance keeps its best
    label. ``abstain``: utterances whose best label is the neutral one get none; where the taxonomy
    has no neutral label, those below the `min_confidence` of its rule."""
    min_confidence: float = Field(default=0.0, ge=0, le=1)
    """Utterances whose best score is lower get no label."""
    min_margin: float = Field(default=0.0, ge=0, le=1)
    """Utterances whose best score leads the second by less get no label."""
    max_no_speech_prob: float = Field(default=0.6, ge=0, le=1)
    """With `min_avg_logprob` Whisper's own rule for silence (Radford et al. 2022): an utterance
    with a higher no-speech probability *and* a lower mean log-probability gets no label."""
    min_avg_logprob: float = -1.0
    prior_correction: Literal["none", "corpus-mean"] = "none"
    """``corpus-mean`` divides each label's scores by their mean over the corpus: see
    `prior_corrected`."""
    temperature: float = Field(default=1.0, gt=0)
    """Above 1 flattens scores, below 1 sharpens them, before everything else."""
    shard_rows: int = Field(default=256, ge=1)
    """Most distinct records of a shard: what a killed run can lose."""


def spec(
    *,
    utterances: str,
    transcripts: str | None,
    labeler: PluginIdentity,
    taxonomy: Taxonomy,
    params: Params,
    threads: int,
    gold_taxonomy: Taxonomy | None = None,
) -> Spec:
    """Returns the content of the stage's key.

    Args:
        utterances: key of the manifest.
        transcripts: key of the `transcribe` artifact; None to label the manifest's own texts.
        labeler: the labeler.
        taxonomy: the labels; its whole content goes into the key, so a worker needs no file.
        params: settings.
        threads: CPU threads of the labeler, which can move its floats.
        gold_taxonomy: the taxonomy of the manifest's gold labels where it has any: needed by a
            labeler that reads gold, and to measure agreement.

    Raises:
        SettingsError: the neutral rule asked for cannot be carried out with this taxonomy.
    """
    neutral_rule(taxonomy, params)
    parents = {"utterances": utterances}
    if transcripts is not None:
        parents["transcripts"] = transcripts
    return Spec(
        stage="label",
        stage_version=VERSION,
        plugins={"labeler": labeler},
        params={
            "taxonomy": taxonomy.content(),
            "gold_taxonomy": None if gold_taxonomy is None else gold_taxonomy.content(),
            "label": params.model_dump(mode="json"),
        },
        parents=parents,
        threads=threads,
    )


def run(context: StageContext, draft: Draft) -> None:
    """Scores all distinct records, decides, and writes `LABELS`, `SUMMARY` and the map's index."""
    taxonomy = Taxonomy.bare(context.spec.params["taxonomy"])
    params = Params.model_validate(context.spec.params["label"])
    manifest = context.parent("utterances")
    table = read_utterances(manifest)
    gold_taxonomy = gold_taxonomy_of(context, read_summary(manifest), taxonomy)
    labeler = context.plugin("labeler")
    name = context.spec.plugins["labeler"].name
    reads = checked_reads(labeler, name)
    records = text_records(context, table)
    if "gold" in reads:
        records = with_gold(name, records, table, gold_taxonomy, taxonomy)
    names = [digest(read_fields(record, reads)) for record in records]

    def compute(positions: list[int], part: Draft) -> None:
        batch = [blanked(records[p], reads, names[p]) for p in positions]
        write_shard(part, checked_scores(labeler, name, batch, taxonomy))

    run_map(
        context, draft, ids=table.ids, rows=names, compute=compute, capacity=params.shard_rows,
        params={"taxonomy": context.spec.params["taxonomy"]},
    )  # fmt: skip
    scores = read_shards(context.store, draft, len(taxonomy.labels))
    decision = _decided(scores, records, reads, taxonomy, params)
    write_labels(draft, table.ids, decision, taxonomy)
    summary = label_summary(table, decision, scores.kind, taxonomy, gold_taxonomy)
    summary["labeler_reads"] = sorted(reads)
    text = json.dumps(summary, indent=1, ensure_ascii=False, allow_nan=False)
    (draft.path / SUMMARY).write_text(text + "\n", encoding="utf-8")
    draft.counts |= {"labelled": summary["labelled"], "abstained": summary["abstained"]}


def _decided(
    scores: Scores,
    records: list[TextRecord],
    reads: frozenset[str],
    taxonomy: Taxonomy,
    params: Params,
) -> Decision:
    empty = np.array([not record.text for record in records], dtype=bool)
    quiet = np.array([record.no_speech_prob for record in records]) > params.max_no_speech_prob
    unsure = np.array([record.avg_logprob for record in records]) < params.min_avg_logprob
    # Whoever does not read the text is not stopped by its absence: gold and chance need no words.
    reads_text = "text" in reads
    return decide(
        scores.values,
        scores.kind,
        scores.abstained,
        taxonomy,
        params,
        empty=empty if reads_text else None,
        no_speech=quiet & unsure if reads_text else None,
    )
