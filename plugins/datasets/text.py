"""Sentences without sound, with or without human labels: for the quality of a labeler."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator

from lanser_bench import Card, DataError, Dataset, Utterance

from ._columns import WEAK_ALIASES, Naming, nfc, turn
from ._columns import text as plain_text
from ._dialogues import apart
from ._files import lines
from ._stated import LabelOptions, LeftOut
from ._tables import TABLES, TableOptions, TableRow, table_rows
from ._text_sets import CARDS, TAXONOMIES, goemotions, tweeteval

GoldKind = Literal["single", "multi", "distribution"]

_COLUMNS = ("id", "text", "label", "gold", "speaker", "dialogue_id", "turn", "language", "split")
_WEAK = {
    **WEAK_ALIASES,
    **dict.fromkeys(("transcript", "transcription", "sentence"), "text"),
    "dialogue": "dialogue_id",
}


class TextOptions(LabelOptions, TableOptions):
    """Options of `text`."""

    layout: Literal["table", "goemotions", "tweeteval"] = "table"
    """``table``: any tables, by the options below. ``goemotions``: ``train.tsv``, ``dev.tsv``,
    ``test.tsv`` and ``emotions.txt`` as released. ``tweeteval``: ``train_text.txt``,
    ``train_labels.txt`` and so on with ``mapping.txt``, as any task of TweetEval has them."""
    splits: tuple[str, ...] = ()
    """Keep only these, such as ``[test]``; empty for all. TweetEval's ``val`` is called dev."""
    tables: tuple[str, ...] = ()
    """Files inside the folder; empty for all ``.csv``, ``.tsv``, ``.jsonl`` and ``.parquet`` files
    that lie there. A ``.txt`` file holds one text per line."""
    columns: dict[str, str] = Field(default_factory=dict)
    """Name here → name in the table, such as ``{text: body, label: feeling, speaker: author}``; an
    empty name leaves a column out, such as ``{label: ""}`` for a table's human labels."""
    separator: str = ""
    """What parts several labels in one cell, such as ``","``; empty where a cell holds one."""
    label_names: tuple[str, ...] = ()
    """Names of the labels 0, 1, … where the table holds numbers."""
    weights: dict[str, str] = Field(default_factory=dict)
    """Label → column with its weight or votes, where gold has a column per label."""
    gold_kind: GoldKind | None = None
    """What gold means; left out: ``multi`` with `separator`, ``distribution`` with `weights` (rows
    are made to add up to 1), else ``single``."""
    taxonomy: str | None = None
    """Taxonomy of the gold labels: a name, or the path of a YAML file."""
    language: str | None = None
    """ISO 639-1 code for rows without one."""
    title: str = "Texts listed in a table"
    licence: str = "not stated"
    citation: str = "not stated"

    @field_validator("columns")
    @classmethod
    def _known(cls, columns: dict[str, str]) -> dict[str, str]:
        unknown = sorted(columns.keys() - set(_COLUMNS))
        if unknown:
            raise ValueError(f"'{unknown[0]}' is not one of {', '.join(sorted(_COLUMNS))}")
        return {ours: nfc(theirs) for ours, theirs in columns.items()}


