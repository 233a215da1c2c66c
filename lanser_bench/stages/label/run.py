"""Label: transcripts and a taxonomy in, weak labels out.

Scoring is a map over distinct records, so equal texts are scored once and a new file costs one
shard. Labels are decided afterwards on all rows (corrections, thresholds, neutral rule); these
settings are not in the shards' keys, so changing them recomputes no scores.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ...data.utterances import UtteranceTable, iter_utterances, read_summary, table_of
from ...errors import SettingsError
from ...evaluation.summaries import GoldAgreement, LabelSummary
from ...kinds.labeler import ColumnLabeler, Labeler, ScoreKind, Scores, SettlingLabeler, TextRecord
from ...store import Artifact, Draft, digest
from ...taxonomy import Taxonomy
from ..base import StageContext
from ..maps.distinct_rows import BLOCK, Row, RowIndex
from ..maps.sharding import run_map
from ..maps.spans import Recordings, check_audio
from .calibration import Floats
from .columns import shared_scores
from .decision import Choices, Evidence, checked_scores, choose, corrected, fitted_prior
from .files import ShardScores, read_index, shard_table, write_labels
from .records import (
    add_audio,
    checked_reads,
    gold_taxonomy_of,
    read_fields,
    record_of,
    with_gold,
)
from .settling import ScorePass, checked_settled, settled_blocks
from .spec import ODD_TEXTS, SUMMARY, Params
from .summary import gold_agreement, label_summary
from .texts import LabelTexts
from .wording import WORDING, worded_scores

AUDIO_ROWS = 64
"""Most records of a shard whose labeler reads audio."""
Silent = tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]
"""Rows without text, and rows without speech according to the recogniser."""


def run(context: StageContext, draft: Draft) -> None:
    """Scores all distinct records, decides, and writes `LABELS`, `SUMMARY` and the map's index.

    Texts, names and scores are kept in files: memory contains some blocks of them and a few bytes
    per utterance, however many there are.
    """
    taxonomy = Taxonomy.bare(context.spec.params["taxonomy"])
    params = Params.model_validate(context.spec.params["label"])
    labeler, k = context.plugin("labeler"), len(taxonomy.labels)
    settings = {n: v for n, v in context.spec.params.items() if n in ("taxonomy", "libraries")}
    with (
        RowIndex(draft.path, context.joined) as rows,
        Recordings(context, draft.path) as recordings,
    ):
        labeling = _Labeling(context, taxonomy, params, labeler, recordings)
        if not context.joined:
            silent, odd = labeling.add_rows(rows, draft.path)
        run_map(
            context,
            draft,
            rows,
            compute=labeling.score,
            capacity=labeling.capacity,
            params=settings,
            pace=(k, "pairs"),
        )
    settles = isinstance(labeler, SettlingLabeler) and labeler.settles
    with ShardScores(context.store, draft, k, with_votes=settles) as scores:
        if settles:
            labels, summary = labeling.settled(scores, silent)
        else:
            labels, summary = labeling.decided(scores.blocks, scores.kind, silent)
        write_labels(draft, labels.choices, labels.blocks(), taxonomy)
        odd["truncated"] = scores.truncated()
    odd_texts = {kind: odd[kind] for kind in ODD_TEXTS}
    reads = sorted(labeling.reads)
    update: dict[str, Any] = {"labeler_reads": reads, "odd_texts": odd_texts}
    if taxonomy.languages:
        update["wordings"] = dict(sorted(labeling.wordings.items()))
    summary = summary.model_copy(update=update)
    content = summary.model_dump(mode="json", exclude_unset=True)
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    (draft.path / SUMMARY).write_text(text + "\n", encoding="utf-8")
    draft.counts |= {"labelled": summary.labelled, "abstained": summary.abstained, **odd_texts}


@dataclass(frozen=True)
class _Labels:
    """Labels of all utterances, and an iterator factory of their corrected scores."""

    choices: Choices
    blocks: Callable[[], Iterator[Floats]]


class _Labeling:
    """Scores records and decides on labels, with one labeler and one taxonomy."""

    def __init__(
        self,
        context: StageContext,
        taxonomy: Taxonomy,
        params: Params,
        labeler: Labeler[Any],
        recordings: Recordings,
    ) -> None:
        """Checks the fields that the labeler reads, and that there is audio if it reads that."""
        self.context, self.taxonomy, self.params, self.labeler = context, taxonomy, params, labeler
        self.name = context.name("labeler")
        self.manifest = context.parent("utterances")
        self.gold_taxonomy = gold_taxonomy_of(context, read_summary(self.manifest), taxonomy)
        self.reads = checked_reads(labeler, self.name)
        self.recordings = recordings
        if "audio" in self.reads:
            check_audio(self.manifest, f"labeler '{self.name}'")
        self.wordings = Counter[str]()
        """Language of the labels' wording → utterances; empty for the default wording."""

    @property
    def capacity(self) -> int:
        """Most records of a shard, all of which are in memory at once."""
        most = self.params.shard_rows
        return min(most, AUDIO_ROWS) if "audio" in self.reads else most

    def add_rows(self, rows: RowIndex, folder: Path) -> tuple[list[Silent], Counter[str]]:
        """Adds a row for each utterance; returns silent ones block by block, and odd texts."""
        reads, silent, odd = self.reads, [], Counter[str]()
        with_context = "context" in reads
        with LabelTexts(self.context, self.manifest, folder, with_context=with_context) as texts:
            for table, records in texts.blocks():
                if "gold" in reads:
                    records = with_gold(
                        self.name, records, table, self.gold_taxonomy, self.taxonomy
                    )
                fields = [read_fields(record, reads) for record in records]
                self._add_wordings(fields, records, table)
                names = [digest(own) for own in fields]
                if "audio" in reads:
                    names = add_audio(fields, table)
                rows.add(zip(table.ids, names, map(json.dumps, fields), strict=True))
                silent.append(_silent(records, reads, self.params))
                odd.update(_odd_texts(records, self.labeler))
        return silent, odd

    def _add_wordings(
        self, fields: list[dict[str, Any]], records: list[TextRecord], table: UtteranceTable
    ) -> None:
        """Adds the language of the labels' wording to the fields of records, where it is known."""
        for own, record, language in zip(fields, records, table.languages, strict=True):
            worded = language in self.taxonomy.languages and bool(record.text)
            if worded:
                own[WORDING] = language
            if record.text:
                self.wordings[language if worded and language else ""] += 1

    def score(self, bucket: list[Row], part: Draft) -> pa.Table:
        """Returns the scores of a shard's records."""
        fields = [json.loads(row.record) for row in bucket]
        languages = [own.pop(WORDING, "") for own in fields]
        sounds = [own.pop("audio", None) for own in fields]
        batch = [
            replace(record_of(row.name, own), audio=sound and self.recordings.samples(*sound))
            for row, own, sound in zip(bucket, fields, sounds, strict=True)
        ]
        return shard_table(self._scored(batch, languages, part))

    def _scored(
        self, batch: list[TextRecord], languages: list[str], part: Draft | None = None
    ) -> Scores:
        """Returns scores; with the shard's draft, from columns that the store shares."""
        labeler, compute = self.labeler, self.labeler.score
        if part and isinstance(labeler, ColumnLabeler) and "audio" not in self.reads:
            compute = partial(shared_scores, self.context, labeler, part)
        score = partial(checked_scores, compute, self.name)
        return worded_scores(score, batch, languages, self.taxonomy)

    def settled(self, scores: ShardScores, silent: list[Silent]) -> tuple[_Labels, LabelSummary]:
        """Lets the labeler settle the whole corpus before labels are decided."""
        assert isinstance(self.labeler, SettlingLabeler)
        settled = checked_settled(self.labeler, self.name, scores.votes(), self.taxonomy)
        labels, summary = self.decided(settled_blocks(scores, settled), "distribution", silent)
        beside = {
            other: self.decided(settled_blocks(scores, method), "distribution", silent)[1]
            for other, method in settled.beside.items()
        }
        update = {"settled": dict(settled.facts), "beside": beside}
        return labels, summary.model_copy(update=update)

    def decided(
        self, scores: ScorePass, kind: ScoreKind, silent: list[Silent]
    ) -> tuple[_Labels, LabelSummary]:
        """Returns labels of all utterances, and their summary."""
        taxonomy, params = self.taxonomy, self.params

        def evidence() -> Iterator[Evidence]:
            for (values, abstained), (empty, no_speech) in zip(scores(), silent, strict=True):
                yield Evidence(values, abstained, empty, no_speech)

        n = sum(len(empty) for empty, _ in silent)
        prior = fitted_prior(evidence, kind, params, len(taxonomy.labels), self._content_free)
        choices = choose(evidence, n, kind, taxonomy, params, prior, self._second)
        labels = _Labels(choices, lambda: (corrected(v, kind, params, prior) for v, _ in scores()))
        gold = _gold(self.manifest, labels, taxonomy, self.gold_taxonomy)
        return labels, label_summary(choices, kind, taxonomy, gold)

    @cached_property
    def _second(self) -> npt.NDArray[np.int32] | None:
        """The labels of the labeler that must agree, shape (n,); None if there is none."""
        has_second = "second" in self.context.spec.parents
        return read_index(self.context.parent("second")) if has_second else None

    @cached_property
    def _content_free(self) -> Floats | None:
        """The scores of content-free texts, if the settings ask for them.

        Raises:
            SettingsError: the labeler abstains on all of them, or does not read the text.
        """
        params, reads = self.params, self.labeler.reads
        if params.prior_correction != "content-free":
            return None
        if "gold" not in reads and "text" in reads:
            records = [
                TextRecord(id=f"content-free-{i}", text=text)
                for i, text in enumerate(params.content_free)
            ]
            # Once in each wording that texts of the corpus get.
            languages = sorted(self.wordings) or [""]
            each = [language for language in languages for _ in records]
            scores = self._scored(records * len(languages), each)
            answered = ~np.asarray(scores.abstained, dtype=bool)
            if answered.any():
                return np.asarray(scores.values[answered], dtype=np.float64)
        raise SettingsError(
            f"label.prior_correction is 'content-free', and labeler '{self.name}' gives none of "
            f"{', '.join(map(repr, params.content_free))} a score. Name other texts in "
            "label.content_free, or choose 'corpus-mean'."
        )


