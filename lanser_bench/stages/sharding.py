"""Map stages in shards: fixed hash buckets, each an artifact of its own.

Rows are named by what determines them (audio hash and span, or a text), never by their id. They are
put into buckets by the leading bits of that name; a bucket that grows past its capacity splits in
two. So one new file redoes one bucket, equal rows are computed once, and a killed run loses only
the bucket in hand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors.numpy import load_file

from ..errors import StoreError
from ..halving import tallied
from ..store import Artifact, DamagedError, Draft, Spec, Store, digest
from .base import StageContext

INDEX = "index.parquet"
ROWS = "rows.parquet"
ARRAYS = "arrays.safetensors"


def buckets(names: Sequence[str], capacity: int, depth: int = 0) -> list[list[str]]:
    """Splits distinct row names into buckets by their leading bits.

    Args:
        names: distinct names of 32 hexadecimal digits.
        capacity: the most rows of a bucket.
        depth: how many bits all names share already.

    Returns:
        Buckets of sorted names, in the order of their bits; none empty.
    """
    if len(names) <= capacity:
        return [sorted(names)] if names else []
    sides: tuple[list[str], list[str]] = ([], [])
    for name in names:
        sides[int(name, 16) >> (127 - depth) & 1].append(name)
    return [bucket for side in sides for bucket in buckets(side, capacity, depth + 1)]


def run_map(
    context: StageContext,
    draft: Draft,
    *,
    ids: Sequence[str],
    rows: Sequence[str],
    compute: Callable[[list[int], Draft], None],
    capacity: int,
    unit: str = "utterances",
    params: Mapping[str, Any] | None = None,
) -> None:
    """Computes a map stage shard by shard, reusing every shard that is in the store.

    Args:
        context: the running stage; its plugins, params, seed and threads enter the shards' keys,
            and so do those parents whose role begins with ``model``.
        draft: the stage's own artifact; it receives the index from ids to shard rows.
        ids: ids of the utterances, in the manifest's order.
        rows: for each id the name of its row: a `digest` of all that determines the result.
        compute: called with the positions (into `ids`) of a bucket's rows in the order of their
            names and a draft; writes `ROWS` and, if it has any, `ARRAYS`, in the same order.
        capacity: the most rows of a shard.
        unit: what is counted in progress bars.
        params: the settings that can change a row, for the shards' keys; None for all settings of
            the stage.
    """
    settings = context.spec.params if params is None else params
    first: dict[str, int] = {}
    for position, name in enumerate(rows):
        first.setdefault(name, position)
    place: dict[str, tuple[int, int]] = {}
    done = reused = 0
    for number, bucket in enumerate(buckets(list(first), capacity)):
        spec = shard_spec(context.spec.model_copy(update={"params": dict(settings)}), bucket)
        reused += not made_anew(
            context.store, spec, partial(compute, [first[name] for name in bucket])
        )
        draft.parts.append(spec.key)
        place.update({name: (number, row) for row, name in enumerate(bucket)})
        done += len(bucket)
        context.progress(done, len(first), unit)
    draft.counts |= {unit: len(ids), "distinct": len(first), "shards": len(draft.parts),
                     "shards_reused": reused}  # fmt: skip
    table = pa.table(
        {
            "id": pa.array(ids, pa.string()),
            "part": pa.array([place[name][0] for name in rows], pa.int32()),
            "row": pa.array([place[name][1] for name in rows], pa.int32()),
        }
    )
    pq.write_table(table, draft.path / INDEX)


def made_anew(store: Store, spec: Spec, compute: Callable[[Draft], None]) -> bool:
    """Computes a shard unless it is there; tells whether it had to."""
    if spec.key in store:
        return False
    with store.lock(spec.key):
        if spec.key in store:  # another stage has made it while this one waited
            return False
        with store.write(spec) as part, tallied() as tally:
            compute(part)
            part.counts |= tally.counts
    return True


def shard_spec(spec: Spec, bucket: Sequence[str]) -> Spec:
    """Returns the key content of one shard: the stage's, with its rows in place of the manifest."""
    return spec.model_copy(
        update={
            "stage": f"{spec.stage}.shard",
            "params": {**spec.params, "rows": digest(list(bucket))},
            "parents": {r: k for r, k in spec.parents.items() if r.startswith("model")},
        }
    )


def draft_rows(store: Store, draft: Draft) -> pa.Table:
    """Returns the rows of a map that has just run, one per id, in the manifest's order.

    For stages that sum up their own rows before their artifact is finished.
    """
    index = pq.read_table(draft.path / INDEX)
    parts = [pq.read_table(store.checked(key).path / ROWS) for key in draft.parts]
    starts = np.cumsum([0, *(len(part) for part in parts[:-1])])
    order = starts[index["part"].to_numpy()] + index["row"].to_numpy()
    return pa.concat_tables(parts).take(pa.array(order))


@dataclass(frozen=True)
class MapResult:
    """Reads what a map stage left, in the manifest's order."""

    store: Store
    artifact: Artifact

    @cached_property
    def index(self) -> pa.Table:
        """Columns id, part, row."""
        return pq.read_table(self.artifact.path / INDEX)

    @cached_property
    def ids(self) -> list[str]:
        """Ids in order."""
        ids: list[str] = self.index["id"].to_pylist()
        return ids

    @cached_property
    def _parts(self) -> list[Path]:
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

    def column(self, name: str) -> list[Any]:
        """Values of one column of `ROWS`, one per id."""
        parts = [
            pq.read_table(path / ROWS, columns=[name])[name].to_pylist() for path in self._parts
        ]
        return [parts[part][row] for part, row in self._places()]

    def arrays(self, name: str) -> npt.NDArray[Any]:
        """One array of `ARRAYS` with a row per id; raises `StoreError` if a shard has none."""
        parts = []
        for path in self._parts:
            found = load_file(path / ARRAYS)
            if name not in found:
                raise StoreError(f"Shard {path.name} has no array '{name}'.")
            parts.append(found[name])
        starts = np.cumsum([0, *(len(part) for part in parts[:-1])]) if parts else np.zeros(0, int)
        order = starts[self.index["part"].to_numpy()] + self.index["row"].to_numpy()
        return np.asarray(np.concatenate(parts)[order])

    def array_names(self) -> list[str]:
        """Names of the arrays that every shard has, ``layer_99`` before ``layer_100``."""
        if not self._parts:
            return []
        from safetensors import safe_open

        with safe_open(self._parts[0] / ARRAYS, framework="numpy") as file:
            return sorted(file.keys(), key=lambda name: (len(name), name))

    def part_paths(self) -> list[Path]:
        """Folders of the shards, for readers that map files into memory themselves."""
        return self._parts

    def _places(self) -> Iterator[tuple[int, int]]:
        parts = self.index["part"].to_pylist()
        return zip(parts, self.index["row"].to_pylist(), strict=True)
