"""A database in audEERING's audformat, as audb publishes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from lanser_bench import (
    Card,
    DataError,
    Dataset,
    MissingDependencyError,
    PluginOptions,
    SettingsError,
    Utterance,
)

from ._columns import TEXTS, checked_columns, nfc, present, text, turn
from ._dialogues import apart
from ._paths import Recordings

_COLUMNS = ("label", "turn", *TEXTS)


class AudformatOptions(PluginOptions):
    """Options of `audformat`."""

    tables: tuple[str, ...]
    """Tables to read, such as ``[emotion.train, emotion.test]``; the last part of a name that is
    train, dev or test becomes the split."""
    columns: dict[str, str] = Field(default_factory=lambda: {"label": "emotion"})
    """Name here → name of the column, such as ``{label: emotion, speaker: speaker}``. A column
    that the table lacks is looked up by file in the table `files`."""
    taxonomy: str | None = None
    """Taxonomy of the labels: a name, or the path of a YAML file."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Label of the database → label of the taxonomy, where they differ."""
    fixed_sentences: bool = False
    """Set it where all speakers read the same few sentences."""

    @field_validator("columns")
    @classmethod
    def _known(cls, columns: dict[str, str]) -> dict[str, str]:
        checked_columns(columns, _COLUMNS)
        return columns


class Audformat(Dataset[AudformatOptions]):
    """Reads ``db.yaml`` and its tables; rows of segmented tables become spans."""

    Options = AudformatOptions
    version = "1"
    card = Card(title="An audformat database", licence="see db.yaml", citation="see db.yaml")

    def __init__(self, options: AudformatOptions) -> None:
        super().__init__(options)
        self.card = Card(
            title="An audformat database",
            licence="see db.yaml",
            citation="see db.yaml",
            taxonomy=options.taxonomy,
            fixed_sentences=options.fixed_sentences,
        )

    def utterances(self, root: Path) -> Iterator[Utterance]:
        """Yields the rows of the tables in their order."""
        database = _load(root)
        self.card = replace(
            self.card,
            title=database.name,
            licence=str(database.license or "not stated"),
            citation=str(database.source or "not stated"),
            url=str(database.license_url or ""),
        )
        languages = [str(code) for code in database.languages]
        language = _two_letters(languages[0]) if len(languages) == 1 else None
        yield from apart(self._rows(root, database, language), self.notes)

    def _rows(
        self, root: Path, database: Any, language: str | None
    ) -> Iterator[tuple[str, Utterance]]:
        for name in self.options.tables:
            if name not in database.tables:
                raise SettingsError(
                    f"{root}/db.yaml has no table '{name}'; it has {', '.join(database.tables)}."
                )
            for utterance in self._table(root, database, name, language):
                yield name, utterance

    def _table(
        self, root: Path, database: Any, name: str, language: str | None
    ) -> Iterator[Utterance]:
        rows = database[name].get().reset_index()
        columns = self.options.columns
        aside = {ours: c for ours, c in columns.items() if c not in rows.columns}
        files = _by_file(database, aside)
        lacking = {ours: c for ours, c in aside.items() if ours not in files}
        columns = columns | present(lacking, list(rows.columns), name)
        last = name.rpartition(".")[2].lower()
        split = last if last in ("train", "dev", "test") else None
        for number, row in enumerate(rows.to_dict("records")):
            file = str(row["file"])
            cells = {ours: row[c] for ours, c in columns.items() if ours not in files}
            cells |= {ours: values.get(file) for ours, values in files.items()}
            yield self._utterance(root, name, number, row, cells, split, language)

    def _utterance(
        self,
        root: Path,
        table: str,
        number: int,
        row: Mapping[str, Any],
        cells: Mapping[str, Any],
        split: str | None,
        language: str | None,
    ) -> Utterance:
        origin = f"{root}/db.{table}, row {number}"
        file, start, end = str(row["file"]), _seconds(row.get("start")), _seconds(row.get("end"))
        texts: dict[str, Any] = {
            column: text(cells.get(column), origin, column) for column in TEXTS
        }
        texts["split"] = texts["split"] or split
        texts["language"] = texts["language"] or language
        label = text(cells.get("label"), origin, "label")
        gold = {}
        if label is not None and self.options.taxonomy is not None:
            gold = {self.options.labels.get(label, label): 1.0}
        span = "" if start is None and end is None else f"@{start or 0:.3f}"
        return Utterance(
            id=f"{nfc(file)}{span}",
            audio=Recordings(root).located(file),
            start=start,
            end=end,
            turn=turn(cells.get("turn"), origin),
            gold=gold,
            origin=origin,
            **texts,
        )


def _load(root: Path) -> Any:
    try:
        import audformat
    except ImportError:
        raise MissingDependencyError(
            "dataset 'audformat' needs the package audformat: "
            "pip install 'lanser-bench[audformat]'."
        ) from None
    if not (root / "db.yaml").is_file():
        raise DataError(f"{root} holds no db.yaml. Name the folder of an audformat database.")
    # The library would read them, and a pickle can run any code.
    pickled = next(iter(sorted(root.glob("db.*.pkl"))), None)
    if pickled is not None:
        raise DataError(
            f"{pickled} is a pickle, which lanser-bench never reads. Remove it; the table's "
            ".csv or .parquet beside it holds the same."
        )
    try:
        return audformat.Database.load(str(root), load_data=True, num_workers=1, verbose=False)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise DataError(f"{root}/db.yaml cannot be read as audformat: {error}.") from None


def _by_file(database: Any, aside: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Returns column here → file → value for columns of the table ``files``."""
    if "files" not in database.tables:
        return {}
    frame = database["files"].get()
    return {
        ours: dict(zip(frame.index.astype(str), frame[column], strict=True))
        for ours, column in aside.items()
        if column in frame.columns
    }


def _seconds(value: Any) -> float | None:
    """Seconds of a `pandas.Timedelta`; None for NaT, the end of the file."""
    if value is None or value != value:
        return None
    seconds: float = value.total_seconds()
    return seconds or None


def _two_letters(code: str) -> str | None:
    """ISO 639-1 of the three letters of ISO 639-3 that audformat keeps."""
    from iso639 import Lang  # comes with audformat

    return Lang(code).pt1 or None
