"""Any recordings listed in a table: CSV, TSV, JSON lines or Parquet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, cast, get_args

from pydantic import Field

from lanser_bench import Card, DataError, Proposal, Utterance

from ._columns import (
    SPLITS,
    TEXTS,
    Naming,
    as_seconds,
    as_text,
    check_rated,
    columns_among,
    empty,
    ordered,
    text_columns,
)
from ._dialogues import apart
from ._extras import plain_extras
from ._files import counted
from ._gold import GoldKind, shares_of_votes, weighted_gold
from ._guess import OWN_TABLES, audio_root, guessed_columns, listed_tables
from ._paths import Recordings, exists
from ._stated import LeftOut, StatedDataset, StatedOptions, renamed
from ._tables import DELIMITERS, TABLES, TableOptions, TableRow, sample_rows, table_rows

Tables = str | tuple[str, ...] | dict[str, str]
_COLUMNS = frozenset({"id", "audio", "start", "end", "turn", "label", "gold", "gold_kind", *TEXTS})


class ManifestOptions(StatedOptions, TableOptions):
    """Options of `manifest`."""

    table: Tables = ""
    """The table's path inside the folder, several paths, or a mapping from split to path; empty for
    the first of ``manifest.csv``, ``.tsv``, ``.jsonl`` and ``.parquet`` in the folder."""
    # In no key: the rows' hashes of recordings are, and hashing the folder would read all of it.
    audio_root: str = Field(default="", exclude=True)
    """Folder that the paths of recordings start from, inside the folder; empty for the table's."""
    name: str = ""
    """Prefix of each speaker, which separates speakers of two tables that have equal names."""
    columns: Annotated[dict[str, str], columns_among(_COLUMNS)] = Field(default_factory=dict)
    """Field → name in the table, such as ``{label: feeling, audio: wav_file}``."""
    gold_kind: GoldKind = "single"
    """What gold means if the table has no column ``gold_kind``."""
    dimensions: Annotated[dict[str, tuple[float, float]], ordered()] = Field(default_factory=dict)
    """Column with human ratings of a dimension of emotion → ends of its scale, such as ``{valence:
    [1, 5], arousal: [1, 5]}``. A table of ratings needs no labels."""
    title: str = "Recordings listed in a table"


