"""The rows of a map stage on disk: memory does not grow with their number.

Sorting on disk brings rows of equal name together, and each shard reads only its own records.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from ...data.utterances import parquet_blocks
from ..base import Joined
from .scratch import Scratch, ScratchBase

FILE = "rows.sqlite"
BLOCK = 4096
"""Rows in memory at a time."""


class Row(NamedTuple):
    """A distinct row: the first of all rows with its name."""

    name: str
    position: int
    """Its position in the manifest."""
    record: str


class Shard(NamedTuple):
    """A range of names, whose rows are computed together; see `RowIndex.buckets`."""

    number: int
    start: int
    depth: int
    rows: int
    key: str


class RowIndex(ScratchBase):
    """Rows of a corpus on disk: id and name of each, and one record for each name."""

    def __init__(self, folder: Path, joined: Joined | None = None) -> None:
        """Creates an empty file in a folder; leaving the block removes it.

        Who has joined another process's stage reads the file of that process instead.
        """
        if joined is not None:
            super().__init__(joined.rows, of_another=True)
            return
        super().__init__(folder / FILE, "temp_store=FILE")
        self._base.execute("CREATE TABLE row (pos INTEGER PRIMARY KEY, id TEXT, name BLOB, record)")
        self._base.execute("CREATE TABLE distinct_row (name BLOB PRIMARY KEY, pos) WITHOUT ROWID")

    def add(self, rows: Iterable[tuple[str, str, str]]) -> None:
        """Adds rows in the manifest's order: id, name (32 hexadecimal digits) and record."""
        self.write(
            "INSERT INTO row (id, name, record) VALUES (?, ?, ?)",
            ((id_, bytes.fromhex(name), record) for id_, name, record in rows),
        )

    def sort(self) -> tuple[int, int]:
        """Groups rows by name; returns the number of rows and of distinct ones."""
        self._base.execute(
            "INSERT INTO distinct_row (name, pos) "
            "SELECT name, MIN(pos) FROM row GROUP BY name ORDER BY name"
        )
        total = self._base.execute("SELECT COUNT(*) FROM row").fetchone()[0]
        return total, self._count(0, 0)

    def buckets(self, capacity: int, start: int = 0, depth: int = 0) -> Iterator[tuple[int, int]]:
        """Yields ranges of names with at most `capacity` distinct rows, in the order of names.

        A range is the bits that its names share and their number, for `bucket`. The next bit splits
        a range with more rows in two, so a new row changes one bucket.
        """
        count = self._count(start, depth)
        if count <= capacity:
            if count:
                yield start, depth
            return
        for side in (0, 1):
            yield from self.buckets(capacity, start << 1 | side, depth + 1)

    def bucket(self, start: int, depth: int) -> list[Row]:
        """Returns the rows of a bucket, in the order of their names."""
        rows = self._base.execute(
            "SELECT d.name, d.pos, row.record FROM distinct_row d JOIN row ON row.pos = d.pos "
            "WHERE d.name BETWEEN ? AND ? ORDER BY d.name",
            _range(start, depth),
        )
        return [Row(name.hex(), position - 1, record) for name, position, record in rows]

    def names(self, start: int, depth: int) -> list[str]:
        """Returns the names in a bucket, in order."""
        query = "SELECT name FROM distinct_row WHERE name BETWEEN ? AND ? ORDER BY name"
        return [name.hex() for (name,) in self._base.execute(query, _range(start, depth))]

    def share(self, shards: Iterable[Shard]) -> Path:
        """Adds the shards to compute, and returns the file, which does not change any more."""
        self._base.execute(
            "CREATE TABLE shard (number INTEGER PRIMARY KEY, start, depth, rows, key)"
        )
        self.write("INSERT INTO shard VALUES (?, ?, ?, ?, ?)", shards)
        descriptor = os.open(self._path, os.O_RDONLY)
        try:
            os.fsync(descriptor)  # machines that share the disk see nothing before
        finally:
            os.close(descriptor)
        return self._path

    def shared(self, skip: int) -> list[Shard]:
        """Returns the shards that the other process has added, without the first ones."""
        query = "SELECT * FROM shard ORDER BY number LIMIT -1 OFFSET ?"
        return [Shard(*row) for row in self._base.execute(query, (skip,))]

    def places(self, shards: Iterable[Shard]) -> Iterator[pa.Table]:
        """Yields the columns of `INDEX` in blocks, in the manifest's order."""
        columns = "name BLOB PRIMARY KEY, part, row"
        # In a file of its own, because other processes may read this one.
        self._base.execute(f"CREATE TEMP TABLE place ({columns}) WITHOUT ROWID")
        for shard in shards:
            names = enumerate(self.names(shard.start, shard.depth))
            rows = ((bytes.fromhex(name), shard.number, place) for place, name in names)
            self.write("INSERT INTO place VALUES (?, ?, ?)", rows)
        cursor = self._base.execute(
            "SELECT row.id, place.part, place.row FROM row JOIN place ON place.name = row.name "
            "ORDER BY row.pos"
        )
        while block := cursor.fetchmany(BLOCK):
            values = zip(*block, strict=True)
            yield pa.table(dict(zip(INDEX_SCHEMA.names, values, strict=True)), INDEX_SCHEMA)

    def _count(self, start: int, depth: int) -> int:
        query = "SELECT COUNT(*) FROM distinct_row WHERE name BETWEEN ? AND ?"
        return int(self._base.execute(query, _range(start, depth)).fetchone()[0])


INDEX_SCHEMA = pa.schema([("id", pa.string()), ("part", pa.int32()), ("row", pa.int32())])


def _range(start: int, depth: int) -> tuple[bytes, bytes]:
    """Returns the lowest and the highest name that begin with the `depth` bits of `start`."""
    shift = 128 - depth
    low, high = start << shift, ((start + 1) << shift) - 1
    return low.to_bytes(16, "big"), high.to_bytes(16, "big")


class Gathered(Scratch):
    """The rows of all shards in one file, read in the manifest's order, block by block."""

    def __init__(self, path: Path) -> None:
        """Creates an empty file; `close` removes it. Memory: 8 bytes for each distinct row."""
        self._path = path
        self._file = path.open("w+b")
        self._starts = [0]
        self._ends = array("q", [0])

    def append(self, rows: Iterable[bytes]) -> None:
        """Appends a shard's rows."""
        for row in rows:
            self._file.write(row)
            self._ends.append(self._ends[-1] + len(row))
        self._starts.append(len(self._ends) - 1)

    def blocks(self, index: Path) -> Iterator[list[bytes]]:
        """Yields rows in the order of an `INDEX`, in blocks of at most `BLOCK`."""
        self._file.flush()
        starts, ends, file = np.array(self._starts), self._ends, self._file.fileno()
        for batch in parquet_blocks(index, BLOCK, ["part", "row"]):
            order = starts[batch["part"].to_numpy()] + batch["row"].to_numpy()
            # Rows of a block are scattered over the file: a memory map would load nearly all of it.
            yield [os.pread(file, ends[i + 1] - ends[i], ends[i]) for i in order.tolist()]

    def close(self) -> None:
        """Removes the file."""
        self._file.close()
        self._path.unlink(missing_ok=True)


def index_ids(index: Path) -> Iterator[str]:
    """Yields the ids of an `INDEX`, in the manifest's order."""
    for batch in parquet_blocks(index, BLOCK, ["id"]):
        yield from batch["id"].to_pylist()
