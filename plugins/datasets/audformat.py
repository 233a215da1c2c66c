"""A database in audEERING's audformat, as audb publishes them."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import Field

from lanser_bench import (
    Card,
    DataError,
    Dataset,
    Proposal,
    SettingsError,
    Utterance,
    language_code,
)

from .._optional import import_optional
from ._columns import SPLITS, TEXTS, as_text, columns_among, nfc, present, text_columns
from ._dialogues import apart
from ._paths import Recordings
from ._stated import LabelOptions, LeftOut, single_gold

_CARD = Card(title="An audformat database", licence="see db.yaml", citation="see db.yaml")


class AudformatOptions(LabelOptions):
    """Options of `audformat`."""

    tables: tuple[str, ...]
    """Tables to read, such as ``[emotion.train, emotion.test]``; the last part of a name that is
    train, dev or test becomes the split."""
    columns: Annotated[dict[str, str], columns_among(("label", "turn", *TEXTS))] = Field(
        default_factory=lambda: {"label": "emotion"}
    )
    """Field → name of the column, such as ``{label: emotion, speaker: speaker}``. A column
    that the table lacks is looked up by file in the table `files`."""
    fixed_sentences: bool = False
    """Set it if all speakers read the same few sentences."""


class Audformat(Dataset[AudformatOptions]):
    """Reads ``db.yaml`` and its tables; rows of segmented tables become spans."""

    Options = AudformatOptions
    version = "1"
    card = _CARD

    def __init__(self, options: AudformatOptions) -> None:
        super().__init__(options)
        self.card = replace(
            _CARD, taxonomy=options.taxonomy, fixed_sentences=options.fixed_sentences
        )

    @classmethod
    def propose(cls, path: Path, emotions: Container[str]) -> Proposal | None:
        """Returns the tables with labels that ``db.yaml`` declares, those of splits first."""
        header = path / "db.yaml"
        if not header.is_file():
            return None
        tables = (yaml.safe_load(header.read_text("utf-8")) or {}).get("tables", {})
        for column in ("emotion", "label", "category", "emotion.categories"):
            names = [name for name, one in tables.items() if column in one.get("columns", {})]
            parts = [name for name in names if name.rpartition(".")[2] in SPLITS] or names
            if parts:
                speaker = any("speaker" in one.get("columns", {}) for one in tables.values())
                columns = {"label": column} | ({"speaker": "speaker"} if speaker else {})
                findings = tuple(f"{ours}: column '{c}'" for ours, c in columns.items())
                return Proposal(path, {"tables": parts, "columns": columns}, findings, 1.0)
        return Proposal(path, {"tables": list(tables)[:1], "columns": {}}, (), 1.0)

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
        left_out = LeftOut(self.options.leave_out)
        yield from apart(self._rows(root, database, left_out), self.notes)
        self.notes += left_out.notes()

    def _rows(
        self, root: Path, database: Any, left_out: LeftOut
    ) -> Iterator[tuple[str, Utterance]]:
        languages = [str(code) for code in database.languages]
        language = language_code(languages[0]) if len(languages) == 1 else None
        for table in self.options.tables:
            if table not in database.tables:
                raise SettingsError(
                    f"{root}/db.yaml has no table '{table}'; it has {', '.join(database.tables)}."
                )
            last = table.rpartition(".")[2].lower()
            split = last if last in ("train", "dev", "test") else None
            for number, (row, cells) in enumerate(self._cells(database, table)):
                origin = f"{root}/db.{table}, row {number}"
                label = as_text(cells.pop("label", None), origin, "label")
                if label is not None and left_out([label]):
                    continue
                texts = text_columns(cells, origin, split=split, language=language)
                texts["gold"] = single_gold(label, self.options.taxonomy, self.options.labels)
                yield table, _utterance(root, row, texts)

    def _cells(
        self, database: Any, table: str
    ) -> Iterator[tuple[Mapping[str, Any], dict[str, Any]]]:
        """Yields the rows of a table, each with its cells by the columns' names here."""
        rows = database[table].get().reset_index()
        elsewhere = {ours: c for ours, c in self.options.columns.items() if c not in rows.columns}
        by_file = _by_file(database, elsewhere)
        renamed = {ours: c for ours, c in elsewhere.items() if ours not in by_file}
        columns = self.options.columns | present(renamed, list(rows.columns), table)
        for row in rows.to_dict("records"):
            cells = {ours: row[c] for ours, c in columns.items() if ours not in by_file}
            file = str(row["file"])
            yield row, cells | {ours: values.get(file) for ours, values in by_file.items()}


def _utterance(root: Path, row: Mapping[str, Any], texts: Mapping[str, Any]) -> Utterance:
    file, start, end = str(row["file"]), _seconds(row.get("start")), _seconds(row.get("end"))
    span = "" if start is None and end is None else f"@{start or 0:.3f}"
    audio = Recordings(root).located(file)
    return Utterance(id=f"{nfc(file)}{span}", audio=audio, start=start, end=end, **texts)


def _load(root: Path) -> Any:
    install = "pip install 'lanser-bench[audformat]'."
    audformat = import_optional("audformat", "dataset 'audformat' needs its package", install)
    if not (root / "db.yaml").is_file():
        raise DataError(
            f"{root} contains no db.yaml. Set `root` to the folder of an audformat database."
        )
    # The library would read them, and a pickle can run any code.
    pickled = next(iter(sorted(root.glob("db.*.pkl"))), None)
    if pickled is not None:
        raise DataError(
            f"{pickled} is a pickle, which lanser-bench never reads. Remove it; the table's "
            ".csv or .parquet file has the same content."
        )
    try:
        return audformat.Database.load(str(root), load_data=True, num_workers=1, verbose=False)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise DataError(f"{root}/db.yaml cannot be read as audformat: {error}.") from None


def _by_file(database: Any, columns: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Returns column here → file → value for columns of the table ``files``."""
    if "files" not in database.tables:
        return {}
    frame = database["files"].get()
    return {
        ours: dict(zip(frame.index.astype(str), frame[column], strict=True))
        for ours, column in columns.items()
        if column in frame.columns
    }


def _seconds(value: Any) -> float | None:
    """Returns the seconds of a `pandas.Timedelta`; None for 0 and for NaT, the end of the file."""
    if value is None or value != value:
        return None
    seconds: float = value.total_seconds()
    return seconds or None