class ManifestTable(StatedDataset[ManifestOptions]):
    """Reads a table with one utterance a row.

    Columns: ``id`` (else the recording's path without its suffix, with ``@`` and the start if rows
    share a recording); ``audio`` (or ``path``, ``file``; relative to the table, or to
    `audio_root`), ``start`` and ``end`` in seconds or as ``0:01:02.5``; ``speaker``,
    ``dialogue_id``, ``turn``, ``sentence_id``, ``language``, ``split``, ``transcript``; gold as
    ``label`` (or ``emotion``; one name) or ``gold`` (a JSON object of weights), with
    ``gold_kind``. Whole numbers in a ``distribution`` count votes; they become shares, and their
    sum the extra ``votes``. Case and blanks of these names make no difference. All other columns
    become extras; in CSV and TSV those with only numbers become numbers. A table without ``audio``
    is a text-only set and needs ``id`` and ``transcript``.
    """

    Options = ManifestOptions
    version = "1"
    card = Card(title="Recordings listed in a table", licence="not stated", citation="not stated")

    def __init__(self, options: ManifestOptions) -> None:
        super().__init__(options)
        self.card = replace(self.card, dimensions=options.dimensions)

    @classmethod
    def propose(cls, path: Path, emotions: Container[str]) -> Proposal | None:
        """Returns the first table of a folder that lists recordings, or the table itself."""
        root = path if path.is_dir() else path.parent
        for table in listed_tables(path):
            first = root / next(iter(table.values()))
            rows = sample_rows(first, TableOptions())
            columns, named, findings = guessed_columns(rows, Naming(_COLUMNS, {}), emotions)
            if "audio" not in named:
                continue
            options: dict[str, Any] = {"columns": columns} if columns else {}
            if len(table) > 1 or first.name not in OWN_TABLES or first.parent != root:
                names = {part: name for part, name in table.items() if part}
                options["table"] = names or first.relative_to(root).as_posix()
            cells = [str(row[named["audio"]]) for row in rows if not empty(row[named["audio"]])]
            options |= audio_root(root, first.parent, cells)
            return Proposal(root, options, findings, 0.7)
        return None

    def utterances(self, root: Path) -> Iterator[Utterance]:
        """Yields the utterances in the tables' order."""
        left_out = LeftOut(self.options.leave_out)
        rows = [
            (part, utterance)
            for part, split, path in self._tables(root)
            for utterance in self._table(root, path, split, left_out)
        ]
        self.notes += left_out.notes()
        repeated = len({u.id for _, u in rows}) < len(rows)
        if repeated and len({part for part, _ in rows}) > 1:
            rows = [(part, replace(u, id=f"{part}/{u.id}")) for part, u in rows]
        yield from apart(rows, self.notes)

    def _tables(self, root: Path) -> list[tuple[str, str | None, Path]]:
        """Returns name, split and path of each table."""
        given = self.options.table
        tables: list[tuple[str, str | None, str]]
        if isinstance(given, dict):
            tables = [(split, SPLITS.get(split, split), name) for split, name in given.items()]
        elif isinstance(given, tuple):
            stems = {name: Path(name).with_suffix("") for name in given}
            tables = [(s.as_posix(), SPLITS.get(s.name), name) for name, s in stems.items()]
        else:
            existing = (name for name in OWN_TABLES if exists(root / name))
            tables = [("", None, given or next(existing, OWN_TABLES[0]))]
        places = Recordings(root)
        for _, _, name in tables:
            if not exists(places.located(name)):
                self._refuse(root, name)
        return [(part, split, places.located(name)) for part, split, name in tables]

    def _refuse(self, root: Path, name: str) -> None:
        names = [name] if self.options.table else OWN_TABLES
        beside = sorted(p.name for p in root.iterdir() if p.suffix.lower() in TABLES)
        others = f" It contains {', '.join(beside[:5])}." if beside else ""
        raise DataError(
            f"{root} contains no {' or '.join(names)}.{others} Write one row per utterance with "
            "the columns id, audio, speaker, label, or name the table with the option `table`, "
            "such as `table: list.csv` or `table: {train: train.csv, test: test.csv}`."
        )

    def _table(
        self, root: Path, path: Path, split: str | None, left_out: LeftOut
    ) -> Iterator[Utterance]:
        naming = Naming(_COLUMNS, self.options.columns)
        rows, columns = table_rows(path, self.options, naming, self.notes)
        if rows and not any(row.cells.keys() & {"audio", "transcript"} for row in rows):
            raise DataError(
                f"{rows[0].origin}: there is neither audio nor a transcript (columns: "
                f"{', '.join(columns)}). Map columns with the option `columns`, or name them with "
                "`names` if the table has no header line."
            )
        typed = path.suffix.lower() not in DELIMITERS
        plain_extras(path.name, rows, typed=typed, notes=self.notes)
        check_rated(path.name, [row.extras for row in rows], self.options.dimensions)
        silent = sum("audio" not in row.cells for row in rows)
        if 0 < silent < len(rows):
            self.notes.append(f"{path.name}: {counted(silent, 'row')} without audio.")
        recordings = Recordings(self._audio_root(root, path))
        uses = Counter(str(row.cells.get("audio")) for row in rows)
        usable = False
        for row in rows:
            if left_out(_gold(row.origin, row.cells)):
                continue
            utterance = self._utterance(recordings, row, split)
            if "id" not in row.cells and uses[str(row.cells.get("audio"))] > 1:
                utterance = replace(utterance, id=f"{utterance.id}@{utterance.start or 0:.3f}")
            usable = usable or utterance.audio is None or exists(utterance.audio)
            yield utterance
        if rows and not usable:
            self.notes.append(
                f"{path.name}: no recording exists; paths start from {recordings.folder}. If they "
                "start elsewhere, set the option `audio_root`."
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
        name = as_text(cells.get("id"), origin, "id")
        if name is None and audio is not None:
            name = recordings.id_of(audio, cells["audio"], origin)
        if not name:
            raise DataError(f"{origin}: there is no id.")
        texts = text_columns(cells, origin, language=self.options.language, split=split)
        if texts["speaker"] and self.options.name:
            texts["speaker"] = f"{self.options.name}/{texts['speaker']}"
        gold, kind = renamed(_gold(origin, cells), self.options.labels), self._kind(origin, cells)
        gold, votes = shares_of_votes(gold) if kind == "distribution" else (gold, {})
        return Utterance(
            id=name,
            audio=audio,
            start=as_seconds(cells.get("start"), origin, "start"),
            end=as_seconds(cells.get("end"), origin, "end"),
            gold=gold,
            gold_kind=kind,
            extras={**votes, **row.extras},
            **texts,
        )

    def _kind(self, origin: str, cells: Mapping[str, Any]) -> GoldKind:
        kind = str(cells.get("gold_kind", self.options.gold_kind))
        if kind not in get_args(GoldKind):
            kinds = ", ".join(get_args(GoldKind))
            raise DataError(f"{origin}: gold_kind is '{kind}'; it must be one of {kinds}.")
        return cast(GoldKind, kind)


def _gold(origin: str, cells: Mapping[str, Any]) -> dict[str, float]:
    label, gold = cells.get("label"), cells.get("gold")
    if label is not None and gold is not None:
        raise DataError(f"{origin}: there is both a label and gold. Leave one empty.")
    if gold is not None:
        return weighted_gold(origin, gold, names=True)
    name = as_text(label, origin, "label")
    return {} if name is None else {name: 1.0}
