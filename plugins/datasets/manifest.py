"""Any recordings listed in one table: CSV, TSV, JSON lines or Parquet."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, cast, get_args

from pydantic import Field, field_validator

from lanser_bench import Card, DataError, Utterance

from ._columns import TEXTS, Naming, checked_columns, counted, nfc, seconds, text, turn
from ._dialogues import apart
from ._extras import plain_extras
from ._paths import Recordings, exists
from ._stated import LeftOut, StatedDataset, StatedOptions
from ._tables import DELIMITERS, TABLES, TableOptions, TableRow, table_rows

Tables = str | tuple[str, ...] | dict[str, str]
GoldKind = Literal["single", "multi", "distribution"]

_TABLES = ("manifest.csv", "manifest.tsv", "manifest.jsonl", "manifest.parquet")
_COLUMNS = frozenset({"id", "audio", "start", "end", "turn", "label", "gold", "gold_kind", *TEXTS})
_SPLITS = {
    "train": "train",
    "dev": "dev",
    "val": "dev",
    "valid": "dev",
    "validation": "dev",
    "test": "test",
}


class ManifestOptions(StatedOptions, TableOptions):
    """Options of `manifest`."""

    table: Tables = ""
    """The table's path inside the folder, several paths, or a mapping from split to path; empty for
    the first of ``manifest.csv``, ``.tsv``, ``.jsonl`` and ``.parquet`` in the folder."""
    # In no key: the rows' hashes of recordings are, and hashing the folder would read all of it.
    audio_root: str = Field(default="", exclude=True)
    """Folder at which the paths of recordings begin, inside the folder; empty for the table's."""
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
        return {ours: nfc(theirs) for ours, theirs in columns.items()}


