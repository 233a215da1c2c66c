"""Map stages in shards: fixed hash buckets, each an artifact.

Rows are named by what determines them (audio hash and span, or a text), never by their id. The
leading bits of the name select a bucket; a bucket that exceeds its capacity splits in two. So one
new file recomputes one bucket, equal rows are computed once, and a killed run loses only the
bucket that it was computing.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors import safe_open
from safetensors.numpy import load_file

from ...counting import tallied
from ...errors import StoreError
from ...store import Artifact, DamagedError, Draft, Spec, Store, digest
from ..base import NoFreeShardError, StageContext, machine
from .distinct_rows import INDEX_SCHEMA, Gathered, Row, RowIndex, Shard, index_ids
from .teamwork import assist, lead

INDEX = "index.parquet"
ROWS = "rows.parquet"
ARRAYS = "arrays.safetensors"


def run_map(
    context: StageContext,
    draft: Draft,
    rows: RowIndex,
    *,
    compute: Callable[[list[Row], Draft], pa.Table],
    capacity: int,
    unit: str = "utterances",
    params: Mapping[str, Any] | None = None,
    pace: tuple[int, str] | None = None,
) -> None:
    """Computes a map stage shard by shard, reusing the shards that are in the store.

    Other processes may join; see `teamwork`.

    Args:
        context: the running stage; its plugins, params, seed, threads and the parents whose role
            begins with ``model`` enter the shards' keys.
        draft: the stage's own artifact; it receives the index from ids to shard rows.
        rows: all rows, in the manifest's order; of a process that has joined, the leader's.
        compute: given a bucket's rows in the order of their names and a draft, returns the table
            to write as `ROWS`; it may write `ARRAYS` and other files, in the same order.
        capacity: the largest number of rows of a shard.
        unit: what the rows are, in counts.
        params: the settings that can change a row, for the shards' keys; None for all.
        pace: units per distinct row and their name, for progress bars; None for one `unit` per row.

    Raises:
        NoFreeShardError: this process has joined another, and no shard is left to take.
    """
    settings = context.spec.params if params is None else params
    spec = context.spec.model_copy(update={"params": dict(settings)})

    def make(shard: Shard, waiting: Callable[[object], None] | None) -> bool:
        bucket = rows.bucket(shard.start, shard.depth)

        def write(part: Draft) -> None:
            pq.write_table(compute(bucket, part), part.path / ROWS)

        own = shard_spec(spec, [row.name for row in bucket])
        return compute_shard(context.store, own, write, waiting)

    if context.joined is not None:
        raise NoFreeShardError(assist(context.joined, context.store, rows, make))
    total, distinct = rows.sort()
    shards = list(_shards(rows, capacity, spec))
    todo = [shard for shard in shards if shard.key not in context.store]
    stored = distinct - sum(shard.rows for shard in todo)
    each, pace_unit = pace or (1, unit)

    def tell(done: int) -> None:
        context.progress((stored + done) * each, distinct * each, pace_unit)

    draft.seconds += lead(context, rows, todo, make, tell)
    draft.counts |= {unit: total, "distinct": distinct}
    draft.counts |= {"shards": len(shards), "shards_reused": len(shards) - len(todo)}
    draft.parts += [shard.key for shard in shards]
    with pq.ParquetWriter(draft.path / INDEX, INDEX_SCHEMA) as file:
        for table in rows.places(shards):
            file.write_table(table)


def _shards(rows: RowIndex, capacity: int, spec: Spec) -> Iterator[Shard]:
    # A list, because reading one bucket while the next is sought would mix two statements.
    for number, place in enumerate(list(rows.buckets(capacity))):
        names = rows.names(*place)
        yield Shard(number, *place, len(names), shard_spec(spec, names).key)


def compute_shard(
    store: Store,
    spec: Spec,
    compute: Callable[[Draft], None],
    waiting: Callable[[object], None] | None = None,
) -> bool:
    """Computes a shard unless it is stored; returns whether it was computed.

    `waiting` is called while another process has its lease.
    """
    if spec.key in store:
        return False
    with store.lock(spec.key, waiting):
        if spec.key in store:  # another process computed it while this one waited
            return False
        with store.write(spec) as part, tallied() as tally:
            begin, cpu = time.perf_counter(), time.process_time()
            compute(part)
            part.cost = {
                "wall_s": round(time.perf_counter() - begin, 6),
                "cpu_s": round(time.process_time() - cpu, 6),
                "machine": machine(),
            }
            part.counts |= tally
    return True


def shard_spec(spec: Spec, bucket: Sequence[str]) -> Spec:
    """Returns the key content of one shard: the stage's, with its rows instead of the manifest."""
    return spec.model_copy(
        update={
            "stage": f"{spec.stage}.shard",
            "params": {**spec.params, "rows": digest(list(bucket))},
            "parents": {r: k for r, k in spec.parents.items() if r.startswith("model")},
        }
    )


