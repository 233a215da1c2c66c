"""What is said in a corpus, block by block, so that a million utterances need no more memory."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

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


class _Said(NamedTuple):
    """What a recogniser heard, or the manifest's own text."""

    text: str | None
    language: str | None = None
    avg_logprob: float | None = None
    no_speech_prob: float | None = None


class LabelTexts(ScratchBase):
    """Records of a corpus in the manifest's order, of transcripts or of the manifest's own texts.

    Transcripts lie in shards in the order of hashes, and earlier turns anywhere in the manifest:
    both wait in a file, which leaving the block removes.
    """

    def __init__(
        self, context: StageContext, manifest: Artifact, folder: Path, *, with_context: bool
    ) -> None:
        """Reads what will be looked up.

        Args:
            context: the running stage.
            manifest: the utterances.
            folder: where the file may lie.
            with_context: whether the earlier turns of a dialogue are wanted.

        Raises:
            StoreError: the transcripts are those of other utterances.
        """
        super().__init__(folder / FILE)
        self._manifest = manifest
        self._with_context = with_context
        self._spoken: MapResult | None = None
        if "transcripts" in context.spec.parents:
            self._spoken = MapResult(context.store, context.parent("transcripts"))
        if with_context:
            self._keep_turns()

    def blocks(self) -> Iterator[tuple[UtteranceTable, list[TextRecord]]]:
        """Yields utterances and their records, without gold."""
        begin = 0
        for table, said in self._said():
            texts = [(one.text or "").strip() for one in said]
            yield (
                table,
                [
                    TextRecord(
                        id=table.ids[i],
                        text=texts[i],
                        context=self._earlier(table, i, begin + i),
                        language=said[i].language or table.languages[i] or "",
                        avg_logprob=_number(said[i].avg_logprob),
                        no_speech_prob=_number(said[i].no_speech_prob),
                    )
                    for i in range(len(table))
                ],
            )
            begin += len(table)

    def _said(self) -> Iterator[tuple[UtteranceTable, list[_Said]]]:
        tables = iter_utterances(self._manifest, BLOCK)
        if self._spoken is None:
            for table in tables:
                yield table, [_Said(text) for text in table.transcripts]
            return
        rows = self._transcript_rows(self._spoken)
        for table in tables:
            found = [next(rows, ("", _Said(None))) for _ in table.ids]
            if [name for name, _ in found] != table.ids:
                raise StoreError(OTHERS)
            yield table, [said for _, said in found]
        if next(rows, None) is not None:
            raise StoreError(OTHERS)

    def _transcript_rows(self, spoken: MapResult) -> Iterator[tuple[str, _Said]]:
        index, scratch = spoken.artifact.path / INDEX, self._path.with_name("heard.raw")
        rows = iter_rows(spoken.part_paths(), index, _Said._fields, scratch)
        return zip(index_ids(index), (_Said(*row) for row in rows), strict=True)

    def _keep_turns(self) -> None:
        self._base.execute(
            "CREATE TABLE turn (dialogue, turn, pos, text, "
            "PRIMARY KEY (dialogue, turn, pos)) WITHOUT ROWID"
        )
        begin = 0
        for table, said in self._said():
            members: list[tuple[Any, ...]] = [
                (dialogue, turn, begin + i, (said[i].text or "").strip())
                for i, (dialogue, turn) in enumerate(
                    zip(table.dialogue_ids, table.turns, strict=True)
                )
                if dialogue is not None and turn is not None
            ]
            self.write("INSERT INTO turn VALUES (?, ?, ?, ?)", members)
            begin += len(table)

    def _earlier(self, table: UtteranceTable, i: int, position: int) -> tuple[str, ...]:
        """Texts of up to `MAX_CONTEXT` earlier turns of the same dialogue, oldest first."""
        dialogue, turn = table.dialogue_ids[i], table.turns[i]
        if not self._with_context or dialogue is None or turn is None:
            return ()
        found = self._base.execute(
            "SELECT text FROM turn WHERE dialogue = ? AND (turn, pos) < (?, ?) "
            "ORDER BY turn DESC, pos DESC LIMIT ?",
            (dialogue, turn, position, MAX_CONTEXT),
        ).fetchall()
        return tuple(text for (text,) in reversed(found))


OTHERS = "The transcripts are not those of the utterances: a fault of the plan."


def _number(value: float | None) -> float:
    return math.nan if value is None else value
