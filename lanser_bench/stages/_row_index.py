"""A map stage over more rows than fit into memory: names and records wait in a file.

What `sharding.run_map` does with lists is done here with a SQLite file in the stage's draft: rows
of equal name are found by sorting on disk, and each shard reads its own records. Keys, shards and
the index are the same as there.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from ..store import Draft
from ._scratch import Scratch, ScratchBase
from .base import StageContext
from .sharding import INDEX, made_anew, shard_spec

FILE = "rows.sqlite"
BLOCK = 4096
"""Rows that are in memory at a time."""


class RowIndex(ScratchBase):
    """Rows of a corpus on disk: id and name of each, and one record for each name."""

    def __init__(self, folder: Path) -> None:
        """Makes an empty file in a folder; leaving the block removes it."""
        super().__init__(folder / FILE, "temp_store=FILE", "locking_mode=EXCLUSIVE")
        self._base.execute("CREATE TABLE row (pos INTEGER PRIMARY KEY, id TEXT, name BLOB, said)")
        self._base.execute(
            "CREATE TABLE distinct_row (name BLOB PRIMARY KEY, pos, part, place) WITHOUT ROWID"
        )

    def add(self, rows: Iterable[tuple[str, str, str]]) -> None:
        """Adds rows in the manifest's order.

        Args:
            rows: id, name (32 hexadecimal digits) and record of each.
        """
        self.write(
            "INSERT INTO row (id, name, said) VALUES (?, ?, ?)",
            ((one, bytes.fromhex(name), said) for one, name, said in rows),
        )

    def sort(self) -> tuple[int, int]:
        """Finds rows of equal name; returns the number of rows and of distinct ones."""
        self._base.execute(
            "INSERT INTO distinct_row (name, pos) "
            "SELECT name, MIN(pos) FROM row GROUP BY name ORDER BY name"
        )
        total = self._base.execute("SELECT COUNT(*) FROM row").fetchone()[0]
        return total, self._count(0, 0)

    def buckets(self, capacity: int, start: int = 0, depth: int = 0) -> Iterator[tuple[int, int]]:
        """Yields ranges of names with at most `capacity` distinct rows: those of `buckets`.

        Args:
            capacity: the most rows of a bucket.
            start: the bits that all names share.
            depth: how many.

        Yields:
            The shared bits and their number, for `bucket`.
        """
        count = self._count(start, depth)
        if count <= capacity:
            if count:
                yield start, depth
            return
        for side in (0, 1):
            yield from self.buckets(capacity, start << 1 | side, depth + 1)

    def bucket(self, start: int, depth: int) -> list[tuple[str, str]]:
        """Returns names and records of a bucket, in the order of their names."""
        rows = self._base.execute(
            "SELECT d.name, row.said FROM distinct_row d JOIN row ON row.pos = d.pos "
            "WHERE d.name BETWEEN ? AND ? ORDER BY d.name",
            _range(start, depth),
        )
        return [(name.hex(), said) for name, said in rows]

    def put(self, part: int, names: Sequence[str]) -> None:
        """Notes in which shard, and there in which place, rows are."""
        self.write(
            "UPDATE distinct_row SET part = ?, place = ? WHERE name = ?",
            ((part, place, bytes.fromhex(name)) for place, name in enumerate(names)),
        )

    def places(self) -> Iterator[pa.Table]:
        """Yields the columns of `INDEX` in blocks, in the manifest's order."""
        found = self._base.execute(
            "SELECT row.id, d.part, d.place FROM row JOIN distinct_row d ON d.name = row.name "
            "ORDER BY row.pos"
        )
        while rows := found.fetchmany(BLOCK):
            columns = zip(*rows, strict=True)
            yield pa.table(
                [
                    pa.array(values, kind)
                    for values, kind in zip(columns, _INDEX.types, strict=True)
                ],
                schema=_INDEX,
            )

    def _count(self, start: int, depth: int) -> int:
        query = "SELECT COUNT(*) FROM distinct_row WHERE name BETWEEN ? AND ?"
        return int(self._base.execute(query, _range(start, depth)).fetchone()[0])


