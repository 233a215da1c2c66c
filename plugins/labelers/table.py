"""Labels or scores made elsewhere, such as by a large model, read from a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, Literal, Self

import numpy as np

from lanser_bench import DataError, LabelTable, Scores, SettingsError, Taxonomy, TextRecord

from .._keyed_tables import KeyedTable, KeyedTableOptions, first
from ..datasets._columns import as_text
from ..datasets._tables import TableRow
from ._label_map import LabelMap, LabelMapOptions, Wide, mapped, plain, source_of
from ._wording import ScoreKind

WHERE = "labeler 'table'"
PREFIX = "score_"
TOLERANCE = 1e-3
"""Largest deviation of a distribution's sum from 1."""
PREDICTED = ("predicted", "prediction", "predicted_label", "pred", "answer")
"""Columns that are read as `label` if there is none."""
NO_SCORES = {"confidence", "fold", "seed", "draw", "start", "end", "gold"}


class TableOptions(KeyedTableOptions, LabelMapOptions):
    """Options of `table`."""

    scores: tuple[str, ...] = ()
    """The columns with scores in [0, 1], one per label. Empty: those named ``score_LABEL``, as
    ``lanser-bench label`` writes them; else those named like labels of the taxonomy or of `map`;
    else the column ``label`` is read."""
    kind: Literal["auto", "distribution", "independent"] = "auto"
    """Kind of the scores. ``auto``: a distribution if all rows add up to 1."""


