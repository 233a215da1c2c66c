"""Shards: equal rows once, one new row redoes one bucket, a killed run loses one bucket."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

from lanser_bench.errors import StoreError
from lanser_bench.plugins.discovery import Registry
from lanser_bench.stages.base import StageContext
from lanser_bench.stages.maps import distinct_rows as _row_index
from lanser_bench.stages.maps.distinct_rows import BLOCK, FILE, Gathered, Row, RowIndex
from lanser_bench.stages.maps.sharding import (
    ARRAYS,
    MapResult,
    draft_rows,
    run_map,
    shard_spec,
)
from lanser_bench.stages.maps.spans import Recordings
from lanser_bench.store import Draft, Spec, Store, digest

names = st.lists(st.integers(0, 10_000).map(digest), unique=True, max_size=300)


def expected(rows: Sequence[str], capacity: int, depth: int = 0) -> list[list[str]]:
    """Buckets as in the keys of shards: by leading bits, too full ones split in two."""
    if len(rows) <= capacity:
        return [sorted(rows)] if rows else []
    sides: tuple[list[str], list[str]] = ([], [])
    for name in rows:
        sides[int(name, 16) >> (127 - depth) & 1].append(name)
    return [bucket for side in sides for bucket in expected(side, capacity, depth + 1)]


def buckets(rows: Sequence[str], capacity: int) -> list[list[str]]:
    with tempfile.TemporaryDirectory() as folder, RowIndex(Path(folder)) as index:
        index.add((f"u{i}", name, "") for i, name in enumerate(rows))
        index.sort()
        found = [index.bucket(*place) for place in index.buckets(capacity)]
    return [[row.name for row in bucket] for bucket in found]


@given(names, st.integers(1, 64))
def test_buckets_are_those_of_keys_in_any_order(rows: list[str], capacity: int) -> None:
    found = buckets(rows, capacity)
    assert found == expected(rows, capacity)
    assert found == buckets(rows[::-1], capacity)
    assert sorted(name for bucket in found for name in bucket) == sorted(rows)
    assert all(0 < len(bucket) <= capacity for bucket in found)


def test_one_new_row_changes_one_bucket_or_splits_it() -> None:
    rows = [digest(i) for i in range(1000)]
    before = {tuple(b) for b in buckets(rows, 64)}
    for new in range(1000, 1020):
        after = {tuple(b) for b in buckets([*rows, digest(new)], 64)}
        assert len(after - before) <= 2
        assert len(before - after) == 1


def test_of_equal_rows_the_first_is_kept(tmp_path: Path) -> None:
    texts = [str(i % 60) for i in range(100)]
    with RowIndex(tmp_path) as rows:
        rows.add((f"u{i}", digest(text), f"record {i}") for i, text in enumerate(texts))
        assert rows.sort() == (100, 60)
        found = {row.name: row for place in rows.buckets(7) for row in rows.bucket(*place)}
    assert found[digest("3")] == Row(digest("3"), 3, "record 3")
    assert len(found) == 60
    assert not (tmp_path / FILE).exists()


class Runner:
    """Runs one map stage and remembers what was computed."""

    def __init__(self, folder: Path) -> None:
        self.store = Store(folder)
        self.computed: list[str] = []
        self.summed: list[list[str]] = []

    def __call__(self, texts: list[str], version: str = "1", fail_on: str = "") -> MapResult:
        spec = Spec(
            stage="embed",
            stage_version=version,
            parents={"utterances": digest(texts)},
            seed=3,
            threads=2,
        )
        context = StageContext(spec, self.store, Registry())

        def compute(bucket: list[Row], part: Draft) -> pa.Table:
            chosen = [row.record for row in bucket]
            assert chosen == [texts[row.position] for row in bucket]
            if fail_on in chosen:
                raise RuntimeError(fail_on)
            self.computed += chosen
            array = np.array([[float(len(t))] for t in chosen], np.float32)
            save_file({"layer_00": array}, part.path / ARRAYS)
            return pa.table({"text": [t.upper() for t in chosen]})

        with self.store.write(spec) as draft:
            with RowIndex(draft.path) as rows:
                rows.add((f"u{i}", digest(text), text) for i, text in enumerate(texts))
                run_map(context, draft, rows, compute=compute, capacity=8)
            self.summed = list(draft_rows(self.store, draft, ["text"]))
        return MapResult(self.store, self.store.checked(spec.key))


@pytest.fixture
def run(tmp_path: Path) -> Runner:
    return Runner(tmp_path)


def test_results_come_back_in_the_manifests_order(run: Runner) -> None:
    texts = [f"text {i}" + "!" * i for i in range(40)]
    result = run(texts)
    assert result.ids == [f"u{i}" for i in range(40)]
    assert result.columns("text")["text"] == [t.upper() for t in texts]
    assert result.array_names() == ["layer_00"]
    assert result.arrays("layer_00")[:, 0].tolist() == [len(t) for t in texts]
    assert run.summed == [[t.upper()] for t in texts]
    assert sorted(path.name for path in result.artifact.path.iterdir()) == [
        "done.json",
        "index.parquet",
    ]


def test_blocks_smaller_than_the_rows_change_nothing(
    run: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [str(i % 30) for i in range(100)]
    whole = run(texts)
    index = pq.read_table(whole.artifact.path / "index.parquet")
    monkeypatch.setattr(_row_index, "BLOCK", 7)
    run.store.discard(whole.artifact.key)
    pieces = run(texts)
    assert pq.read_table(pieces.artifact.path / "index.parquet").equals(index)
    assert run.summed == [[text] for text in texts]


def test_equal_rows_are_computed_once(run: Runner) -> None:
    result = run(["a", "b", "a", "a"])
    assert sorted(run.computed) == ["a", "b"]
    assert result.columns("text")["text"] == ["A", "B", "A", "A"]


def test_a_new_row_redoes_one_shard(run: Runner) -> None:
    texts = [str(i) for i in range(200)]
    run(texts)
    run.computed.clear()
    result = run([*texts, "new"])
    assert "new" in run.computed
    assert len(run.computed) <= 9
    assert result.columns("text")["text"][-1] == "NEW"


def test_a_failed_run_keeps_the_finished_shards(run: Runner) -> None:
    texts = [str(i) for i in range(100)]
    last = expected([digest(t) for t in texts], 8)[-1]
    culprit = next(t for t in texts if digest(t) in last)
    with pytest.raises(RuntimeError):
        run(texts, fail_on=culprit)
    before = len(run.computed)
    run(texts)
    assert 0 < before < 100  # shards are computed from one that the key chooses
    assert len(run.computed) == 100


def test_a_full_disk_is_the_store_s_error(run: Runner) -> None:
    def fill() -> None:
        spec = Spec(stage="embed", stage_version="1")
        with run.store.write(spec) as draft, RowIndex(draft.path) as rows:
            rows._base.execute("PRAGMA max_page_count=4")
            rows.add((f"u{i}", digest(i), "x" * 1000) for i in range(100))

    with pytest.raises(StoreError, match=r"embed.*No space left.*cache gc"):
        fill()
    assert not list((run.store.root / "tmp").iterdir())


def test_another_stage_version_shares_nothing(run: Runner) -> None:
    run(["a"])
    run(["a"], version="2")
    assert run.computed == ["a", "a"]


def test_a_damaged_shard_is_refused(run: Runner) -> None:
    result = run(["a", "b"])
    path = result.parts[0] / ARRAYS
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    again = MapResult(run.store, result.artifact)
    with pytest.raises(StoreError, match="damaged"):
        again.arrays("layer_00")
    assert run.store.get(result.artifact.key) is None, "the index goes with its shard"
    assert run(["a", "b"]).arrays("layer_00").tolist() == [[1.0], [1.0]]


def test_no_rows_give_an_empty_result(run: Runner) -> None:
    result = run([])
    assert result.ids == []
    assert result.columns("text")["text"] == []
    assert result.array_names() == []
    assert result.artifact.meta["parts"] == []


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"threads": 2},
        {"params": {"x": 2}},
        {"stage_version": "2"},
        {"plugins": {"encoder": {"version": "2"}}},
        {"parents": {"utterances": "u", "model": "n"}},
    ],
)
def test_a_shard_s_key_has_all_of_its_stage_but_the_manifest(change: dict[str, object]) -> None:
    plugin = {
        "kind": "encoder",
        "name": "e",
        "distribution": "d",
        "version": "1",
        "source": "s",
        "options": {},
        "weights": "",
        "libraries": {},
    }
    content = {
        "stage": "embed",
        "stage_version": "1",
        "plugins": {"encoder": plugin},
        "params": {"x": 1},
        "parents": {"utterances": "u", "model": "m"},
        "seed": 0,
        "threads": 1,
    }

    def key(rows: list[str], **changes: object) -> str:
        return shard_spec(Spec.model_validate(content | changes), rows).key

    if "plugins" in change:
        change = {"plugins": {"encoder": plugin | {"version": "2"}}}
    base = key(["a", "b"])
    assert key(["a", "b"], **change) != base
    assert key(["a", "c"]) != base
    assert key(["a", "b"], parents={"utterances": "other", "model": "m"}) == base
    assert base != Spec.model_validate(content).key


def test_shards_are_kept_under_these_keys(run: Runner) -> None:
    """Of the stage as it runs, with its threads: they move floats."""
    result = run(["a"])
    (part,) = result.artifact.meta["parts"]
    spec = result.artifact.spec
    assert part == shard_spec(spec, [digest("a")]).key


def test_gathered_rows_follow_the_index_in_blocks_and_leave_no_file(tmp_path: Path) -> None:
    n = BLOCK + 10
    order = np.random.default_rng(0).permutation(n)
    later = order >= 100
    columns = {"part": later.astype(np.int32), "row": (order - 100 * later).astype(np.int32)}
    index = pa.table(columns)
    pq.write_table(index, tmp_path / "index.parquet")
    with Gathered(tmp_path / "raw") as found:
        found.append(str(i).encode() for i in range(100))
        found.append(str(i).encode() for i in range(100, n))
        blocks = list(found.blocks(tmp_path / "index.parquet"))
    assert [len(block) for block in blocks] == [BLOCK, 10]
    assert [int(row) for block in blocks for row in block] == order.tolist()
    assert [path.name for path in tmp_path.iterdir()] == ["index.parquet"]


@pytest.mark.parametrize("indent", [None, 0, 1])
def test_recordings_are_looked_up_in_files_of_any_layout(
    tmp_path: Path, indent: int | None
) -> None:
    names = {"a": '/x/{"q": 1},', "b": "/y/ü\n.wav", "c": os.fsdecode(b"/z/\xff.wav")}
    (tmp_path / "first.json").write_text(json.dumps({"a": "/old", "d": "/d"}))
    (tmp_path / "second.json").write_text(json.dumps(names, indent=indent) + "\n")
    spec = Spec(stage="embed", stage_version="1")
    inputs = {"audio": [str(tmp_path / "first.json"), str(tmp_path / "second.json")]}
    context = StageContext(spec, Store(tmp_path / "store"), Registry(), inputs)
    with Recordings(context, tmp_path) as recordings:
        for sha, path in {**names, "d": "/d"}.items():
            assert recordings.path(sha) == Path(path)
        assert recordings.path("e") is None
    assert not list(tmp_path.glob("*.sqlite"))
