"""Any recordings listed in one table: CSV, TSV, JSON lines or Parquet."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, cast, get_args

from pydantic import Field, field_validator

from lanser_bench import Card, DataError, Utterance

from ._columns import TEXTS, checked_columns, seconds, turn
from ._stated import StatedDataset, StatedOptions
from ._tables import Row, plain_text, read_table

GoldKind = Literal["single", "multi", "distribution"]

_TABLES = ("manifest.csv", "manifest.tsv", "manifest.jsonl", "manifest.parquet")
_ALIASES = {"path": "audio", "file": "audio", "emotion": "label"}
_COLUMNS = {"id", "audio", "start", "end", "turn", "label", "gold", "gold_kind", *TEXTS}
_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")


class ManifestOptions(StatedOptions):
    """Options of `manifest`."""

    table: str = ""
    """The table's path inside the folder; empty for the first of ``manifest.csv``, ``.tsv``,
    ``.jsonl`` and ``.parquet`` that is there."""
    name: str = ""
    """Put before each speaker, so that speakers of two tables with equal names stay apart."""
    columns: dict[str, str] = Field(default_factory=dict)
    """Name here → name in the table, such as ``{label: feeling, audio: wav_file}``."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Label of the table → label of the taxonomy, where they differ."""
    gold_kind: GoldKind = "single"
    """What gold means where the table has no column ``gold_kind``."""
    title: str = "Recordings listed in a table"

    @field_validator("columns")
    @classmethod
    def _known(cls, columns: dict[str, str]) -> dict[str, str]:
        checked_columns(columns, tuple(sorted(_COLUMNS)))
        return columns


class ManifestTable(StatedDataset[ManifestOptions]):
    """Reads a table with one utterance a row.

    Columns: ``id`` (else the recording's path without its suffix); ``audio`` (or ``path``,
    ``file``; relative to the table), ``start`` and ``end`` in seconds; ``speaker``,
    ``dialogue_id``, ``turn``, ``sentence_id``, ``language``, ``split``, ``transcript``; gold as
    ``label`` (or ``emotion``; one name) or ``gold`` (a JSON object of weights), with
    ``gold_kind``. All other columns become extras; in CSV and TSV those that hold only numbers
    become numbers. A table without ``audio`` is a text-only set and needs ``id`` and
    ``transcript``.
    """

    Options = ManifestOptions
    version = "1"
    card = Card(title="Recordings listed in a table", licence="not stated", citation="not stated")

    def utterances(self, root: Path) -> Iterator[Utterance]:
        """Yields the utterances in the table's order."""
        path = self._table(root)
        rows = list(_read(path, self.options.columns))
        if path.suffix.lower() in (".csv", ".tsv"):
            _with_numbers(rows)
        for origin, row in rows:
            yield self._utterance(path, origin, row)

    def _table(self, root: Path) -> Path:
        names = (self.options.table,) if self.options.table else _TABLES
        for name in names:
            if (root / name).is_file():
                return root / name
        raise DataError(
            f"{root} holds no {' or '.join(names)}. Write one row per utterance with the columns "
            "id, audio, speaker, label, or name the table with the option `table`."
        )

    def _utterance(self, path: Path, origin: str, row: dict[str, Any]) -> Utterance:
        audio = row.get("audio")
        if audio is None and "transcript" not in row:
            raise DataError(f"{origin}: there is neither audio nor a transcript.")
        name = row.get("id") or (Path(str(audio)).with_suffix("").as_posix() if audio else None)
        if not name:
            raise DataError(f"{origin}: there is no id.")
        texts = {column: plain_text(row.get(column)) for column in TEXTS}
        if texts["speaker"] and self.options.name:
            texts["speaker"] = f"{self.options.name}/{texts['speaker']}"
        texts["language"] = texts["language"] or self.options.language
        return Utterance(
            id=str(name),
            audio=path.parent / str(audio) if audio is not None else None,
            start=seconds(row.get("start"), origin, "start"),
            end=seconds(row.get("end"), origin, "end"),
            turn=turn(row.get("turn"), origin),
            gold=self._gold(origin, row),
            gold_kind=self._kind(origin, row),
            extras={column: value for column, value in row.items() if column not in _COLUMNS},
            origin=origin,
            **texts,
        )

    def _gold(self, origin: str, row: Mapping[str, Any]) -> dict[str, float]:
        gold: dict[str, float] = {}
        # Two labels of the table may be one of the taxonomy's: their weights add up.
        for label, weight in _gold(origin, row).items():
            name = self.options.labels.get(label, label)
            gold[name] = gold.get(name, 0.0) + weight
        return gold

    def _kind(self, origin: str, row: Mapping[str, Any]) -> GoldKind:
        kind = str(row.get("gold_kind", self.options.gold_kind))
        if kind not in get_args(GoldKind):
            raise DataError(
                f"{origin}: gold_kind is '{kind}'; it must be one of "
                f"{', '.join(get_args(GoldKind))}."
            )
        return cast(GoldKind, kind)


def _read(path: Path, columns: Mapping[str, str]) -> Iterator[Row]:
    theirs = {theirs: ours for ours, theirs in columns.items()}
    used: set[str] = set()
    for origin, cells in read_table("manifest", path):
        row: dict[str, Any] = {}
        for column, value in cells.items():
            ours = theirs.get(column) or _ALIASES.get(column, column)
            used.add(column)
            # Where a Parquet file was written from a data frame, NaN stands for nothing.
            if value is None or value == "" or value != value:
                continue
            if ours in row:
                raise DataError(
                    f"{origin}: two columns mean '{ours}', one of them '{column}'. Say which with "
                    "the option `columns`, or rename one."
                )
            row[ours] = value
        yield origin, row
    absent = sorted(theirs.keys() - used)
    if absent:
        raise DataError(
            f"{path} has no column '{absent[0]}', which the option `columns` names. It has "
            f"{', '.join(sorted(used))}."
        )


def _with_numbers(rows: Sequence[Row]) -> None:
    """Turns extras that hold only numbers into numbers: a text table does not tell them apart."""
    # By column, not by cell: 7 and 7b in one column are names, not a number and a name.
    texts = {
        column
        for _, row in rows
        for column, text in row.items()
        if column in _COLUMNS or not _NUMBER.fullmatch(text)
    }
    for _, row in rows:
        row.update({column: float(text) for column, text in row.items() if column not in texts})


def _gold(origin: str, row: Mapping[str, Any]) -> dict[str, float]:
    label, gold = row.get("label"), row.get("gold")
    if label is not None and gold is not None:
        raise DataError(f"{origin}: there is both a label and gold. Leave one empty.")
    if gold is None:
        return {} if label is None else {str(label): 1.0}
    if isinstance(gold, str):
        try:
            gold = json.loads(gold)
        except json.JSONDecodeError:
            return {gold: 1.0}
    if isinstance(gold, list) and all(isinstance(pair, (list, tuple)) for pair in gold):
        gold = dict(gold)  # Parquet's map type
    if not isinstance(gold, dict) or not all(
        isinstance(weight, (int, float)) or weight is None for weight in gold.values()
    ):
        raise DataError(f'{origin}: gold must be a JSON object of weights such as {{"happy": 1}}.')
    # Parquet fills the labels that a row lacks with nulls.
    return {str(name): float(weight) for name, weight in gold.items() if weight}