_INDEX = pa.schema([("id", pa.string()), ("part", pa.int32()), ("row", pa.int32())])


def _range(start: int, depth: int) -> tuple[bytes, bytes]:
    """The lowest and the highest name that begin with `depth` bits of `start`."""
    shift = 128 - depth
    low, high = start << shift, ((start + 1) << shift) - 1
    return low.to_bytes(16, "big"), high.to_bytes(16, "big")


def run_indexed_map(
    context: StageContext,
    draft: Draft,
    rows: RowIndex,
    *,
    compute: Callable[[list[tuple[str, str]], Draft], None],
    capacity: int,
    params: Mapping[str, Any],
    unit: str = "utterances",
    pace: tuple[int, str] = (1, "utterances"),
) -> None:
    """Computes a map stage shard by shard, as `sharding.run_map`, over rows on disk.

    Args:
        context: the running stage.
        draft: the stage's own artifact; it receives the index.
        rows: all rows.
        compute: given the names and records of a bucket and a draft; writes `sharding.ROWS`.
        capacity: the most rows of a shard.
        params: the settings that can change a row, for the shards' keys.
        unit: what the rows are, in counts.
        pace: how many of what a distinct row is, in progress bars.
    """
    total, distinct = rows.sort()
    spec = context.spec.model_copy(update={"params": dict(params)})
    done = reused = 0
    # A list, because reading one bucket while the next is sought would mix two statements.
    for number, place in enumerate(list(rows.buckets(capacity))):
        bucket = rows.bucket(*place)
        names = [name for name, _ in bucket]
        shard = shard_spec(spec, names)
        reused += not made_anew(context.store, shard, partial(compute, bucket))
        draft.parts.append(shard.key)
        rows.put(number, names)
        done += len(bucket)
        context.progress(done * pace[0], distinct * pace[0], pace[1])
    draft.counts |= {unit: total, "distinct": distinct, "shards": len(draft.parts),
                     "shards_reused": reused}  # fmt: skip
    with pq.ParquetWriter(draft.path / INDEX, _INDEX) as file:
        for table in rows.places():
            file.write_table(table)


class Gathered(Scratch):
    """Rows of numbers of all shards in one file, read in any order, a block at a time."""

    def __init__(self, path: Path) -> None:
        """Makes an empty file for rows of float32 numbers; `close` removes it."""
        self._path, self._width = path, 0
        self._file = path.open("w+b")
        self._starts = [0]

    def append(self, rows: npt.NDArray[np.float32]) -> None:
        """Appends a shard's rows, shape (rows, width); all have one width."""
        self._width = rows.shape[1]
        self._file.write(np.ascontiguousarray(rows, dtype=np.float32).tobytes())
        self._starts.append(self._starts[-1] + len(rows))

    def blocks(self, index: Path) -> Iterator[npt.NDArray[np.float32]]:
        """Yields rows in the order of an `INDEX`, in blocks of at most `BLOCK`."""
        self._file.flush()
        starts = np.array(self._starts, dtype=np.int64)
        with pq.ParquetFile(index) as places:
            for batch in places.iter_batches(BLOCK, columns=["part", "row"]):
                order = starts[batch["part"].to_numpy()] + batch["row"].to_numpy()
                yield self._rows(order)

    def _rows(self, order: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        # Rows of a block lie anywhere in the file: a map would bring nearly every page of it into
        # the process's memory.
        size, file = 4 * self._width, self._file.fileno()
        found = b"".join(os.pread(file, size, row * size) for row in order.tolist())
        return np.frombuffer(bytearray(found), dtype=np.float32).reshape(len(order), self._width)

    def close(self) -> None:
        """Removes the file."""
        self._file.close()
        self._path.unlink(missing_ok=True)
