"""The table of utterances: how a manifest is stored, and how stages read it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import StoreError
from ..kinds.dataset import GoldKind
from ..store import Artifact, LostError

UTTERANCES = "utterances.parquet"
SUMMARY = "manifest.json"
GROUP_ROWS = 8192

Winner = Literal["unanimous", "majority"]
"""Which votes make a label: those of all annotators, or of most."""
_COLUMNS = {
    "ids": ("id", pa.string()),
    "audio_sha": ("audio_sha", pa.string()),
    "start": ("start", pa.float64()),
    "end": ("end", pa.float64()),
    "seconds": ("seconds", pa.float64()),
    "speakers": ("speaker", pa.string()),
    "dialogue_ids": ("dialogue_id", pa.string()),
    "turns": ("turn", pa.int32()),
    "sentence_ids": ("sentence_id", pa.string()),
    "languages": ("language", pa.string()),
    "splits": ("split", pa.string()),
    "transcripts": ("transcript", pa.string()),
    "gold": ("gold", pa.string()),
    "gold_kinds": ("gold_kind", pa.string()),
    "extras": ("extras", pa.string()),
}
"""Field of `UtteranceTable` → column and its type."""
SCHEMA = pa.schema(list(_COLUMNS.values()))
"""Columns of `UTTERANCES`."""
FIELDS = {column: field for field, (column, _) in _COLUMNS.items()}
"""Column of `SCHEMA` → field of `UtteranceTable`."""
_JSON = ("gold", "extras")
"""Columns of JSON objects."""


@dataclass(frozen=True)
class UtteranceTable:
    """Utterances as columns of plain values of equal length; a missing value is None."""

    ids: list[str]
    audio_sha: list[str | None]
    """SHA-256 of the recording's bytes; None for text-only utterances."""
    start: list[float | None]
    """Seconds into the recording; None for its beginning."""
    end: list[float | None]
    seconds: list[float | None]
    """Duration of the span."""
    speakers: list[str | None]
    """``dataset:speaker``."""
    dialogue_ids: list[str | None]
    turns: list[int | None]
    sentence_ids: list[str | None]
    languages: list[str | None]
    splits: list[str | None]
    transcripts: list[str | None]
    gold: list[dict[str, float]]
    """Label → weight; empty where unlabelled."""
    gold_kinds: list[GoldKind]
    extras: list[dict[str, Any]]

    def __len__(self) -> int:
        return len(self.ids)

    def labels(self, names: Sequence[str], votes: Winner = "unanimous") -> npt.NDArray[np.int64]:
        """Returns the gold label of each utterance as a position in `names`, shape (utterances,).

        It is −1 without a single gold label: no label, several labels, or one not in `names`. With
        `votes` ``majority``, votes for several labels are one label: the one with most votes,
        unless it is tied.
        """
        position = {name: index for index, name in enumerate(names)}
        labels = np.array(
            [position.get(next(iter(gold)), -1) if len(gold) == 1 else -1 for gold in self.gold],
            dtype=np.int64,
        )
        if votes == "majority":
            shares = np.pad(self.votes(names), ((0, 0), (0, 1)))
            second, first = np.sort(shares, axis=1)[:, -2:].T
            labels = np.where(first > second + 1e-9, shares.argmax(axis=1), labels)
        return labels

    def votes(self, names: Sequence[str]) -> npt.NDArray[np.float64]:
        """Returns the share of each label's votes, shape (utterances, len(names)).

        A single gold label has all of them. A row is 0 without gold, with a set of labels (kind
        ``multi``) or with one that is not in `names`.
        """
        position = {name: index for index, name in enumerate(names)}
        shares = np.zeros((len(self), len(names)))
        for row, (gold, kind) in enumerate(zip(self.gold, self.gold_kinds, strict=True)):
            if gold.keys() <= position.keys() and (kind == "distribution" or len(gold) == 1):
                total = sum(gold.values())
                for name, weight in gold.items():
                    shares[row, position[name]] = weight / total
        return shares

    def rows(self) -> list[dict[str, Any]]:
        """Returns one dict per utterance with the columns of `SCHEMA`, for `write_utterances`."""
        columns = (getattr(self, FIELDS[name]) for name in SCHEMA.names)
        rows = zip(*columns, strict=True)
        return [dict(zip(SCHEMA.names, values, strict=True)) for values in rows]


def write_utterances(
    folder: Path, rows: Iterable[Mapping[str, Any]], summary: Mapping[str, Any]
) -> None:
    """Writes `UTTERANCES` and `SUMMARY` into a folder, such as a draft's.

    A row has the columns of `SCHEMA`, with `gold` and `extras` as mappings. The summary has facts
    about the whole: dataset, card, counts, problems.
    """
    write_rows(folder, rows)
    write_summary(folder, summary)