def _odd_texts(records: Sequence[TextRecord], labeler: Labeler[Any]) -> Iterator[str]:
    """Yields the kinds of `ODD_TEXTS` among texts that a labeler reads, once for each text."""
    for record in records if "text" in labeler.reads else ():
        if record.text and not any(map(str.isalnum, record.text)):
            yield "without_words"
        if record.text and labeler.languages and record.language not in {"", *labeler.languages}:
            yield "other_language"


def _silent(records: Sequence[TextRecord], reads: frozenset[str], params: Params) -> Silent:
    # A labeler that does not read text needs none: gold and chance label silence too.
    if "text" not in reads:
        return np.zeros(len(records), dtype=bool), np.zeros(len(records), dtype=bool)
    empty = np.array([not record.text for record in records], dtype=bool)
    quiet = np.array([record.no_speech_prob for record in records]) > params.max_no_speech_prob
    unsure = np.array([record.avg_logprob for record in records]) < params.min_avg_logprob
    return empty, quiet & unsure


def _gold(
    manifest: Artifact, labels: _Labels, taxonomy: Taxonomy, gold_taxonomy: Taxonomy | None
) -> GoldAgreement | None:
    """Returns agreement with gold labels; only utterances that have one are kept in memory."""
    if gold_taxonomy is None:
        return None
    rows: list[dict[str, Any]] = []
    scores: list[Floats] = []
    positions: list[int] = []
    begin = 0
    for table, block in zip(iter_utterances(manifest, BLOCK), labels.blocks(), strict=True):
        own = [i for i, gold in enumerate(table.gold) if gold]
        table_rows = table.rows() if own else []
        rows += [table_rows[i] for i in own]
        scores.append(block[own])
        positions += [begin + i for i in own]
        begin += len(table)
    if not positions:
        return None
    labelled = labels.choices.index[positions] >= 0
    unlabelled = begin - len(rows)
    return gold_agreement(
        table_of(rows), np.concatenate(scores), labelled, taxonomy, gold_taxonomy, unlabelled
    )
