"""Each column of a manifest is read into the field of its own."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

from lanser_bench.data.utterances import (
    SCHEMA,
    UtteranceTable,
    iter_utterances,
    read_utterances,
    table_of,
    write_utterances,
)
from lanser_bench.store import Artifact, Spec, Store

VALUES: dict[str, Any] = {
    "id": "u1",
    "audio_sha": "ab",
    "start": 1.0,
    "end": 2.5,
    "seconds": 1.5,
    "speaker": "set:s1",
    "dialogue_id": "d1",
    "turn": 3,
    "sentence_id": "line 1",
    "language": "en",
    "split": "dev",
    "transcript": "hello",
    "gold": {"joy": 1.0},
    "gold_kind": "single",
    "extras": {"session": "1"},
}
FIELDS = {
    "id": "ids",
    "speaker": "speakers",
    "dialogue_id": "dialogue_ids",
    "turn": "turns",
    "sentence_id": "sentence_ids",
    "language": "languages",
    "split": "splits",
    "transcript": "transcripts",
    "gold_kind": "gold_kinds",
}


def check(table: UtteranceTable) -> None:
    for column, value in VALUES.items():
        assert getattr(table, FIELDS.get(column, column)) == [value], column
    assert table.rows() == [VALUES]


def written(folder: Path) -> Artifact:
    store, spec = Store(folder), Spec(stage="manifest", stage_version="1")
    with store.write(spec) as draft:
        write_utterances(draft.path, [VALUES], {})
    return store.checked(spec.key)


def test_every_column_has_a_field_and_every_field_a_column() -> None:
    names = {FIELDS.get(column, column) for column in SCHEMA.names}
    assert names == {field.name for field in fields(UtteranceTable)}
    assert list(VALUES) == SCHEMA.names


def test_rows_become_columns_by_name() -> None:
    check(table_of([VALUES]))
    check(table_of([dict(reversed(VALUES.items()))]))


def test_the_file_is_read_by_name(tmp_path: Path) -> None:
    artifact = written(tmp_path)
    check(read_utterances(artifact))
    (block,) = iter_utterances(artifact, 10)
    check(block)


def test_the_order_of_the_file_s_columns_does_not_matter(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    artifact = written(tmp_path)
    path = artifact.path / "utterances.parquet"
    table = pq.read_table(path)
    pq.write_table(table.select(table.column_names[::-1]), path)
    check(read_utterances(artifact))
    assert json.loads(table["gold"][0].as_py()) == VALUES["gold"]
