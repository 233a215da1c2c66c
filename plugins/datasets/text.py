"""Sentences without sound, with or without human labels: measures the quality of a labeler."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from lanser_bench import Card, DataError, Dataset, Proposal, Utterance

from ._columns import (
    WEAK_ALIASES,
    Naming,
    as_text,
    check_rated,
    columns_among,
    ordered,
    text_columns,
)
from ._dialogues import apart
from ._extras import plain_extras
from ._gold import GoldKind, as_weight, weighted_gold
from ._guess import guessed_columns, listed_tables
from ._paths import Recordings, exists
from ._stated import LabelOptions, LeftOut, renamed
from ._tables import DELIMITERS, TABLES, TableOptions, TableRow, sample_rows, table_rows
from ._text_files import lines
from ._text_sets import CARDS, READERS

_COLUMNS = ("id", "text", "label", "gold", "speaker", "dialogue_id", "turn", "language", "split")
_WEAK = {
    **WEAK_ALIASES,
    **dict.fromkeys(("transcript", "transcription", "sentence"), "text"),
    "dialogue": "dialogue_id",
}


class TextOptions(LabelOptions, TableOptions):
    """Options of `text`."""

    layout: Literal["table", "goemotions", "tweeteval", "emobank"] = "table"
    """``table``: any tables, by the options below. ``goemotions``: ``train.tsv``, ``dev.tsv``,
    ``test.tsv`` and ``emotions.txt`` as released. ``tweeteval``: ``train_text.txt``,
    ``train_labels.txt`` and so on with ``mapping.txt``, as any task of TweetEval has them.
    ``emobank``: ``emobank.csv``, with valence, arousal and dominance instead of labels."""
    splits: tuple[str, ...] = ()
    """Keep only these, such as ``[test]``; empty for all. TweetEval's ``val`` is called dev."""
    tables: tuple[str, ...] = ()
    """Files inside the folder; empty for all its ``.csv``, ``.tsv``, ``.jsonl`` and ``.parquet``
    files. A ``.txt`` file has one text per line."""
    columns: Annotated[dict[str, str], columns_among(_COLUMNS)] = Field(default_factory=dict)
    """Field → name in the table, such as ``{text: body, label: feeling, speaker: author}``; an
    empty name leaves a column out, such as ``{label: ""}`` for a table's human labels."""
    separator: str = ""
    """Separates several labels in one cell, such as ``","``; empty if a cell has one label."""
    label_names: tuple[str, ...] = ()
    """Names of the labels 0, 1, … if the table has numbers."""
    weights: dict[str, str] = Field(default_factory=dict)
    """Label → column with its weight or votes, if gold has a column per label."""
    gold_kind: GoldKind | None = None
    """What gold means. If not set: ``multi`` with `separator`, ``distribution`` with `weights`
    (each row is divided by its sum), else ``single``."""
    dimensions: Annotated[dict[str, tuple[float, float]], ordered()] = Field(default_factory=dict)
    """Column with human ratings of a dimension of emotion → ends of its scale, such as ``{valence:
    [1, 5]}``."""
    language: str | None = None
    """ISO 639-1 code for rows without one."""
    title: str = "Texts listed in a table"
    licence: str = "not stated"
    citation: str = "not stated"


