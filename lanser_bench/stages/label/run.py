"""Label: transcripts and a taxonomy in, weak labels out.

Scoring is a map over distinct records, so equal texts are scored once and a new file costs one
shard. The decision (corrections, thresholds, neutral rule) is made on all rows afterwards; its
settings are not part of the shards' keys, so that changing them scores nothing anew.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ...data.utterances import iter_utterances, read_summary, table_of
from ...errors import SettingsError
from ...evaluation.summaries import GoldAgreement, LabelSummary
from ...kinds.labeler import Labeler, ScoreKind, SettlingLabeler, TextRecord
from ...store import Artifact, Draft, digest
from ...taxonomy import Taxonomy
from ..base import StageContext
from ..maps.distinct_rows import BLOCK, Row, RowIndex
from ..maps.sharding import run_map
from .calibration import Floats
from .decision import Choices, Decision, Evidence, checked_scores, choose, corrected, fitted_prior
from .files import ShardScores, write_labels, write_shard
from .records import checked_reads, gold_taxonomy_of, read_fields, record_of, with_gold
from .settling import Seen, checked_settled, settled_blocks
from .spec import SUMMARY, Params
from .summary import gold_agreement, label_summary
from .texts import LabelTexts

ODD_TEXTS = {
    "truncated": "longer than the labeler's model takes, so read in part",
    "without_words": "without a letter or digit",
    "other_language": "in a language that the labeler is not made for",
}
"""Texts that are labelled and counted → what a reader must know of them."""


def run(context: StageContext, draft: Draft) -> None:
    """Scores all distinct records, decides, and writes `LABELS`, `SUMMARY` and the map's index.

    Texts, names and scores wait in files: memory holds some blocks of them and a few bytes for each
    utterance, however many there are.
    """
    taxonomy = Taxonomy.bare(context.spec.params["taxonomy"])
    params = Params.model_validate(context.spec.params["label"])
    manifest = context.parent("utterances")
    gold_taxonomy = gold_taxonomy_of(context, read_summary(manifest), taxonomy)
    labeler = context.plugin("labeler")
    name = context.spec.plugins["labeler"].name
    reads = checked_reads(labeler, name)

    def compute(bucket: list[Row], part: Draft) -> None:
        batch = [record_of(row.name, json.loads(row.record)) for row in bucket]
        write_shard(part, checked_scores(labeler, name, batch, taxonomy))

    with RowIndex(draft.path) as rows:
        with LabelTexts(context, manifest, draft.path, with_context="context" in reads) as texts:
            silent, odd = [], Counter[str]()
            for table, records in texts.blocks():
                if "gold" in reads:
                    records = with_gold(name, records, table, gold_taxonomy, taxonomy)
                told = [read_fields(record, reads) for record in records]
                rows.add(
                    (i, digest(f), json.dumps(f)) for i, f in zip(table.ids, told, strict=True)
                )
                silent.append(_silent(records, reads, params))
                odd.update(_odd_texts(records, labeler))
        run_map(
            context,
            draft,
            rows,
            compute=compute,
            capacity=params.shard_rows,
            params={"taxonomy": context.spec.params["taxonomy"]},
            pace=(len(taxonomy.labels), "pairs"),
        )
    content_free = _content_free(labeler, name, taxonomy, params)

    def decided_by(seen: Seen, kind: ScoreKind) -> tuple[_Decided, LabelSummary]:
        decided = _decided(seen, kind, silent, taxonomy, params, content_free)
        gold = _gold(manifest, decided, taxonomy, gold_taxonomy)
        return decided, label_summary(decided.choices, kind, taxonomy, gold)

    k = len(taxonomy.labels)
    settling = isinstance(labeler, SettlingLabeler) and labeler.settles
    with ShardScores(context.store, draft, k, with_votes=settling) as scores:
        if settling:
            settled = checked_settled(labeler, name, scores.votes(), taxonomy)
            decided, summary = decided_by(settled_blocks(scores, settled), "distribution")
            beside = {
                other: decided_by(settled_blocks(scores, way), "distribution")[1]
                for other, way in settled.beside.items()
            }
            summary = summary.model_copy(update={"settled": dict(settled.facts), "beside": beside})
        else:
            decided, summary = decided_by(scores.blocks, scores.kind)
        write_labels(draft, decided.choices, decided.blocks(), taxonomy)
        odd["truncated"] = scores.truncated()
    odd_texts = {what: odd[what] for what in ODD_TEXTS}
    summary = summary.model_copy(update={"labeler_reads": sorted(reads), "odd_texts": odd_texts})
    content = summary.model_dump(mode="json", exclude_unset=True)
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    (draft.path / SUMMARY).write_text(text + "\n", encoding="utf-8")
    draft.counts |= {"labelled": summary.labelled, "abstained": summary.abstained, **odd_texts}


def _odd_texts(records: Sequence[TextRecord], labeler: Labeler[Any]) -> Iterator[str]:
    """Yields what is odd about texts that a labeler reads, once for each."""
    for record in records if "text" in labeler.reads else ():
        if record.text and not any(map(str.isalnum, record.text)):
            yield "without_words"
        if record.text and labeler.languages and record.language not in {"", *labeler.languages}:
            yield "other_language"


Silent = tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]


def _silent(records: Sequence[TextRecord], reads: frozenset[str], params: Params) -> Silent:
    """Where there is no text, and where the recogniser says that nobody spoke."""
    # Whoever does not read the text is not stopped by its absence: gold and chance need no words.
    if "text" not in reads:
        return np.zeros(len(records), dtype=bool), np.zeros(len(records), dtype=bool)
    empty = np.array([not record.text for record in records], dtype=bool)
    quiet = np.array([record.no_speech_prob for record in records]) > params.max_no_speech_prob
    unsure = np.array([record.avg_logprob for record in records]) < params.min_avg_logprob
    return empty, quiet & unsure


@dataclass(frozen=True)
class _Decided:
    """Labels of all utterances, and a way to go through their corrected scores."""

    choices: Choices
    blocks: Callable[[], Iterator[Floats]]


def _content_free(
    labeler: Labeler[Any], name: str, taxonomy: Taxonomy, params: Params
) -> Floats | None:
    """The labeler's scores of texts that say nothing, if they are asked for.

    Raises:
        SettingsError: it abstains on all of them, or does not read the text.
    """
    if params.prior_correction != "content-free":
        return None
    if "gold" not in labeler.reads and "text" in labeler.reads:
        records = [
            TextRecord(id=f"content-free-{i}", text=text)
            for i, text in enumerate(params.content_free)
        ]
        found = checked_scores(labeler, name, records, taxonomy)
        answered = ~np.asarray(found.abstained, dtype=bool)
        if answered.any():
            return np.asarray(found.values[answered], dtype=np.float64)
    raise SettingsError(
        f"label.prior_correction is 'content-free', and labeler '{name}' gives none of "
        f"{', '.join(map(repr, params.content_free))} a score. Name other texts in "
        "label.content_free, or choose 'corpus-mean'."
    )


def _decided(
    seen: Seen,
    kind: ScoreKind,
    silent: Sequence[Silent],
    taxonomy: Taxonomy,
    params: Params,
    content_free: Floats | None,
) -> _Decided:
    def evidence() -> Iterator[Evidence]:
        for (values, abstained), (empty, no_speech) in zip(seen(), silent, strict=True):
            yield Evidence(values, abstained, empty, no_speech)

    n = sum(len(empty) for empty, _ in silent)
    prior = fitted_prior(evidence, kind, params, len(taxonomy.labels), content_free)
    choices = choose(evidence, n, kind, taxonomy, params, prior)
    return _Decided(choices, lambda: (corrected(v, kind, params, prior) for v, _ in seen()))


def _gold(
    manifest: Artifact, decided: _Decided, taxonomy: Taxonomy, gold_taxonomy: Taxonomy | None
) -> GoldAgreement | None:
    """Agreement with gold; only utterances that have any come into memory."""
    if gold_taxonomy is None:
        return None
    rows: list[dict[str, Any]] = []
    kept: list[Floats] = []
    places: list[int] = []
    begin = 0
    for table, scores in zip(iter_utterances(manifest, BLOCK), decided.blocks(), strict=True):
        own = [i for i, gold in enumerate(table.gold) if gold]
        whole = table.rows() if own else []
        rows += [whole[i] for i in own]
        kept.append(scores[own])
        places += [begin + i for i in own]
        begin += len(table)
    if not places:
        return None
    choices = decided.choices
    some = Decision(
        np.concatenate(kept),
        choices.index[places],
        choices.confidence[places],
        [choices.reasons(slice(i, i + 1))[0] for i in places],
    )
    return gold_agreement(table_of(rows), some, taxonomy, gold_taxonomy, begin - len(places))