class Text(Dataset[TextOptions]):
    """Reads tables with a text a row and, optionally, gold.

    Columns: ``text`` (or ``transcript``, ``sentence``), ``id`` (else the table's name and the
    row's number), ``speaker``, ``dialogue_id``, ``turn``, ``language``, ``split``; gold as
    ``label`` (or ``emotion``: one name, or several parted by `separator`), as ``gold`` (a JSON
    object of weights), or one column per label by `weights`. All other columns are left out.
    """

    Options = TextOptions
    version = "1"
    card = Card(title="Texts listed in a table", licence="not stated", citation="not stated")

    def __init__(self, options: TextOptions) -> None:
        super().__init__(options)
        taxonomy = options.taxonomy or TAXONOMIES.get(options.layout)
        known = CARDS.get(options.layout)
        self.card = Card(
            title=known.title if known else options.title,
            licence=known.licence if known else options.licence,
            citation=known.citation if known else options.citation,
            url=known.url if known else "",
            language=options.language or (known.language if known else ""),
            taxonomy=taxonomy,
            notes=known.notes if known else "",
        )

    def utterances(self, root: Path) -> Iterator[Utterance]:
        """Yields the texts in the tables' order.

        Raises:
            DataError: there is no table, no text column, or a row cannot be read; names the line.
        """
        left_out, found = LeftOut(self.options.leave_out), 0
        for utterance in apart(self._all(root), self.notes):
            if self.options.splits and utterance.split not in self.options.splits:
                continue
            found += 1
            if not left_out(utterance.gold):
                yield utterance
        self.notes += left_out.notes()
        if not found and self.options.splits:
            raise DataError(
                f"{root} holds no text of the splits {', '.join(self.options.splits)}. Change the "
                "option `splits`."
            )

    def _all(self, root: Path) -> Iterator[tuple[str, Utterance]]:
        """All texts, each with the name of its table if there are several."""
        if self.options.layout == "goemotions":
            yield from (("", text) for text in goemotions(root, self.options.splits))
        elif self.options.layout == "tweeteval":
            yield from (("", text) for text in tweeteval(root, self.options.splits))
        else:
            tables = self._tables(root)
            part = "" if len(tables) == 1 else "{}"
            for path in tables:
                for text in self._table(path, alone=len(tables) == 1):
                    yield part.format(path.stem), text

    def _tables(self, root: Path) -> list[Path]:
        if self.options.tables:
            missing = [name for name in self.options.tables if not (root / name).is_file()]
            if missing:
                raise DataError(f"{root} holds no file {missing[0]}. Check the option `tables`.")
            return [root / name for name in self.options.tables]
        found = sorted(p for p in root.iterdir() if p.suffix.lower() in TABLES and p.is_file())
        if not found:
            raise DataError(
                f"{root} holds no table ({', '.join(TABLES)}) with texts. Name a text file with "
                "the option `tables`, or a known set with `layout`."
            )
        return found

    def _table(self, path: Path, *, alone: bool) -> Iterator[Utterance]:
        for number, row in enumerate(self._rows(path), start=1):
            texts: dict[str, Any] = {
                name: plain_text(row.cells.get(name), row.origin, name)
                for name in ("id", "speaker", "dialogue_id", "language", "split")
            }
            name = texts.pop("id")
            if name is None:
                name = f"{path.stem}/{number:06d}"
            elif not alone:
                name = f"{path.stem}/{name}"
            texts["language"] = texts["language"] or self.options.language
            texts["split"] = texts["split"] or (None if alone else path.stem)
            yield Utterance(
                id=name,
                transcript=plain_text(row.cells.get("text"), row.origin, "text"),
                turn=turn(row.cells.get("turn"), row.origin),
                gold=self._gold(row.origin, row.cells),
                gold_kind=self._kind(),
                origin=row.origin,
                **texts,
            )

    def _rows(self, path: Path) -> list[TableRow]:
        """Rows by the columns' names here; a weight stands under ``weight LABEL``."""
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
        if self.options.gold_kind is not None:
            return self.options.gold_kind
        if self.options.weights:
            return "distribution"
        return "multi" if self.options.separator else "single"

    def _gold(self, origin: str, row: Mapping[str, Any]) -> dict[str, float]:
        if self.options.weights:
            weights = {
                label: _weight(origin, label, row.get(f"weight {label}"))
                for label in self.options.weights
            }
        elif "gold" in row:
            weights = _json_gold(origin, row["gold"])
        elif "label" in row:
            weights = dict.fromkeys(self._labels(origin, row["label"]), 1.0)
        else:
            return {}
        weights = {label: weight for label, weight in weights.items() if weight}
        total = sum(weights.values())
        if self._kind() == "distribution" and total > 0:
            weights = {label: weight / total for label, weight in weights.items()}
        return weights

    def _labels(self, origin: str, cell: Any) -> Iterator[str]:
        if isinstance(cell, list):
            parts = [plain_text(part, origin, "label") or "" for part in cell]
        else:
            text = plain_text(cell, origin, "label") or ""
            parts = text.split(self.options.separator) if self.options.separator else [text]
        for part in (part.strip() for part in parts):
            yield _named(origin, part, self.options.label_names)


def _named(origin: str, label: str, names: tuple[str, ...]) -> str:
    """Returns the name of a label's number, where there are names."""
    if not names:
        return label
    if label in names:
        return label
    if not label.isdecimal() or int(label) >= len(names):
        raise DataError(f"{origin}: label '{label}' is none of the numbers 0 to {len(names) - 1}.")
    return names[int(label)]


def _weight(origin: str, label: str, value: Any) -> float:
    if value is None:
        return 0.0
    try:
        weight = float(value)
    except (TypeError, ValueError):
        weight = -1.0
    if not 0 <= weight < float("inf"):
        raise DataError(f"{origin}: the weight of '{label}' is '{value}'; it must be 0 or more.")
    return weight


def _json_gold(origin: str, value: Any) -> dict[str, float]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except json.JSONDecodeError:
            value = None
    if isinstance(value, list) and all(isinstance(pair, (list, tuple)) for pair in value):
        value = dict(value)  # Parquet's map type
    if not isinstance(value, dict):
        raise DataError(f'{origin}: gold must be a JSON object of weights such as {{"happy": 1}}.')
    return {nfc(str(label)): _weight(origin, str(label), weight) for label, weight in value.items()}