def iter_rows(
    folders: Iterable[Path], index: Path, columns: Sequence[str], scratch: Path
) -> Iterator[list[Any]]:
    """Yields values of some columns of `ROWS`, one row per id in the manifest's order.

    `folders` are those of the shards, `index` is the map's `INDEX`, and `scratch` is a new file
    that keeps the rows meanwhile.
    """
    with Gathered(scratch) as gathered:
        for folder in folders:
            table = pq.ParquetFile(folder / ROWS).read(columns=list(columns))
            rows = zip(*(table[name].to_pylist() for name in columns), strict=True)
            gathered.append(json.dumps(row).encode() for row in rows)
        for block in gathered.blocks(index):
            yield from map(json.loads, block)


def draft_rows(store: Store, draft: Draft, columns: Sequence[str]) -> Iterator[list[Any]]:
    """Yields the rows of a map that has just run, as `iter_rows`.

    For stages that summarise their own rows before their artifact is finished.
    """
    folders = (store.checked(key).path for key in draft.parts)
    return iter_rows(folders, draft.path / INDEX, columns, draft.path / "rows.raw")


@dataclass(frozen=True)
class MapResult:
    """Reads a map stage's result, in the manifest's order."""

    store: Store
    artifact: Artifact

    @cached_property
    def ids(self) -> list[str]:
        """Ids in order."""
        return list(index_ids(self.artifact.path / INDEX))

    @cached_property
    def parts(self) -> list[Path]:
        """Folders of the shards, for readers that map files into memory themselves."""
        paths, faults = [], []
        for key in self.artifact.meta["parts"]:
            try:
                paths.append(self.store.checked(key).path)
            except StoreError as error:
                faults.append(str(error))
        if faults:
            # Without its shards the index points nowhere: both must be computed again.
            self.store.set_aside(self.artifact, faults)
            raise DamagedError(" ".join(faults))
        return paths

    def places(self) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
        """Returns the shard of each id, and the row in it; both of shape (utterances,)."""
        index = pq.read_table(self.artifact.path / INDEX, columns=["part", "row"])
        return index["part"].to_numpy(), index["row"].to_numpy()

    def columns(self, *names: str) -> dict[str, list[Any]]:
        """Returns columns of `ROWS` (all by default), each with one value per id."""
        tables = [pq.ParquetFile(path / ROWS).read(list(names) or None) for path in self.parts]
        if not tables:
            return {name: [] for name in names}
        rows = pa.concat_tables(tables).take(self._order([len(table) for table in tables]))
        return {name: rows[name].to_pylist() for name in rows.column_names}

    def arrays(self, name: str) -> npt.NDArray[Any]:
        """Returns an array of `ARRAYS`, a row per id; raises `StoreError` if a shard lacks it."""
        arrays = []
        for path in self.parts:
            stored = load_file(path / ARRAYS)
            if name not in stored:
                raise StoreError(f"Shard {path.name} has no array '{name}'.")
            arrays.append(stored[name])
        return np.asarray(np.concatenate(arrays)[self._order([len(array) for array in arrays])])

    def array_names(self) -> list[str]:
        """Returns the names of the shards' arrays, ``layer_99`` before ``layer_100``."""
        if not self.parts:
            return []
        with safe_open(self.parts[0] / ARRAYS, framework="numpy") as file:
            return sorted(file.keys(), key=lambda name: (len(name), name))

    def _order(self, sizes: Sequence[int]) -> npt.NDArray[np.int64]:
        """Returns each id's row in the concatenation of all shards, which have these sizes."""
        part, row = self.places()
        starts = np.cumsum([0, *sizes])[part]
        return np.asarray(starts + row, np.int64)
