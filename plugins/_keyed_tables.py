"""Tables of results made elsewhere, one row per utterance: labels, scores or transcripts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from lanser_bench import DataError, SettingsError, UserPath

from ._file_hashes import file_sha256
from .datasets._columns import Naming, as_text, nfc, nfc_names
from .datasets._tables import TableOptions, TableRow, table_rows

NAMED = 3
"""Most names in a message."""


class KeyedTableOptions(TableOptions):
    """Options of plugins that read such a table."""

    file: Annotated[UserPath, AfterValidator(lambda path: path.absolute())]
    """The table: CSV, TSV, JSON lines or Parquet."""
    by: Literal["id", "recording", "text"] = "id"
    """How rows are found: by the utterance's id, by the SHA-256 of its recording (64 hexadecimal
    digits; only for recordings of one utterance), or by its text. The table has a column of this
    name."""
    columns: Annotated[dict[str, str], AfterValidator(nfc_names)] = Field(default={})
    """Name here → name in the table, such as ``{id: utt, label: emotion}``."""
    absent: Literal["stop", "skip"] = "stop"
    """If utterances have no row: stop before anything is computed, or continue without a result for
    them. Texts are not known in advance; those without a row are always skipped."""


class KeyedTable:
    """The rows of a table by the value of its key column."""

    def __init__(self, options: KeyedTableOptions, known: Iterable[str], whose: str) -> None:
        """Keeps what is needed to read the table; `whose` begins messages."""
        self._options, self._whose = options, whose
        known = frozenset({*known, options.by})
        self._naming = Naming(known, options.columns, required=options.by)

    @property
    def sha256(self) -> str:
        """Hash of the file.

        Raises:
            SettingsError: there is no such file.
        """
        path = self._options.file
        if not path.is_file():
            raise SettingsError(f"{self._whose}: the table {path} does not exist. Correct `file`.")
        return file_sha256(path)

    @property
    def meant(self) -> Mapping[str, str]:
        """Name here → column of the table."""
        return {ours: theirs for theirs, ours in self._naming.meanings("", self.columns).items()}

    @property
    def columns(self) -> list[str]:
        """All columns of the table."""
        return self._read[1]

    @property
    def rows(self) -> Mapping[str, TableRow]:
        """Key → row.

        Raises:
            DataError: the table cannot be read, a row has no key, or a key has two unlike rows.
        """
        return self._read[0]

    def row(self, key: str | None) -> TableRow | None:
        """Returns the row of an utterance; None if it has none."""
        return self.rows.get(_plain(key or "", self._options.by))

    @cached_property
    def _read(self) -> tuple[dict[str, TableRow], list[str]]:
        options = self._options
        read, columns = table_rows(options.file, options, self._naming, [])
        rows: dict[str, TableRow] = {}
        repeated: list[str] = []
        for row in read:
            name = as_text(row.cells.pop(options.by, None), row.origin, options.by)
            if name is None:
                raise DataError(f"{row.origin}: {options.by} is empty. Fill it, or remove the row.")
            other = rows.setdefault(_plain(name, options.by), row)
            if (other.cells, other.extras) != (row.cells, row.extras):
                repeated.append(name)
        if repeated:
            raise DataError(
                f"{options.file}: {len(repeated)} rows repeat the {options.by} of another row with "
                f"other content ({_first(repeated)}). Keep one row of each."
            )
        return rows, columns

    def check(self, keys: Iterable[str], corpus: str) -> None:
        """Refuses a corpus with utterances that have no row, unless they are to be skipped.

        Raises:
            DataError: as `rows`, or utterances have no row.
        """
        asked = list(keys)
        missing = [key for key in asked if self.row(key) is None]
        if len(missing) == len(asked) and asked:
            raise DataError(
                f"{self._options.file} has no row for any of the {len(asked)} utterances of "
                f"'{corpus}': {self._options.by} is {_first(asked)} in the corpus and "
                f"{_first(list(self.rows))} in the table. Check `by` and `columns`."
            )
        if missing and self._options.absent == "stop":
            raise DataError(
                f"{self._options.file} has no row for {len(missing)} of the {len(asked)} "
                f"utterances of '{corpus}' ({_first(missing)}). Add them, or continue without "
                "with `absent: skip`."
            )


def _plain(key: str, by: str) -> str:
    """Returns a key as it is compared: texts without repeated blanks, hashes in lower case."""
    if by == "text":
        return " ".join(key.split())
    return key.lower() if by == "recording" else nfc(key)


def _first(names: list[str]) -> str:
    shown = ", ".join(f"'{name}'" for name in names[:NAMED])
    return shown + (", …" if len(names) > NAMED else "")