class Text(Dataset[TextOptions]):
    """Reads tables with a text a row and, optionally, gold.

    Columns: ``text`` (or ``transcript``, ``sentence``), ``id`` (else the table's name and the
    row's number), ``speaker``, ``dialogue_id``, ``turn``, ``language``, ``split``; gold as
    ``label`` (or ``emotion``: one name, or several split by `separator`), as ``gold`` (a JSON
    object of weights), or one column per label by `weights`. All other columns are ignored.
    """

    Options = TextOptions
    version = "1"
    card = Card(title="Texts listed in a table", licence="not stated", citation="not stated")

    def __init__(self, options: TextOptions) -> None:
        super().__init__(options)
        own = Card(title=options.title, licence=options.licence, citation=options.citation)
        card = CARDS.get(options.layout, own)
        self.card = replace(
            card,
            language=options.language or card.language,
            taxonomy=options.taxonomy or card.taxonomy,
            dimensions=options.dimensions or card.dimensions,
        )

    @classmethod
    def propose(cls, path: Path, emotions: Container[str]) -> Proposal | None:
        """Returns the first table with sentences, for labels without sound."""
        root = path if path.is_dir() else path.parent
        for table in listed_tables(path):
            name = next(iter(table.values()))
            rows = sample_rows(root / name, TableOptions())
            naming = Naming(frozenset(_COLUMNS), {}, _WEAK)
            columns, named, findings = guessed_columns(rows, naming, emotions)
            if "text" in named:
                return Proposal(root, {"tables": [name], "columns": columns}, findings, 0.2)
        return None

    def utterances(self, root: Path) -> Iterator[Utterance]:
        """Yields the texts in the tables' order."""
        left_out, empty = LeftOut(self.options.leave_out), True
        for utterance in apart(self._all(root), self.notes):
            if self.options.splits and utterance.split not in self.options.splits:
                continue
            empty = False
            if not left_out(utterance.gold):
                yield replace(utterance, gold=renamed(utterance.gold, self.options.labels))
        self.notes += left_out.notes()
        if empty and self.options.splits:
            raise DataError(
                f"{root} contains no text of the splits {', '.join(self.options.splits)}. Change "
                "the option `splits`."
            )

    def _all(self, root: Path) -> Iterator[tuple[str, Utterance]]:
        """Yields all texts, each with the name of its table if there are several."""
        if self.options.layout != "table":
            read = READERS[self.options.layout]
            yield from (("", text) for text in read(root, self.options.splits))
            return
        tables = self._tables(root)
        for path in tables:
            part = path.stem if len(tables) > 1 else ""
            for text in self._table(path, part):
                yield part, text

    def _tables(self, root: Path) -> list[Path]:
        if self.options.tables:
            tables = [Recordings(root).located(name) for name in self.options.tables]
            for path, name in zip(tables, self.options.tables, strict=True):
                if not exists(path):
                    raise DataError(f"{root} contains no file {name}. Check the option `tables`.")
            return tables
        tables = sorted(p for p in root.iterdir() if p.suffix.lower() in TABLES and not p.is_dir())
        if not tables:
            raise DataError(
                f"{root} contains no table ({', '.join(TABLES)}) with texts. Name a text file with "
                "the option `tables`, or a known set with `layout`."
            )
        return tables

    def _table(self, path: Path, part: str) -> Iterator[Utterance]:
        """Yields the texts of a table; `part` is its name if there are several tables."""
        rows, scales = self._rows(path), self.options.dimensions
        for row in rows:
            row.extras = {name: row.extras[name] for name in scales if name in row.extras}
        plain_extras(path.name, rows, typed=path.suffix not in DELIMITERS, notes=self.notes)
        check_rated(path.name, [row.extras for row in rows], scales)
        for number, row in enumerate(rows, start=1):
            origin, cells = row.origin, row.cells
            name = as_text(cells.get("id"), origin, "id")
            if name is None:
                name = f"{path.stem}/{number:06d}"
            elif part:
                name = f"{part}/{name}"
            texts = text_columns(cells, origin, language=self.options.language, split=part or None)
            texts["transcript"] = as_text(cells.get("text"), origin, "text")
            yield Utterance(
                id=name,
                gold=self._gold(origin, cells),
                gold_kind=self._kind(),
                extras=row.extras,
                **texts,
            )

    def _rows(self, path: Path) -> list[TableRow]:
        """Returns rows by the columns' names here; the column of a weight is ``weight LABEL``."""
        if path.suffix.lower() == ".txt":
            return [
                TableRow(f"{path}, line {number}", {"text": line.strip()})
                for number, line in lines(path)
            ]
        options = self.options
        columns = options.columns | {f"weight {x}": column for x, column in options.weights.items()}
        read = {ours: theirs for ours, theirs in columns.items() if theirs}
        known = frozenset(_COLUMNS) - (columns.keys() - read.keys())
        naming = Naming(known, read, _WEAK, required="text")
        return table_rows(path, options, naming, self.notes)[0]

    def _kind(self) -> GoldKind:
        several: GoldKind = "multi" if self.options.separator else "single"
        return self.options.gold_kind or ("distribution" if self.options.weights else several)

    def _gold(self, origin: str, cells: Mapping[str, Any]) -> dict[str, float]:
        if self.options.weights:
            votes = {
                x: as_weight(origin, x, cells.get(f"weight {x}")) for x in self.options.weights
            }
            weights = {label: weight for label, weight in votes.items() if weight}
        elif "gold" in cells:
            weights = weighted_gold(origin, cells["gold"])
        elif "label" in cells:
            weights = dict.fromkeys(self._labels(origin, cells["label"]), 1.0)
        else:
            return {}
        if self._kind() == "distribution":
            total = sum(weights.values())
            weights = {label: weight / total for label, weight in weights.items()}
        return weights

    def _labels(self, origin: str, cell: Any) -> Iterator[str]:
        separator = self.options.separator
        if isinstance(cell, list):
            parts = [as_text(part, origin, "label") or "" for part in cell]
        else:
            label = as_text(cell, origin, "label") or ""
            parts = label.split(separator) if separator else [label]
        for part in parts:
            yield _named(origin, part.strip(), self.options.label_names)


def _named(origin: str, label: str, names: tuple[str, ...]) -> str:
    """Returns the name of a label's number, if there are names."""
    if not names or label in names:
        return label
    if not label.isdecimal() or len(label) > 9 or int(label) >= len(names):
        raise DataError(f"{origin}: label '{label}' is none of the numbers 0 to {len(names) - 1}.")
    return names[int(label)]
