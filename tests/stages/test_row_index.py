"""Rows on disk go into the same shards, in the same order, as rows in memory."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lanser_bench.stages._row_index import BLOCK, FILE, Gathered, RowIndex
from lanser_bench.stages.sharding import buckets


def name(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


@pytest.mark.parametrize("capacity", [1, 7, 1000])
def test_buckets_are_those_of_run_map(tmp_path: Path, capacity: int) -> None:
    names = [name(str(i % 60)) for i in range(100)]
    with RowIndex(tmp_path) as rows:
        rows.add((f"u{i}", one, f"record {i}") for i, one in enumerate(names))
        assert rows.sort() == (100, 60)
        found = [rows.bucket(*place) for place in rows.buckets(capacity)]
    assert [[one for one, _ in bucket] for bucket in found] == buckets(sorted(set(names)), capacity)
    said = {one: record for bucket in found for one, record in bucket}
    assert said[names[3]] == "record 3"
    assert not (tmp_path / FILE).exists()


def test_places_come_in_the_manifest_s_order(tmp_path: Path) -> None:
    names = [name(text) for text in "abcab"]
    with RowIndex(tmp_path) as rows:
        rows.add(zip(["u0", "u1", "u2", "u3", "u4"], names, names, strict=True))
        rows.sort()
        rows.put(0, sorted(set(names)))
        table = pa.concat_tables(rows.places())
    assert table["id"].to_pylist() == ["u0", "u1", "u2", "u3", "u4"]
    assert table["row"].to_pylist() == [sorted(set(names)).index(one) for one in names]


def test_no_rows_make_no_buckets(tmp_path: Path) -> None:
    with RowIndex(tmp_path) as rows:
        assert rows.sort() == (0, 0)
        assert list(rows.buckets(5)) == []
        assert list(rows.places()) == []


def test_gathered_rows_follow_the_index_in_blocks_and_leave_no_file(tmp_path: Path) -> None:
    n = BLOCK + 10
    order = np.random.default_rng(0).permutation(n)
    later = order >= 100
    columns = {"part": later.astype(np.int32), "row": (order - 100 * later).astype(np.int32)}
    index = pa.table(columns)
    pq.write_table(index, tmp_path / "index.parquet")
    values = np.arange(2 * n, dtype=np.float32).reshape(n, 2)
    found = Gathered(tmp_path / "raw")
    found.append(values[:100])
    found.append(values[100:])
    blocks = list(found.blocks(tmp_path / "index.parquet"))
    assert [len(block) for block in blocks] == [BLOCK, 10]
    np.testing.assert_array_equal(np.concatenate(blocks), values[order])
    found.close()
    assert [path.name for path in tmp_path.iterdir()] == ["index.parquet"]