def write_rows(folder: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Writes `UTTERANCES` alone, as `write_utterances`; the rows may exceed the memory."""
    rows = iter(rows)
    with pq.ParquetWriter(folder / UTTERANCES, SCHEMA) as file:
        # Small groups, because a reader of blocks needs a whole one in memory.
        while block := list(islice(rows, GROUP_ROWS)):
            columns = {name: [row[name] for row in block] for name in SCHEMA.names}
            columns |= {name: list(map(_as_json, columns[name])) for name in _JSON}
            file.write_table(pa.table(columns, schema=SCHEMA))


def write_summary(folder: Path, summary: Mapping[str, Any]) -> None:
    """Writes `SUMMARY` alone, as `write_utterances`."""
    text = json.dumps(summary, indent=1, ensure_ascii=False, sort_keys=True)
    (folder / SUMMARY).write_text(text + "\n", encoding="utf-8")


def read_utterances(artifact: Artifact) -> UtteranceTable:
    """Reads the utterances of a manifest or of a `segment` stage.

    Raises:
        StoreError: the artifact has no utterances; a `LostError` if it is gone.
    """
    with _file(artifact) as path:
        return _table(pq.read_table(path))


def iter_utterances(artifact: Artifact, rows: int) -> Iterator[UtteranceTable]:
    """Yields the utterances in blocks of at most `rows`; raises as `read_utterances`."""
    with _file(artifact) as path:
        for batch in parquet_blocks(path, rows, SCHEMA.names):
            yield _table(pa.Table.from_batches([batch]))


def parquet_blocks(path: Path, rows: int, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Yields some columns of a parquet file in blocks of at most `rows`."""
    # Arrow's own buffer would take the bytes of the whole file.
    with pq.ParquetFile(path, pre_buffer=False) as file:
        yield from file.iter_batches(rows, columns=list(columns))


def utterances_without(artifact: Artifact, column: str) -> tuple[list[str], int]:
    """Returns the ids of utterances with nothing in a column, and the number of all."""
    missing: list[str] = []
    total = 0
    with _file(artifact) as path:
        for batch in parquet_blocks(path, GROUP_ROWS, ["id", column]):
            names, values = (batch[name].to_pylist() for name in ("id", column))
            missing += [name for name, value in zip(names, values, strict=True) if not value]
            total += len(batch)
    return missing, total


def iter_column(artifact: Artifact, column: str) -> Iterator[Any]:
    """Yields the values of a column of `SCHEMA`, those that are missing left out."""
    with _file(artifact) as path:
        for batch in parquet_blocks(path, GROUP_ROWS, [column]):
            yield from batch.column(0).drop_null().to_pylist()


def utterance_languages(artifact: Artifact) -> list[str]:
    """Returns the languages of the utterances, sorted; empty for utterances without one."""
    with _file(artifact) as path:
        blocks = parquet_blocks(path, GROUP_ROWS, ["language"])
        return sorted({code or "" for b in blocks for code in b.column(0).unique().to_pylist()})


def table_of(rows: Sequence[Mapping[str, Any]]) -> UtteranceTable:
    """Returns the table of rows such as `UtteranceTable.rows` gives."""
    return _built({name: [row[name] for row in rows] for name in SCHEMA.names})


def _built(columns: Mapping[str, list[Any]]) -> UtteranceTable:
    return UtteranceTable(**{FIELDS[name]: values for name, values in columns.items()})


@contextmanager
def _file(artifact: Artifact) -> Iterator[Path]:
    try:
        yield artifact.path / UTTERANCES
    except FileNotFoundError:
        if artifact.path.is_dir():
            raise StoreError(f"Artifact {artifact.key} contains no {UTTERANCES}.") from None
        raise LostError(
            f"The utterances {artifact.key} were removed from the store while they were read, for "
            "instance by `lanser-bench cache gc`. Run the same command again."
        ) from None


def _table(table: pa.Table) -> UtteranceTable:
    columns: dict[str, list[Any]] = {name: table[name].to_pylist() for name in SCHEMA.names}
    for name in _JSON:
        parsed: dict[str, Any] = {text: json.loads(text) for text in set(columns[name])}
        columns[name] = [dict(parsed[text]) for text in columns[name]]
    return _built(columns)


def read_summary(artifact: Artifact) -> dict[str, Any]:
    """Reads `SUMMARY`: dataset, card, counts and problems."""
    summary: dict[str, Any] = json.loads((artifact.path / SUMMARY).read_text(encoding="utf-8"))
    return summary


def read_scales(artifact: Artifact) -> dict[str, tuple[float, float]]:
    """Returns the dimensions of a set's ratings with the ends of their scales."""
    found = read_summary(artifact).get("card", {}).get("dimensions", {})
    return {name: (low, high) for name, (low, high) in found.items()}


def _as_json(value: Mapping[str, Any]) -> str:
    return json.dumps(dict(value), sort_keys=True, ensure_ascii=False, allow_nan=False)
