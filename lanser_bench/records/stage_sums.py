"""The file of the label and transcribe stages beside a record: sums over speakers of their quality.

Two records are compared from it without the store, and without a row per utterance.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import TypeAdapter

from ..data.utterances import iter_utterances, read_summary
from ..errors import TaxonomyError
from ..evaluation.arrays import Bools, Floats, Ints
from ..evaluation.label_quality import (
    LabelRows,
    QualitySums,
    distances,
    error_sums,
    label_sums,
    units_of,
)
from ..evaluation.sheets import fitting
from ..evaluation.zeroshot import choices, common_taxonomy
from ..stages.label.files import read_labels
from ..stages.transcribe.run import read_transcripts
from ..stages.transcribe.spec import SUMMARY as TRANSCRIPTS
from ..stages.transcribe.wer import utterance_edits
from ..store import Artifact, Store
from ..taxonomy import Taxonomy
from .attachments import read_attached, write_attached
from .record import Attached, ResultRecord
from .sheets import STAGES

BLOCK = 8192
"""Utterances of a manifest in memory at a time."""


def attach_stages(store: Store, record: ResultRecord, path: Path) -> Attached | None:
    """Writes the sums of a record's corpora beside its future file; returns None if it has none."""
    found = {}
    for corpus in record.labels | record.transcripts:
        place = corpus.partition(" ")[0]
        keys = [record.stages.get(f"{stage} {place}") for stage in ("label", "transcribe")]
        found[corpus] = stage_sums(store, *(use and use.key for use in keys))
    return write_attached(sums_table(found), path, "stages") if found else None


@lru_cache(maxsize=8)
def stage_sums(
    store: Store, labels: str | None, transcripts: str | None, compare_in: Taxonomy | None = None
) -> QualitySums:
    """Returns the sums of a corpus' weak labels and transcripts, named by the keys of their stages.

    They are cached, because the cells of a grid share them. Weak labels and gold are compared in
    `compare_in`; by default in the taxonomy of the gold labels, or of the weak labels if only gold
    labels can be mapped.

    Raises:
        StoreError: an artifact is missing or damaged.
        TaxonomyError: `compare_in` is set, and there is no map to it.
    """
    found = QualitySums((), {})
    if labels is not None:
        found = _label_sums(store, store.checked(labels), compare_in)
    errors = None if transcripts is None else _error_sums(store, store.checked(transcripts))
    if errors is None:
        return found
    parts = {**found.parts, **errors.parts}
    return QualitySums(found.units or errors.units, parts, found.labels, found.gold)


def _label_sums(store: Store, artifact: Artifact, compare_in: Taxonomy | None) -> QualitySums:
    spec, labels = artifact.spec, read_labels(artifact)
    manifest = store.checked(spec.parents["utterances"])
    taxonomy, gold = Taxonomy.bare(spec.params["taxonomy"]), spec.params["gold_taxonomy"]
    if gold is None and read_summary(manifest)["card"]["taxonomy"] == taxonomy.name:
        gold = spec.params["taxonomy"]
    target = None
    if gold is not None:
        gold = Taxonomy.bare(gold)
        try:
            target = compare_in or common_taxonomy(taxonomy, gold)
            maps = taxonomy.map_to(target), gold.map_to(target)
        except TaxonomyError:
            if compare_in is not None:
                raise
            target = None
    speakers: list[str | None] = []
    columns: list[tuple[Ints, Ints, Floats]] = []
    for table in iter_utterances(manifest, BLOCK):
        rows = slice(len(speakers), len(speakers) + len(table))
        speakers += table.speakers
        if target is not None:
            votes = table.votes(gold.names) @ maps[1]
            scores, answered = labels.scores[rows].astype(np.float64), labels.index[rows] >= 0
            columns.append(_block(scores, answered, votes, maps[0]))
    given = labels.index.astype(np.int64)
    if not columns or target is None:
        none = np.full(len(given), -1)
        own = LabelRows(given, none, none, np.full((len(given), 2), np.nan))
        return label_sums(own, units_of(speakers), taxonomy.names)
    own = LabelRows(given, *map(np.concatenate, zip(*columns, strict=True)))
    return label_sums(own, units_of(speakers), taxonomy.names, target.names)


