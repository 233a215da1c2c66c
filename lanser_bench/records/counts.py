"""Counts by speaker in the footer of a file of predictions: a table of results reads no row of it.

They follow from the rows. Files of older versions have none; theirs are counted when read.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from ..evaluation.arrays import Floats
from ..evaluation.predictions import by_budget, sorted_codes, tallied
from ..evaluation.sheets import fitting

KEY = "counts"
COLUMNS = ("target", "id", "speaker", "seed", "budget", "gold", "predicted")
"""What is counted."""


class Counts(NamedTuple):
    """What tables need of the predictions on one labelled set."""

    utterances: str
    """Hash of the utterances with their speakers and gold labels."""
    tallies: dict[str, Floats]
    """As of `by_budget`."""


def footer(tables: Sequence[pa.Table], labels: Sequence[int]) -> dict[str, str]:
    """Returns the metadata of a file of predictions: rows and number of labels of each set."""
    return {KEY: json.dumps([_part(*of) for of in zip(tables, labels, strict=True)])}


def _part(table: pa.Table, K: int) -> dict[str, Any] | None:
    """Returns None if counts would be longer than the rows."""
    budgets, sums = tallied(table, K)
    if sums.size > 3 * K * len(table):
        return None
    packed = pa.compress(sums.astype("<u4").tobytes(), codec="zstd", asbytes=True)
    return {
        "utterances": _utterances(table),
        "budgets": budgets,
        "speakers": sums.shape[2],
        "draws": sums.shape[3],
        "counts": base64.b64encode(packed).decode(),
    }


def _utterances(table: pa.Table) -> str:
    ids, row = sorted_codes(table["id"])
    speakers, speaker = sorted_codes(table["speaker"])
    who, gold = np.zeros((2, len(ids)), np.int64)
    who[row], gold[row] = speaker, table["gold"].to_numpy()
    text = json.dumps([ids, speakers, who.tolist(), gold.tolist()])
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def counted(table: pa.Table, target: int, K: int) -> Counts:
    """Counts the rows of one labelled set in a record's predictions.

    A label that is not among the record's K labels is a `DataError`.
    """
    own = table["target"].to_numpy() == target
    rows = table if own.all() else table.filter(pa.array(own))
    return Counts(_utterances(rows), by_budget(*tallied(rows, K)))


def footer_counts(table: pa.Table, target: int, K: int) -> Counts | None:
    """Returns the counts of one labelled set, with K labels, from a file's metadata, if it has any.

    Damaged ones are a `DataError`.
    """
    with fitting(table):
        parts = json.loads((table.schema.metadata or {}).get(KEY.encode(), "[]"))
        part = parts[target] if parts else None
        if part is None:
            return None
        shape = (3, len(part["budgets"]), part["speakers"], part["draws"], K)
        if not 0 < np.prod(shape) <= 3 * K * len(table):
            raise ValueError("the counts in the footer are of other rows")
        packed = base64.b64decode(part["counts"])
        raw = pa.decompress(packed, 4 * int(np.prod(shape)), codec="zstd")
        sums = np.frombuffer(raw, "<u4").astype(np.float64).reshape(shape)
        if (sums[0] > np.minimum(sums[1], sums[2])).any():
            raise ValueError("the counts in the footer have more hits than labels")
        return Counts(part["utterances"], by_budget(part["budgets"], sums))