class ManifestTable(StatedDataset[ManifestOptions]):
    """Reads a table with one utterance a row.

    Columns: ``id`` (else the recording's path without its suffix, with ``@`` and the start if rows
    share a recording); ``audio`` (or ``path``, ``file``; relative to the table, or to
    `audio_root`), ``start`` and ``end`` in seconds or as ``0:01:02.5``; ``speaker``,
    ``dialogue_id``, ``turn``, ``sentence_id``, ``language``, ``split``, ``transcript``; gold as
    ``label`` (or ``emotion``; one name) or ``gold`` (a JSON object of weights), with
    ``gold_kind``. Case and blanks of these names make no difference. All other columns become
    extras; in CSV and TSV those with only numbers become numbers. A table without ``audio`` is a
    text-only set and needs ``id`` and ``transcript``.
    """

    Options = ManifestOptions
    version = "1"
    card = Card(title="Recordings listed in a table", licence="not stated", citation="not stated")

    def utterances(self, root: Path) -> Iterator[Utterance]:
        """Yields the utterances in the tables' order."""
        left_out = LeftOut(self.options.leave_out)
        read = [
            (part, split, utterance)
            for part, split, path in self._tables(root)
            for utterance in self._table(root, path, split, left_out)
        ]
        self.notes += left_out.notes()
        repeated = len({u.id for _, _, u in read}) < len(read)
        several = len({part for part, _, _ in read}) > 1
        named = [
            (part, replace(u, id=f"{part}/{u.id}") if repeated and several else u)
            for part, _, u in read
        ]
        yield from apart(named, self.notes)

    def _tables(self, root: Path) -> list[tuple[str, str | None, Path]]:
        """Name, split and path of each table."""
        given = self.options.table
        named: list[tuple[str, str | None, str]]
        if isinstance(given, dict):
            named = [(split, _SPLITS.get(split, split), name) for split, name in given.items()]
        elif isinstance(given, tuple):
            stems = [Path(name).with_suffix("").as_posix() for name in given]
            splits = [_SPLITS.get(stem.rpartition("/")[2]) for stem in stems]
            named = list(zip(stems, splits, given, strict=True))
        else:
            names = (given,) if given else _TABLES
            named = [("", None, next((n for n in names if (root / n).is_file()), names[0]))]
        places = Recordings(root)
        tables = [(part, split, places.located(name)) for part, split, name in named]
        for (_, _, path), (_, _, name) in zip(tables, named, strict=True):
            if not path.is_file():
                self._refuse(root, name)
        return tables

    def _refuse(self, root: Path, name: str) -> None:
        names = [name] if self.options.table else _TABLES
        beside = sorted(p.name for p in root.iterdir() if p.suffix.lower() in TABLES)
        found = f" It holds {', '.join(beside[:5])}." if beside else ""
        raise DataError(
            f"{root} holds no {' or '.join(names)}.{found} Write one row per utterance with the "
            "columns id, audio, speaker, label, or name the table with the option `table`, such as "
            "`table: list.csv` or `table: {train: train.csv, test: test.csv}`."
        )

    def _table(
        self, root: Path, path: Path, split: str | None, left_out: LeftOut
    ) -> Iterator[Utterance]:
        naming = Naming(_COLUMNS, self.options.columns)
        rows, columns = table_rows(path, self.options, naming, self.notes)
        if rows and not any(row.cells.keys() & {"audio", "transcript"} for row in rows):
            raise DataError(
                f"{rows[0].origin}: there is neither audio nor a transcript (columns: "
                f"{', '.join(columns)}). Say what they mean with the option `columns`, or with "
                "`names` if the table has no header line."
            )
        typed = path.suffix.lower() not in DELIMITERS
        plain_extras(path.name, rows, typed=typed, notes=self.notes)
        silent = sum("audio" not in row.cells for row in rows)
        if 0 < silent < len(rows):
            self.notes.append(f"{path.name}: {counted(silent, 'row')} without audio.")
        recordings = Recordings(self._audio_root(root, path))
        cut = Counter(str(row.cells.get("audio")) for row in rows)
        found = False
        for row in rows:
            if left_out(_gold(row.origin, row.cells)):
                continue
            utterance = self._utterance(recordings, row, split)
            if "id" not in row.cells and cut[str(row.cells.get("audio"))] > 1:
                utterance = replace(utterance, id=f"{utterance.id}@{utterance.start or 0:.3f}")
            found = found or utterance.audio is None or exists(utterance.audio)
            yield utterance
        if rows and not found:
            self.notes.append(
                f"{path.name}: no recording exists; paths begin at {recordings.folder}. If they "
                "begin elsewhere, set the option `audio_root`."
            )

    def _audio_root(self, root: Path, path: Path) -> Path:
        if not self.options.audio_root:
            return path.parent
        folder = Recordings(root).located(self.options.audio_root)
        if not folder.is_dir():
            raise DataError(f"{folder} is not a folder. Check the option `audio_root`.")
        return folder

    def _utterance(self, recordings: Recordings, row: TableRow, split: str | None) -> Utterance:
        origin, cells = row.origin, row.cells
        audio = None
        if "audio" in cells:
            audio = recordings.find(cells["audio"], origin)
        elif "transcript" not in cells:
            raise DataError(f"{origin}: there is neither audio nor a transcript.")
        name = text(cells.get("id"), origin, "id")
        if name is None and audio is not None:
            name = recordings.id_of(audio, cells["audio"], origin)
        if not name:
            raise DataError(f"{origin}: there is no id.")
        texts = {column: text(cells.get(column), origin, column) for column in TEXTS}
        if texts["speaker"] and self.options.name:
            texts["speaker"] = f"{self.options.name}/{texts['speaker']}"
        texts["language"] = texts["language"] or self.options.language
        texts["split"] = texts["split"] or split
        return Utterance(
            id=name,
            audio=audio,
            start=seconds(cells.get("start"), origin, "start"),
            end=seconds(cells.get("end"), origin, "end"),
            turn=turn(cells.get("turn"), origin),
            gold=self._gold(origin, cells),
            gold_kind=self._kind(origin, cells),
            extras=row.extras,
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


def _gold(origin: str, row: Mapping[str, Any]) -> dict[str, float]:
    label, gold = row.get("label"), row.get("gold")
    if label is not None and gold is not None:
        raise DataError(f"{origin}: there is both a label and gold. Leave one empty.")
    if gold is None:
        name = text(label, origin, "label")
        return {} if name is None else {name: 1.0}
    if isinstance(gold, str):
        try:
            gold = json.loads(gold)
        except json.JSONDecodeError:
            return {nfc(gold): 1.0}
    if isinstance(gold, list) and all(isinstance(pair, (list, tuple)) for pair in gold):
        gold = dict(gold)  # Parquet's map type
    if not isinstance(gold, dict) or not all(
        isinstance(weight, (int, float)) or weight is None for weight in gold.values()
    ):
        raise DataError(f'{origin}: gold must be a JSON object of weights such as {{"happy": 1}}.')
    # Parquet fills the labels that a row lacks with nulls.
    return {nfc(str(name)): float(weight) for name, weight in gold.items() if weight}