def _block(
    scores: Floats, answered: Bools, votes: Floats, matrix: Floats
) -> tuple[Ints, Ints, Floats]:
    """Returns gold, answers and distances of some utterances, as `LabelRows` has them."""
    total = votes.sum(1, keepdims=True)
    shares = np.divide(votes, total, out=np.zeros_like(votes), where=total > 0)
    single = np.where((shares > 0).sum(1) == 1, shares.argmax(1), -1)
    answers = choices(scores, matrix, ~answered)
    return single, answers, distances(scores, matrix, answers >= 0, shares)


def _error_sums(store: Store, artifact: Artifact) -> QualitySums | None:
    """Returns None if the recogniser read the reference, or there is none."""
    summary = json.loads((artifact.path / TRANSCRIPTS).read_text(encoding="utf-8"))
    if summary["wer"] is None:
        return None
    texts = [own.text for own in read_transcripts(store, artifact.key).values()]
    speakers: list[str | None] = []
    references: list[str] = []
    for table in iter_utterances(store.checked(artifact.spec.parents["utterances"]), BLOCK):
        speakers += table.speakers
        references += [text or "" for text in table.transcripts]
    return error_sums(units_of(speakers), *utterance_edits(references, texts))


def sums_table(found: Mapping[str, QualitySums]) -> pa.Table:
    """Returns the sums of some corpora as a table of `sheets.STAGES`."""
    blocks, names = [], {}
    for corpus, sums in found.items():
        names[corpus] = {"units": sums.units, "labels": sums.labels, "gold": sums.gold}
        for part, values in sums.parts.items():
            places = np.nonzero(values)
            columns = {
                "corpus": [corpus] * len(places[0]),
                "part": [part] * len(places[0]),
                "unit": np.array(sums.units)[places[0]],
                "row": places[1] if values.ndim == 3 else np.zeros(len(places[0])),
                "column": places[-1],
                "value": values[places],
            }
            blocks.append(pa.table(columns).cast(STAGES))
    table = pa.concat_tables(blocks) if blocks else STAGES.empty_table()
    return table.replace_schema_metadata({"names": json.dumps(names)})


def sums_of(table: pa.Table) -> dict[str, QualitySums]:
    """Returns corpus → sums from a `sums_table`."""
    with fitting(table):
        places = _PLACES.validate_json(table.schema.metadata[b"names"])
        return {
            corpus: _read(
                table.filter(pc.equal(table["corpus"], corpus)),
                names["units"],
                names["labels"],
                names["gold"],
            )
            for corpus, names in places.items()
        }


_PLACES = TypeAdapter(dict[str, dict[Literal["units", "labels", "gold"], list[str]]])
"""Corpus → names of the places in its sums."""


def _read(
    table: pa.Table, units: Sequence[str], labels: Sequence[str], gold: Sequence[str]
) -> QualitySums:
    shapes = {
        "given": (len(labels) + 1,),
        "agreement": (len(gold), len(gold) + 1),
        "distances": (3,),
        "words": (2,),
        "characters": (2,),
    }
    position = {unit: i for i, unit in enumerate(units)}
    parts = {}
    for part in table["part"].unique().to_pylist():
        own = table.filter(pc.equal(table["part"], part))
        unit = [position[name] for name in own["unit"].to_pylist()]
        row, column = (own[name].to_numpy() for name in ("row", "column"))
        parts[part] = np.zeros((len(units), *shapes[part]))
        place = (unit, row, column) if parts[part].ndim == 3 else (unit, column)
        parts[part][place] = own["value"].to_numpy()
    return QualitySums(tuple(units), parts, tuple(labels), tuple(gold))


def record_sums(path: Path, record: ResultRecord) -> dict[str, QualitySums]:
    """Returns corpus → sums of a record's stages; empty for records without such a file."""
    return {} if record.stage_sums is None else _record_sums(path, record.stage_sums)


@lru_cache(maxsize=512)
def _record_sums(path: Path, attached: Attached) -> dict[str, QualitySums]:
    return sums_of(read_attached(path, attached))
