"""The files of the label stage: shards of scores, and the table of weak labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import StoreError
from ..kinds.labeler import Scores
from ..store import Artifact, Draft, Store
from ..taxonomy import Taxonomy
from ._decision import Decision
from .sharding import INDEX, ROWS

LABELS = "labels.parquet"


def write_shard(part: Draft, scores: Scores) -> None:
    values = np.asarray(scores.values, dtype=np.float32)
    n = len(values)
    logits = None if scores.logits is None else np.asarray(scores.logits, np.float32).reshape(n, -1)
    columns = {
        "values": _lists(values),
        "logits": pa.nulls(n, pa.list_(pa.float32())) if logits is None else _lists(logits),
        "abstained": pa.array(np.asarray(scores.abstained, dtype=bool)),
        "kind": pa.array([scores.kind] * n, pa.string()),
    }
    pq.write_table(pa.table(columns), part.path / ROWS)


def _lists(matrix: npt.NDArray[np.float32]) -> pa.Array:
    """A column of lists out of the rows of a matrix, without a Python object per number."""
    starts = np.arange(len(matrix) + 1, dtype=np.int32) * matrix.shape[1]
    flat = pa.array(np.ascontiguousarray(matrix).reshape(-1), pa.float32())
    return pa.ListArray.from_arrays(pa.array(starts), flat)


def _matrix(column: pa.ChunkedArray, k: int) -> npt.NDArray[np.float32]:
    flat = column.combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return np.asarray(flat, dtype=np.float32).reshape(-1, k)


def read_shards(store: Store, draft: Draft, k: int) -> Scores:
    """Scores of all utterances, in the manifest's order."""
    index = pq.read_table(draft.path / INDEX)
    parts = [
        pq.read_table(store.checked(key).path / ROWS, columns=["values", "abstained", "kind"])
        for key in draft.parts
    ]
    if not parts:
        return Scores(np.zeros((0, k), np.float32), "distribution", np.zeros(0, dtype=bool))
    starts = np.cumsum([0, *(len(part) for part in parts[:-1])])
    order = starts[index["part"].to_numpy()] + index["row"].to_numpy()
    whole = pa.concat_tables(parts)
    return Scores(
        values=_matrix(whole["values"], k)[order],
        kind=whole["kind"][0].as_py(),
        abstained=whole["abstained"].to_numpy()[order],
    )


def write_labels(draft: Draft, ids: list[str], decision: Decision, taxonomy: Taxonomy) -> None:
    names = taxonomy.names
    columns = {
        "id": pa.array(ids, pa.string()),
        "label": pa.array([names[i] if i >= 0 else None for i in decision.index], pa.string()),
        "index": pa.array(decision.index, pa.int32()),
        "confidence": pa.array(decision.confidence, pa.float32()),
        "scores": _lists(decision.scores.astype(np.float32)),
        "reason": pa.array(decision.reasons, pa.string()),
    }
    pq.write_table(pa.table(columns), draft.path / LABELS)


@dataclass(frozen=True)
class LabelTable:
    """Weak labels of a manifest, in its order."""

    ids: list[str]
    labels: list[str | None]
    """None where the utterance has no label."""
    index: npt.NDArray[np.int32]
    """Shape (n,): position in the taxonomy; −1 where there is no label."""
    confidence: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]
    """Shape (n, K): after the stage's corrections."""
    reasons: list[str | None]
    """Why there is no label."""


def read_labels(artifact: Artifact) -> LabelTable:
    """Reads the weak labels of a label stage.

    Raises:
        StoreError: the artifact holds none.
    """
    path = artifact.path / LABELS
    if not path.is_file():
        raise StoreError(f"Artifact {artifact.key} holds no {LABELS}.")
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
