"""Tables of results made elsewhere, one row per utterance: labels, scores, transcripts, vectors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property, lru_cache
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import AfterValidator, Field

from lanser_bench import SOUND_SUFFIXES, DataError, SettingsError, UserPath

from ._file_hashes import file_sha256
from .datasets._columns import ALIASES, WEAK_ALIASES, Naming, as_text, nfc, nfc_names
from .datasets._tables import TableOptions, TableRow, table_rows

T = TypeVar("T")
NAMED = 3
"""Most names in a message."""
TableFile = Annotated[UserPath, AfterValidator(lambda path: path.absolute())]
_SOUNDS = [name for name, ours in (ALIASES | WEAK_ALIASES).items() if ours == "audio"]
ID_ALIASES = dict.fromkeys(
    ["ids", "utt", "utt_id", "utterance", "utterance_id", "segment_id", "key", "audio", *_SOUNDS],
    "id",
)
"""Columns that are read as ids if there is no column ``id``."""


class KeyedTableOptions(TableOptions):
    """Options of plugins that read such a table."""

    file: TableFile
    """The table: CSV, TSV, JSON lines or Parquet."""
    by: Literal["id", "recording", "text"] = "id"
    """How rows are found: by the utterance's id, by the SHA-256 of its recording (64 hexadecimal
    digits; only for recordings of one utterance), or by its text. The table has a column of this
    name. An id may be a file name: a folder before it and the suffix make no difference, and
    without a column ``id``, one such as ``file`` or ``path`` is read."""
    columns: Annotated[dict[str, str], AfterValidator(nfc_names)] = Field(default={})
    """Name here → name in the table, such as ``{id: utt, label: emotion}``."""
    where: dict[str, Annotated[str, Field(coerce_numbers_to_str=True)]] = Field(default={})
    """Reads only the rows with these values, such as ``{model: gpt-4o}``."""
    absent: Literal["stop", "skip"] = "stop"
    """If utterances have no row: stop before anything is computed, or continue without a result for
    them. Texts are not known in advance; those without a row are always skipped."""


def table_sha256(file: Path, whose: str) -> str:
    """Returns the hash of a table; if it is missing, a `SettingsError` begins with `whose`."""
    if not file.is_file():
        raise SettingsError(f"{whose}: the table {file} does not exist. Correct `file`.")
    return file_sha256(file)


class Lookup(Generic[T]):
    """What a file has for each key."""

    def __init__(
        self, file: Path, by: str, pairs: Iterable[tuple[str, T]], same: Callable[[T, T], bool]
    ) -> None:
        """Collects pairs of key and value; `same` says whether a repeated key is harmless."""
        self._file, self._by = file, by
        self.rows: dict[str, T] = {}
        repeated: list[str] = []
        for name, value in pairs:
            if not same(self.rows.setdefault(_plain(name, by), value), value):
                repeated.append(name)
        if repeated:
            raise DataError(
                f"{file}: {len(repeated)} rows repeat the {by} of another row with other content "
                f"({first(repeated)}). Keep one row of each."
            )

    def get(self, key: str | None) -> T | None:
        """Returns the value of an utterance; None if it has none."""
        key = _plain(key or "", self._by)
        if key in self.rows or self._by != "id":
            return self.rows.get(key)
        parts = _parts(key)
        named = self._files.get(parts[-1], [])
        found = [name for name, path in named if path[-len(parts) :] == parts]
        return self.rows[found[0]] if len(found) == 1 else None

    def check(self, keys: Iterable[str], corpus: str, *, skip: bool | None = None) -> None:
        """Raises `DataError` if utterances have no row, unless it is to `skip` them.

        `skip` is None for a table that every utterance needs.
        """
        asked = list(keys)
        missing = [key for key in asked if self.get(key) is None]
        if len(missing) == len(asked) and asked:
            raise DataError(
                f"{self._file} has no row for any of the {len(asked)} utterances of '{corpus}': "
                f"{self._by} is {first(asked)} in the corpus and {first(list(self.rows))} in the "
                "table. Check `by` and the name of its column."
            )
        if missing and not skip:
            way = "" if skip is None else ", or continue without with `absent: skip`"
            raise DataError(
                f"{self._file} has no row for {len(missing)} of the {len(asked)} utterances of "
                f"'{corpus}' ({first(missing)}). Add them{way}."
            )

    @cached_property
    def _files(self) -> dict[str, list[tuple[str, tuple[str, ...]]]]:
        """File name → keys with this name, and their parts."""
        files: dict[str, list[tuple[str, tuple[str, ...]]]] = {}
        for key in self.rows:
            parts = _parts(key)
            files.setdefault(parts[-1], []).append((key, parts))
        return files


class _Naming(Naming):
    def __hash__(self) -> int:
        """By content: the mappings do not change."""
        return hash(repr(self))


class KeyedTable:
    """The rows of a table by the value of its key column."""

    def __init__(
        self,
        options: KeyedTableOptions,
        known: Iterable[str],
        whose: str,
        weak: Mapping[str, str] = {},
    ) -> None:
        """Keeps what is needed to read the table.

        `known` are its other columns, `weak` their further names; `whose` begins messages.
        """
        self._options, self._whose = options, whose
        known = frozenset({*known, options.by})
        weak = {**WEAK_ALIASES, **weak, **(ID_ALIASES if options.by == "id" else {})}
        self._naming = _Naming(known, options.columns, weak, required=options.by)

    @property
    def sha256(self) -> str:
        """Hash of the file."""
        return table_sha256(self._options.file, self._whose)

    @property
    def meant(self) -> Mapping[str, str]:
        """Name here → column of the table."""
        return {ours: theirs for theirs, ours in self._naming.meanings("", self.columns).items()}

    @property
    def columns(self) -> list[str]:
        """All columns of the table."""
        return self._table[1]

    @property
    def _table(self) -> tuple[list[TableRow], list[str]]:
        options = self._options
        written = TableOptions(
            **{name: getattr(options, name) for name in TableOptions.model_fields}
        )
        return _read(self.sha256, options.file, written, self._naming)

    def values(self, columns: Sequence[str]) -> list[dict[str, str]]:
        """Returns the distinct values of some columns, those that the table lacks left out."""
        names = [name for name in columns if name in self.columns]
        rows = (tuple(_text(row, name) for name in names) for row in self._wanted)
        return [dict(zip(names, found, strict=True)) for found in dict.fromkeys(rows)]

    @cached_property
    def _wanted(self) -> list[TableRow]:
        """The rows that fit `where`."""
        where = self._options.where
        if absent := where.keys() - set(self.columns):
            raise SettingsError(
                f"{self._whose}: {self._options.file} has no column '{min(absent)}', which "
                f"'where' names. It has {', '.join(self.columns)}."
            )
        rows = [r for r in self._table[0] if all(_text(r, c) == v for c, v in where.items())]
        if where and not rows:
            raise SettingsError(f"{self._whose}: no row of {self._options.file} fits {where}.")
        return rows

    def key(self, row: TableRow) -> str:
        """Returns the key of a row; raises `DataError` if it has none."""
        by = self._options.by
        name = as_text(row.cells.get(by), row.origin, by)
        if name is None:
            raise DataError(f"{row.origin}: {by} is empty. Fill it, or remove the row.")
        return name

    @cached_property
    def lookup(self) -> Lookup[TableRow]:
        """The wanted rows by key; raises `DataError` if a key has none or two unlike rows."""
        by, pairs = self._options.by, ((self.key(row), row) for row in self._wanted)

        def content(row: TableRow) -> Any:
            return {**row.cells, by: None}, row.extras

        return Lookup(self._options.file, by, pairs, lambda a, b: content(a) == content(b))

    @property
    def rows(self) -> Mapping[str, TableRow]:
        """Key → row, as `lookup`."""
        return self.lookup.rows

    def check(self, ids: Iterable[str], recordings: Iterable[str], corpus: str) -> None:
        """Refuses a corpus with utterances that have no row, unless they are to be skipped."""
        if self._options.by != "text":
            keys = ids if self._options.by == "id" else recordings
            self.lookup.check(keys, corpus, skip=self._options.absent == "skip")


@lru_cache(maxsize=2)
def _read(
    sha256: str, file: Path, written: TableOptions, naming: _Naming
) -> tuple[list[TableRow], list[str]]:
    """Reads a table once for all its parts; `sha256` is that of the file."""
    return table_rows(file, written, naming, [])


def _text(row: TableRow, column: str) -> str:
    return as_text(row.extras.get(column), row.origin, column) or ""


def _parts(key: str) -> tuple[str, ...]:
    """Splits an id or a path; the suffix of a sound is left out."""
    path = PurePosixPath(key.replace("\\", "/"))
    return path.with_suffix("").parts if path.suffix.lower() in SOUND_SUFFIXES else path.parts


def _plain(key: str, by: str) -> str:
    """Returns a key as it is compared: texts without repeated blanks, hashes in lower case."""
    if by == "text":
        return " ".join(key.split())
    return key.lower() if by == "recording" else nfc(key)


def first(names: Sequence[str]) -> str:
    """Returns some names, quoted."""
    shown = ", ".join(f"'{name}'" for name in names[:NAMED])
    return shown + (", …" if len(names) > NAMED else "")
