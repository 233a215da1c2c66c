"""Shards: equal rows once, one new row redoes one bucket, a killed run loses one bucket."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

from lanser_bench.errors import StoreError
from lanser_bench.plugins import Registry
from lanser_bench.stages.base import StageContext
from lanser_bench.stages.sharding import ARRAYS, ROWS, MapResult, buckets, run_map, shard_spec
from lanser_bench.store import Draft, Spec, Store, digest

names = st.lists(st.integers(0, 10_000).map(digest), unique=True, max_size=300)


@given(names, st.integers(1, 64))
def test_buckets_hold_every_row_once_within_capacity(rows: list[str], capacity: int) -> None:
    found = buckets(rows, capacity)
    assert sorted(name for bucket in found for name in bucket) == sorted(rows)
    assert all(0 < len(bucket) <= capacity for bucket in found)


@given(names, st.integers(8, 64))
def test_buckets_do_not_depend_on_order(rows: list[str], capacity: int) -> None:
    assert buckets(rows, capacity) == buckets(rows[::-1], capacity)


def test_one_new_row_changes_one_bucket_or_splits_it() -> None:
    rows = [digest(i) for i in range(1000)]
    before = {tuple(b) for b in buckets(rows, 64)}
    for new in range(1000, 1100):
        after = {tuple(b) for b in buckets([*rows, digest(new)], 64)}
        assert len(after - before) <= 2
        assert len(before - after) == 1


class Runner:
    """Runs one map stage and remembers what was computed."""

    def __init__(self, folder: Path) -> None:
        self.store = Store(folder)
        self.computed: list[str] = []

    def __call__(self, texts: list[str], version: str = "1", fail_on: str = "") -> MapResult:
        spec = Spec(
            stage="embed", stage_version=version, parents={"utterances": digest(texts)}, seed=3,
            threads=2,
        )  # fmt: skip
        context = StageContext(spec, self.store, Registry())

        def compute(positions: list[int], part: Draft) -> None:
            chosen = [texts[p] for p in positions]
            if fail_on in chosen:
                raise RuntimeError(fail_on)
            self.computed += chosen
            pq.write_table(pa.table({"text": [t.upper() for t in chosen]}), part.path / ROWS)
            array = np.array([[float(len(t))] for t in chosen], np.float32)
            save_file({"layer_00": array}, part.path / ARRAYS)

        with self.store.write(spec) as draft:
            run_map(
                context,
                draft,
                ids=[f"u{i}" for i in range(len(texts))],
                rows=[digest(t) for t in texts],
                compute=compute,
                capacity=8,
            )
        return MapResult(self.store, self.store.checked(spec.key))


@pytest.fixture
def run(tmp_path: Path) -> Runner:
    return Runner(tmp_path)


def test_results_come_back_in_the_manifests_order(run: Runner) -> None:
    texts = [f"text {i}" + "!" * i for i in range(40)]
    result = run(texts)
    assert result.ids == [f"u{i}" for i in range(40)]
    assert result.column("text") == [t.upper() for t in texts]
    assert result.array_names() == ["layer_00"]
    assert result.arrays("layer_00")[:, 0].tolist() == [len(t) for t in texts]


def test_equal_rows_are_computed_once(run: Runner) -> None:
    result = run(["a", "b", "a", "a"])
    assert sorted(run.computed) == ["a", "b"]
    assert result.column("text") == ["A", "B", "A", "A"]


def test_a_new_row_redoes_one_shard(run: Runner) -> None:
    texts = [str(i) for i in range(200)]
    run(texts)
    run.computed.clear()
    result = run([*texts, "new"])
    assert "new" in run.computed
    assert len(run.computed) <= 9
    assert result.column("text")[-1] == "NEW"


def test_a_failed_run_keeps_the_finished_shards(run: Runner) -> None:
    texts = [str(i) for i in range(100)]
    last = buckets([digest(t) for t in texts], 8)[-1]
    culprit = next(t for t in texts if digest(t) in last)
    with pytest.raises(RuntimeError):
        run(texts, fail_on=culprit)
    before = len(run.computed)
    run(texts)
    assert before == 100 - len(last)
    assert len(run.computed) == 100


def test_another_stage_version_shares_nothing(run: Runner) -> None:
    run(["a"])
    run(["a"], version="2")
    assert run.computed == ["a", "a"]


def test_a_damaged_shard_is_refused(run: Runner) -> None:
    result = run(["a", "b"])
    path = result.part_paths()[0] / ARRAYS
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    again = MapResult(run.store, result.artifact)
    with pytest.raises(StoreError, match="damaged"):
        again.arrays("layer_00")
    assert run.store.get(result.artifact.key) is None, "the index goes with its shard"
    assert run(["a", "b"]).arrays("layer_00").tolist() == [[1.0], [1.0]]


def test_no_rows_give_an_empty_result(run: Runner) -> None:
    result = run([])
    assert result.ids == []
    assert result.column("text") == []
    assert result.array_names() == []


@pytest.mark.parametrize(
    "change",
    [{"seed": 1}, {"threads": 2}, {"params": {"x": 2}}, {"stage_version": "2"},
     {"plugins": {"encoder": {"version": "2"}}}, {"parents": {"utterances": "u", "model": "n"}}],
)  # fmt: skip
def test_a_shard_s_key_has_all_of_its_stage_but_the_manifest(change: dict[str, object]) -> None:
    plugin = {"kind": "encoder", "name": "e", "distribution": "d", "version": "1", "source": "s",
              "options": {}, "weights": "", "libraries": {}}  # fmt: skip
    content = {"stage": "embed", "stage_version": "1", "plugins": {"encoder": plugin},
               "params": {"x": 1}, "parents": {"utterances": "u", "model": "m"}, "seed": 0,
               "threads": 1}  # fmt: skip

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