class Table(LabelTable[TableOptions]):
    """Returns the scores or the label in the row of each utterance.

    It abstains without a row, with an empty label or with empty scores.
    """

    Options = TableOptions
    version = "1"

    def __init__(self, options: TableOptions) -> None:
        super().__init__(options)
        self.reads = frozenset({options.by})
        self._table = KeyedTable(options, ["label"], WHERE, dict.fromkeys(PREDICTED, "label"))
        self._source = source_of(options)

    def fingerprint(self) -> str:
        """Hash of the table, and the content of the taxonomy of its labels."""
        return " ".join([self._table.sha256, *([self._source.hash] if self._source else [])])

    def describe(self) -> dict[str, Any]:
        """The table's name."""
        return {"table": self.options.file.name}

    def check_utterances(self, name: str, ids: Iterable[str], recordings: Iterable[str]) -> None:
        """Refuses a corpus with utterances that have no row."""
        self._table.check(ids, recordings, name)

    def parts(self, columns: Sequence[str]) -> list[tuple[dict[str, str], Self]]:
        """Adds the values of each part to `where`."""
        where = self.options.where
        return [
            (part, type(self)(self.options.model_copy(update={"where": {**where, **part}})))
            for part in self._table.values(columns)
        ]

    def score(self, records: Sequence[TextRecord], taxonomy: Taxonomy) -> Scores:
        """Looks the records up; raises `DataError` if a score is not a number in [0, 1]."""
        labels, vectors, kind = self._given(tuple((self._source or taxonomy).names))
        given = np.zeros((len(records), len(labels)))
        for place, record in enumerate(records):
            if (row := self._table.lookup.get(getattr(record, self.options.by))) is not None:
                given[place] = vectors[id(row)]
        values, before, lost = mapped(given, self._map_of(labels).matrix(taxonomy), kind)
        return Scores(values, kind, lost, before)

    def _map_of(self, labels: Sequence[str]) -> LabelMap:
        whose = f"the table {self.options.file.name}"
        counts = Counter(filter(None, map(_label, self._table.rows.values())))
        return LabelMap(labels, self.options.map, self._source, whose, WHERE, counts)

    @lru_cache(maxsize=1)  # noqa: B019 - a labeler lives as long as its stage
    def _given(self, names: tuple[str, ...]) -> tuple[Sequence[str], dict[int, Wide], ScoreKind]:
        """Reads the table for the labels of one taxonomy.

        Returns:
            The labels; the scores of each row in their order, by the row's `id`, all zero where it
            has no label; and their kind.
        """
        rows, columns = self._table.rows.values(), self._score_columns(names)
        label = self._table.meant.get("label")
        odd = [column for column in self._table.columns if column in PREDICTED]
        if odd and label not in (None, *odd, self.options.columns.get("label")):
            raise SettingsError(
                f"{WHERE}: {self.options.file} has the columns '{label}' and '{odd[0]}'. If the "
                f"first has human labels, set `columns: {{label: {odd[0]}}}`, else "
                f"`columns: {{label: {label}}}`."
            )
        labels = tuple(column.removeprefix(PREFIX) for column in columns)
        labels = labels or tuple(dict.fromkeys(filter(None, map(_label, rows))))
        if not labels:
            raise SettingsError(
                f"{WHERE}: {self.options.file} has no column 'label', and no column of scores "
                f"named like one of {', '.join(names)}. It has {', '.join(self._table.columns)}. "
                "Name them with 'columns' or 'scores'."
            )
        none = np.zeros(len(labels))
        one = dict(zip(labels, np.eye(len(labels)), strict=True))
        vectors = {id(row): one.get(_label(row) or "", none) for row in rows}
        if columns:
            scored = [row for row in rows if label is None or _label(row)]
            vectors = {id(row): none for row in rows} | self._numbers(scored, columns)
        return labels, vectors, self._kind(vectors.values())

    def _numbers(self, rows: Sequence[TableRow], columns: Sequence[str]) -> dict[int, Wide]:
        """Returns the scores of rows, by the row's `id`; zeros if all cells are empty."""
        cells = [[row.extras.get(column) for column in columns] for row in rows]
        empty = [None] * len(columns)
        vectors = [np.array([0 if row == empty else _number(c) for c in row]) for row in cells]
        inside = [(vector >= 0) & (vector <= 1) for vector in vectors]
        odd = [n for n, fits in enumerate(inside) if not fits.all()]
        if odd:
            column = int(np.argmin(inside[odd[0]]))
            cell = cells[odd[0]][column]
            raise DataError(
                f"{rows[odd[0]].origin}: the score of '{columns[column]}' is "
                f"{'empty; others are not' if cell is None else repr(str(cell))}. Scores are "
                f"numbers from 0 to 1; {len(odd)} of {len(rows)} rows have others "
                f"({first([self._table.key(rows[n]) for n in odd])})."
            )
        return {id(row): vector for row, vector in zip(rows, vectors, strict=True)}

    def _kind(self, vectors: Iterable[Wide]) -> ScoreKind:
        sums = np.array([vector.sum() for vector in vectors])
        odd = np.flatnonzero((sums > 0) & (np.abs(sums - 1) > TOLERANCE))
        if self.options.kind == "auto":
            return "independent" if len(odd) else "distribution"
        if len(odd) and self.options.kind == "distribution":
            keys = list(self._table.rows)
            raise DataError(
                f"{WHERE}: the scores of {len(odd)} rows of {self.options.file} do not add up to 1 "
                f"({first([keys[row] for row in odd])}). Correct them, or set `kind: independent`."
            )
        return self.options.kind

    def _score_columns(self, names: Sequence[str]) -> tuple[str, ...]:
        """Returns the columns with scores, given the labels of a taxonomy; empty if none has."""
        columns, options = self._table.columns, self.options
        for name in options.scores:
            if name not in columns:
                raise SettingsError(
                    f"{WHERE}: {options.file} has no column '{name}', which 'scores' names. "
                    f"It has {', '.join(columns)}."
                )
        prefixed = tuple(c for c in columns if c.startswith(PREFIX))
        meant = set(options.map) or set(map(plain, names))
        named = tuple(c for c in columns if (c if options.map else plain(c)) in meant)
        if options.scores or prefixed or not named:
            return options.scores or prefixed
        rest = set(columns) - {*named, *self._table.meant.values(), *NO_SCORES}
        rows = self._table.rows.values()
        if odd := sorted(c for c in rest if all(_is_share(row.extras.get(c)) for row in rows)):
            raise SettingsError(
                f"{WHERE}: {options.file} has numbers from 0 to 1 in {', '.join(odd)}, which may "
                f"be scores of labels beside {', '.join(named)}. Name the taxonomy of its labels "
                "in 'taxonomy', write a 'map', or list the columns in 'scores'."
            )
        return named


def _is_share(cell: Any) -> bool:
    return 0 <= _number(cell) <= 1


def _label(row: TableRow) -> str | None:
    return as_text(row.cells.get("label"), row.origin, "label")


def _number(cell: Any) -> float:
    """Returns NaN for what is no number."""
    try:
        return float(cell)
    except (TypeError, ValueError):
        return float("nan")
