"""The files of the label stage: shards of scores, and the table of weak labels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from ...errors import StoreError
from ...kinds.labeler import ScoreKind, Scores
from ...store import Artifact, Draft, Store
from ...taxonomy import Taxonomy
from ..maps.distinct_rows import Gathered, index_ids
from ..maps.scratch import Scratch
from ..maps.sharding import INDEX, ROWS
from .decision import Choices

LABELS = "labels.parquet"
SCORES = ["values", "abstained", "truncated", "kind"]
_LABELS = pa.schema(
    [
        ("id", pa.string()),
        ("label", pa.string()),
        ("index", pa.int32()),
        ("confidence", pa.float32()),
        ("scores", pa.list_(pa.float32())),
        ("reason", pa.string()),
    ]
)


def shard_table(scores: Scores) -> pa.Table:
    """Returns the rows of a shard: scores with logits and abstentions."""
    values = np.asarray(scores.values, dtype=np.float32)
    n = len(values)
    logits = None if scores.logits is None else np.asarray(scores.logits, np.float32).reshape(n, -1)
    truncated = np.zeros(n) if scores.truncated is None else scores.truncated
    columns = {
        "values": _lists(values),
        "logits": pa.nulls(n, pa.list_(pa.float32())) if logits is None else _lists(logits),
        "abstained": np.asarray(scores.abstained, dtype=bool),
        "truncated": np.asarray(truncated, dtype=bool),
        "kind": pa.array([scores.kind] * n, pa.string()),
    }
    return pa.table(columns)


def _lists(matrix: npt.NDArray[np.float32]) -> pa.Array:
    """Returns the rows of a matrix as a column of lists, without a Python object per number."""
    starts = np.arange(len(matrix) + 1, dtype=np.int32) * matrix.shape[1]
    flat = pa.array(np.ascontiguousarray(matrix).reshape(-1), pa.float32())
    return pa.ListArray.from_arrays(pa.array(starts), flat)


def _matrix(column: pa.ChunkedArray, *shape: int) -> npt.NDArray[np.float32]:
    flat = column.combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return np.asarray(flat, dtype=np.float32).reshape(len(column), *shape)


class ShardScores(Scratch):
    """Scores of all utterances in the manifest's order, block by block, as often as needed."""

    def __init__(self, store: Store, draft: Draft, k: int, *, with_votes: bool = False) -> None:
        """Concatenates the rows of the draft's shards in a file; leaving the block removes it.

        With `with_votes` logits are scores by members, and `votes` can be called.
        """
        self._index, self._k = draft.path / INDEX, k
        self.kind: ScoreKind = "distribution"
        columns = [*SCORES, "logits"] if with_votes else SCORES
        self._rows = Gathered(draft.path / "scores.raw")
        for key in draft.parts:
            table = pq.ParquetFile(store.checked(key).path / ROWS).read(columns)
            # Each row continues with two flags of the labeler, and its members' votes.
            flags = [table[name].to_numpy()[:, None] for name in ("abstained", "truncated")]
            parts = [_matrix(table["values"], k), *flags]
            if with_votes:
                parts.append(_votes(table["logits"], k))
            rows = np.concatenate(parts, axis=1, dtype=np.float32, casting="unsafe")
            self._width = rows.shape[1]
            self._rows.append(row.tobytes() for row in rows)
            self.kind = table["kind"][0].as_py()

    def close(self) -> None:
        """Removes the file."""
        self._rows.close()

    def blocks(self) -> Iterator[tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]]:
        """Yields scores, shape (rows, K), and where the labeler abstained, shape (rows,)."""
        for rows in self._blocks():
            yield rows[:, : self._k], rows[:, self._k] > 0

    def truncated(self) -> int:
        """Returns the number of utterances that the labeler read only in part."""
        return sum(int((rows[:, self._k + 1] > 0).sum()) for rows in self._blocks())

    def votes(self) -> npt.NDArray[np.int16]:
        """Returns each member's best label of all utterances, shape (n, members); −1 for none."""
        blocks = [rows[:, self._k + 2 :].astype(np.int16) for rows in self._blocks()]
        return np.concatenate(blocks) if blocks else np.zeros((0, 1), np.int16)

    def _blocks(self) -> Iterator[npt.NDArray[np.float32]]:
        for rows in self._rows.blocks(self._index):
            flat = np.frombuffer(bytearray().join(rows), np.float32)
            yield flat.reshape(len(rows), self._width)


def _votes(logits: pa.ChunkedArray, k: int) -> npt.NDArray[np.int64]:
    scores = _matrix(logits, k, -1)
    return np.where((scores != 0).any(axis=1), scores.argmax(axis=1), -1)


def write_labels(
    draft: Draft,
    choices: Choices,
    scores: Iterable[npt.NDArray[np.floating[Any]]],
    taxonomy: Taxonomy,
) -> None:
    """Writes `LABELS` block by block; `scores` are corrected, in the manifest's order."""
    names = [*taxonomy.names, None]
    begin = 0
    ids = index_ids(draft.path / INDEX)
    with pq.ParquetWriter(draft.path / LABELS, _LABELS) as file:
        for block in scores:
            rows = slice(begin, begin := begin + len(block))
            index = choices.index[rows]
            columns = [
                pa.array(list(islice(ids, len(block))), pa.string()),
                pa.array([names[i] for i in index.tolist()], pa.string()),
                pa.array(index, pa.int32()),
                pa.array(choices.confidence[rows], pa.float32()),
                _lists(block.astype(np.float32)),
                pa.array(choices.reasons(rows), pa.string()),
            ]
            file.write_table(pa.table(columns, schema=_LABELS))


@dataclass(frozen=True)
class LabelTable:
    """Weak labels of a manifest, in its order."""

    ids: list[str]
    labels: list[str | None]
    """None if the utterance has no label."""
    index: npt.NDArray[np.int32]
    """Shape (n,): position in the taxonomy; −1 if there is no label."""
    confidence: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]
    """Shape (n, K): after the stage's corrections."""
    reasons: list[str | None]
    """Why there is no label."""


def read_index(artifact: Artifact) -> npt.NDArray[np.int32]:
    """Returns `LabelTable.index` of a label stage, without reading the scores."""
    column = pq.read_table(artifact.path / LABELS, columns=["index"])["index"]
    return np.asarray(column.to_numpy(), dtype=np.int32)


def read_labels(artifact: Artifact) -> LabelTable:
    """Reads the weak labels of a label stage.

    Raises:
        StoreError: the artifact has none.
    """
    path = artifact.path / LABELS
    if not path.is_file():
        raise StoreError(f"Artifact {artifact.key} contains no {LABELS}.")
    table = pq.read_table(path)
    k = len(artifact.spec.params["taxonomy"]["labels"])
    return LabelTable(
        ids=table["id"].to_pylist(),
        labels=table["label"].to_pylist(),
        index=table["index"].to_numpy(),
        confidence=table["confidence"].to_numpy(),
        scores=_matrix(table["scores"], k),
        reasons=table["reason"].to_pylist(),
    )
