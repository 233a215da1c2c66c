"""Utterances as the rows of a map stage: what names them, and how their sound is read."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ...data.utterances import UtteranceTable, iter_utterances, utterances_without
from ...errors import DataError
from ...kinds.speech import Waveform
from ...store import Artifact, Draft, FileState, digest, file_sha256
from ..base import StageContext
from .distinct_rows import BLOCK, Row, RowIndex
from .scratch import ScratchBase
from .sharding import run_map


def span_rows(table: UtteranceTable) -> list[str]:
    """Names utterances by recording and span, so that equal ones are one row."""
    spans = zip(table.audio_sha, table.start, table.end, strict=True)
    return [digest([sha, start, end]) for sha, start, end in spans]


def check_audio(manifest: Artifact, stage: str) -> None:
    """Raises `DataError` if an utterance has no audio; the sentence names it and the stage."""
    missing, total = utterances_without(manifest, "audio_sha")
    if missing:
        raise DataError(
            f"{len(missing)} of {total} utterances have no audio, which {stage} needs; the first "
            f"is '{missing[0]}'. Use a dataset with recordings."
        )


class Recordings(ScratchBase):
    """Where recordings lie on this machine, in a file: there may be as many as utterances."""

    def __init__(self, context: StageContext, folder: Path) -> None:
        """Makes an empty file in a folder; it is filled when the first recording is sought."""
        super().__init__(folder / "recordings.sqlite")
        self._base.execute("CREATE TABLE recording (sha PRIMARY KEY, path, verified) WITHOUT ROWID")
        self._unread = list(context.inputs.get("audio", ()))

    def path(self, sha: str) -> Path | None:
        """Returns where the recording with these bytes lies; None if that is not known."""
        row = self._row(sha)
        return None if row is None else Path(os.fsdecode(row[0]))

    def verified(self, sha: str) -> Path | None:
        """Returns the same after comparing its bytes with the hash, once for each state of a file.

        Raises:
            DataError: the bytes are not those that were planned with, or cannot be read.
        """
        row = self._row(sha)
        if row is None:
            return None
        path = Path(os.fsdecode(row[0]))
        state = repr(tuple(FileState.of(path)))
        if row[1] != state:
            if file_sha256(path) != sha:
                raise DataError(
                    f"{path} changed after the run was planned. Run the same command again; "
                    "finished stages are kept."
                )
            self.write("UPDATE recording SET verified = ? WHERE sha = ?", [(state, sha)])
        return path

    def _row(self, sha: str) -> tuple[bytes, str | None] | None:
        while self._unread:
            with Path(self._unread.pop()).open(encoding="utf-8") as file:
                self.write("INSERT OR IGNORE INTO recording VALUES (?, ?, NULL)", _pairs(file))
        query = "SELECT path, verified FROM recording WHERE sha = ?"
        row: tuple[bytes, str | None] | None = self._base.execute(query, (sha,)).fetchone()
        return row


def _pairs(lines: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    """Reads a JSON object of texts whose lines end between two of its pairs."""
    for line in lines:
        pairs = json.loads("{" + line.strip().strip("{,}") + "}")
        # As bytes, because a file's name need not be text.
        yield from ((sha, os.fsencode(path)) for sha, path in pairs.items())


@dataclass(frozen=True)
class Bucket:
    """The utterances of a shard."""

    table: UtteranceTable
    positions: list[int]
    """Their places in the manifest."""
    recordings: Recordings

    def samples(self, row: int) -> Waveform:
        """Decodes one utterance: mono float32 at 16 kHz, shape (samples,).

        Raises:
            DataError: the recording is missing, has changed or cannot be decoded.
        """
        from ...audio import decode

        path = self.recordings.verified(str(self.table.audio_sha[row]))
        if path is None:
            raise DataError(
                f"The recording of utterance '{self.table.ids[row]}' is not known on this machine. "
                "Start the run again, so that the dataset's folder is read."
            )
        return decode(path, self.table.start[row], self.table.end[row])


def map_utterances(
    context: StageContext,
    draft: Draft,
    *,
    names: Callable[[UtteranceTable], Iterable[str]],
    compute: Callable[[Bucket, Draft], None],
    capacity: int,
    unit: str = "utterances",
) -> None:
    """Runs a map over the utterances of the stage's manifest, which are read in blocks.

    Args:
        context: the running stage.
        draft: the stage's own artifact.
        names: given some utterances, returns for each the name of its row: a `digest` of all that
            determines the result.
        compute: as for `run_map`.
        capacity: the most rows of a shard.
        unit: what is counted.
    """
    fields: list[str] = [field.name for field in dataclasses.fields(UtteranceTable)]

    def shard(rows: list[Row], part: Draft) -> None:
        columns = map(list, zip(*(json.loads(row.record) for row in rows), strict=True))
        table = UtteranceTable(**dict(zip(fields, columns, strict=True)))
        compute(Bucket(table, [row.position for row in rows], recordings), part)

    with RowIndex(draft.path) as index, Recordings(context, draft.path) as recordings:
        for table in iter_utterances(context.parent("utterances"), BLOCK):
            records = map(json.dumps, zip(*(getattr(table, n) for n in fields), strict=True))
            index.add(zip(table.ids, names(table), records, strict=True))
        run_map(context, draft, index, compute=shard, capacity=capacity, unit=unit)
