"""The file of weak labels beside a record: label, human label and confidence of each utterance.

Only utterances with exactly one human label are in it. Labels are positions in the `labels` of the
summary's `GoldAgreement`, whose confusion matrix follows from the file.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..data.utterances import iter_utterances
from ..evaluation.arrays import Floats, Ints
from ..evaluation.sheets import codes
from ..evaluation.summaries import LabelSummary
from ..evaluation.zeroshot import choices
from ..stages.label.files import read_labels
from ..store import Store
from ..taxonomy import Taxonomy
from .attachments import read_attached, write_attached
from .record import Attached, ResultRecord

BLOCK = 8192
"""Utterances of a manifest in memory at a time."""


@dataclass(frozen=True)
class CorpusLabels:
    """Weak labels of the n utterances of a corpus that have one human label."""

    ids: list[str]
    speakers: list[str | None]
    gold: Ints
    weak: Ints
    """−1 without a weak label, or without a counterpart of it in the human labels' taxonomy."""
    confidence: Floats
    """The labeler's, in its own label."""


def attach_labels(store: Store, record: ResultRecord, path: Path) -> Attached | None:
    """Writes the weak labels of a record's corpora that have comparable human labels, if any."""
    tables = []
    for corpus, summary in record.labels.items():
        if has_gold(summary):
            table = _labels(store, record.stages[f"label {corpus.partition(' ')[0]}"].key)
            names = pa.array([corpus] * len(table), pa.dictionary(pa.int32(), pa.string()))
            tables.append(table.add_column(0, "corpus", names))
    return write_attached(pa.concat_tables(tables), path, "labels") if tables else None


def has_gold(summary: LabelSummary) -> bool:
    """Whether the labels of a corpus were compared with at least one single human label."""
    scores = summary.gold.abstention_is_wrong if summary.gold else None
    return scores is not None and scores.n > 0


def corpus_labels(record: Path, attached: Attached, corpus: str, n_labels: int) -> CorpusLabels:
    """Reads the labels of a corpus, whose human labels have `n_labels` names, beside a record.

    Raises:
        DataError: the file is missing, or not the one that the record was written with.
    """
    table = read_attached(record, attached)
    rows = table.filter(pc.equal(table["corpus"], corpus))
    return CorpusLabels(
        rows["id"].to_pylist(),
        rows["speaker"].to_pylist(),
        codes(rows, "gold", n_labels),
        codes(rows, "weak", n_labels),
        rows["confidence"].to_numpy().astype(np.float64),
    )


@lru_cache(maxsize=4)
def _labels(store: Store, key: str) -> pa.Table:
    """Returns the columns of one corpus; cached, because the cells of a grid share labels."""
    artifact = store.checked(key)
    spec, labels = artifact.spec, read_labels(artifact)
    taxonomy, stored = Taxonomy.bare(spec.params["taxonomy"]), spec.params["gold_taxonomy"]
    gold_taxonomy = taxonomy if stored is None else Taxonomy.bare(stored)
    matrix = taxonomy.map_to(gold_taxonomy)
    ids: list[str] = []
    speakers: list[str | None] = []
    gold: list[Ints] = []
    for table in iter_utterances(store.checked(spec.parents["utterances"]), BLOCK):
        gold.append(table.labels(gold_taxonomy.names))
        own = np.flatnonzero(gold[-1] >= 0).tolist()
        ids += [table.ids[i] for i in own]
        speakers += [table.speakers[i] for i in own]
    truth = np.concatenate(gold)
    rows = np.flatnonzero(truth >= 0)
    weak = choices(labels.scores[rows].astype(np.float64), matrix, labels.index[rows] < 0)
    return pa.table(
        {
            "id": pa.array(ids, pa.string()),
            "speaker": pa.array(speakers, pa.string()).dictionary_encode(),
            "gold": pa.array(truth[rows], pa.int16()),
            "weak": pa.array(weak, pa.int16()),
            "confidence": pa.array(labels.confidence[rows], pa.float32()),
        }
    )
