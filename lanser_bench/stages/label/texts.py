"""The texts of a corpus, block by block: memory does not grow with the number of utterances."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ...data.utterances import UtteranceTable, iter_utterances
from ...errors import StoreError
from ...kinds.labeler import TextRecord
from ...store import Artifact
from ..base import StageContext
from ..maps.distinct_rows import BLOCK, index_ids
from ..maps.scratch import ScratchBase
from ..maps.sharding import INDEX, MapResult, iter_rows

MAX_CONTEXT = 8
"""Most previous utterances given to a labeler that reads ``context``."""
FILE = "texts.sqlite"
OTHERS = "The transcripts belong to other utterances: a fault of the plan."


class _Transcript(NamedTuple):
    """A recogniser's transcript, or the manifest's own text."""

    text: str | None
    language: str | None = None
    avg_logprob: float | None = None
    no_speech_prob: float | None = None

    @property
    def stripped(self) -> str:
        return (self.text or "").strip()


class LabelTexts(ScratchBase):
    """Records of a corpus in the manifest's order, from transcripts or the manifest's own texts.

    Transcripts are stored in the order of hashes, and earlier turns anywhere in the manifest: both
    are kept in a file, which leaving the block removes.
    """

    def __init__(
        self, context: StageContext, manifest: Artifact, folder: Path, *, with_context: bool
    ) -> None:
        """Stores the earlier turns of dialogues in a file in `folder`, if records contain them.

        Raises:
            StoreError: the transcripts belong to other utterances.
        """
        super().__init__(folder / FILE)
        self._manifest = manifest
        self._with_context = with_context
        self._transcripts: MapResult | None = None
        if "transcripts" in context.spec.parents:
            self._transcripts = MapResult(context.store, context.parent("transcripts"))
        if with_context:
            self._keep_turns()

    def blocks(self) -> Iterator[tuple[UtteranceTable, list[TextRecord]]]:
        """Yields utterances and their records, without gold."""
        begin = 0
        for table, transcripts in self._texts():
            yield (
                table,
                [
                    TextRecord(
                        id=table.ids[i],
                        text=own.stripped,
                        context=self._earlier(table, i, begin + i),
                        language=own.language or table.languages[i] or "",
                        avg_logprob=_number(own.avg_logprob),
                        no_speech_prob=_number(own.no_speech_prob),
                        recording=table.audio_sha[i] or "",
                    )
                    for i, own in enumerate(transcripts)
                ],
            )
            begin += len(table)

    def _texts(self) -> Iterator[tuple[UtteranceTable, list[_Transcript]]]:
        tables = iter_utterances(self._manifest, BLOCK)
        if self._transcripts is None:
            for table in tables:
                yield table, [_Transcript(text) for text in table.transcripts]
            return
        rows = self._transcript_rows(self._transcripts)
        for table in tables:
            block = [next(rows, ("", _Transcript(None))) for _ in table.ids]
            if [id_ for id_, _ in block] != table.ids:
                raise StoreError(OTHERS)
            yield table, [transcript for _, transcript in block]
        if next(rows, None) is not None:
            raise StoreError(OTHERS)

    def _transcript_rows(self, result: MapResult) -> Iterator[tuple[str, _Transcript]]:
        index, scratch = result.artifact.path / INDEX, self._path.with_name("transcripts.raw")
        rows = iter_rows(result.parts, index, _Transcript._fields, scratch)
        return zip(index_ids(index), (_Transcript(*row) for row in rows), strict=True)

    def _keep_turns(self) -> None:
        self._base.execute(
            "CREATE TABLE turn (dialogue, turn, pos, text, "
            "PRIMARY KEY (dialogue, turn, pos)) WITHOUT ROWID"
        )
        begin = 0
        for table, transcripts in self._texts():
            positions = range(begin, begin := begin + len(table))
            texts = [own.stripped for own in transcripts]
            rows = zip(table.dialogue_ids, table.turns, positions, texts, strict=True)
            turns = [row for row in rows if row[0] is not None and row[1] is not None]
            self.write("INSERT INTO turn VALUES (?, ?, ?, ?)", turns)

    def _earlier(self, table: UtteranceTable, i: int, position: int) -> tuple[str, ...]:
        """Returns texts of up to `MAX_CONTEXT` earlier turns of the same dialogue, oldest first."""
        dialogue, turn = table.dialogue_ids[i], table.turns[i]
        if not self._with_context or dialogue is None or turn is None:
            return ()
        rows = self._base.execute(
            "SELECT text FROM turn WHERE dialogue = ? AND (turn, pos) < (?, ?) "
            "ORDER BY turn DESC, pos DESC LIMIT ?",
            (dialogue, turn, position, MAX_CONTEXT),
        ).fetchall()
        return tuple(text for (text,) in reversed(rows))


def _number(value: float | None) -> float:
    return math.nan if value is None else value
