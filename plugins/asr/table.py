"""Transcripts made elsewhere, read from a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from lanser_bench import ASR, Speech, Transcript

from .._keyed_tables import KeyedTable, KeyedTableOptions
from ..datasets._columns import as_text


class TableOptions(KeyedTableOptions):
    """Options of `table`."""

    by: Literal["id", "recording"] = "id"
    """How rows are found: by the utterance's id, which may be a file name, or by the SHA-256 of its
    recording (64 hexadecimal digits; only for recordings of one utterance)."""


class Table(ASR[TableOptions]):
    """Returns the transcript in the row of each utterance; empty without a row."""

    Options = TableOptions
    version = "1"
    batch_size = 4096

    def __init__(self, options: TableOptions) -> None:
        super().__init__(options)
        self.reads = options.by
        self._table = KeyedTable(options, ["transcript"], "asr 'table'")

    def fingerprint(self) -> str:
        """Hash of the table."""
        return self._table.sha256

    def check_utterances(self, name: str, ids: Iterable[str], recordings: Iterable[str]) -> None:
        """Refuses a corpus with utterances that have no row."""
        self._table.check(ids, recordings, name)

    def transcribe(self, batch: Sequence[Speech]) -> list[Transcript]:
        """Looks the transcripts up; an empty cell is an empty text."""
        rows = [self._table.lookup.get(getattr(speech, self.options.by)) for speech in batch]
        texts = [
            None if row is None else as_text(row.cells.get("transcript"), row.origin, "transcript")
            for row in rows
        ]
        return [
            Transcript(text or "", speech.language or "")
            for text, speech in zip(texts, batch, strict=True)
        ]
