"""Utterances as the rows of a map stage: their names, and how their audio is read."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ...data.utterances import UtteranceTable, iter_utterances, utterances_without
from ...errors import DataError
from ...kinds.speech import Speech, Waveform
from ...store import Artifact, Draft, FileState, digest, file_sha256
from ..base import StageContext
from .distinct_rows import BLOCK, Row, RowIndex
from .scratch import ScratchBase
from .sharding import run_map

SPEECH_COLUMNS = {
    "language": "languages",
    "transcript": "transcripts",
    "extras": "extras",
    "speaker": "speakers",
    "sentence_id": "sentence_ids",
    "gold": "gold",
    "id": "ids",
    "recording": "audio_sha",
}
"""Field of `Speech` → column of the manifest."""


def span_rows(table: UtteranceTable) -> list[str]:
    """Names utterances by recording and span, so that equal ones are one row."""
    spans = zip(table.audio_sha, table.start, table.end, strict=True)
    return [digest([sha, start, end]) for sha, start, end in spans]


class Recordings(ScratchBase):
    """Paths of recordings on this machine, in a file: there may be as many as utterances."""

    def __init__(self, context: StageContext, folder: Path) -> None:
        """Creates an empty file in a folder; the first look-up fills it."""
        super().__init__(folder / "recordings.sqlite")
        self._base.execute("CREATE TABLE recording (sha PRIMARY KEY, path, verified) WITHOUT ROWID")
        self._unread = list(context.inputs.get("audio", ()))

    def path(self, sha: str) -> Path | None:
        """Returns the path of the recording with this hash; None if it is unknown."""
        while self._unread:
            with Path(self._unread.pop()).open(encoding="utf-8") as file:
                self.write("INSERT OR IGNORE INTO recording VALUES (?, ?, NULL)", _pairs(file))
        path = self._column("path", sha)
        return None if path is None else Path(os.fsdecode(path))

    def verified(self, sha: str) -> Path | None:
        """Returns the path after comparing the file with the hash, once for each state of the file.

        Raises:
            DataError: the file has changed since planning, or cannot be read.
        """
        path = self.path(sha)
        if path is None:
            return None
        state = repr(tuple(FileState.of(path)))
        if self._column("verified", sha) != state:
            if file_sha256(path) != sha:
                raise DataError(
                    f"{path} changed after the run was planned. Run the same command again; "
                    "finished stages are kept."
                )
            self.write("UPDATE recording SET verified = ? WHERE sha = ?", [(state, sha)])
        return path

    def samples(self, name: str, sha: str, start: float | None, end: float | None) -> Waveform:
        """Decodes a span of a recording: mono float32 at 16 kHz, shape (samples,).

        `name` is the utterance's, for messages; `start` and `end` are in seconds.

        Raises:
            DataError: the recording is missing, has changed or cannot be decoded.
        """
        from ...audio import decode

        path = self.verified(sha)
        if path is None:
            raise DataError(
                f"The recording of utterance '{name}' is not known on this machine. Run the same "
                "command again to read the dataset's folder."
            )
        return decode(path, start, end)

    def _column(self, name: str, sha: str) -> Any:
        query = f"SELECT {name} FROM recording WHERE sha = ?"
        return (self._base.execute(query, (sha,)).fetchone() or (None,))[0]


def _pairs(lines: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    """Reads a JSON object of strings whose lines break only between its pairs."""
    for line in lines:
        pairs = json.loads("{" + line.strip().strip("{,}") + "}")
        # As bytes, because a file name may not be valid text.
        yield from ((sha, os.fsencode(path)) for sha, path in pairs.items())


@dataclass(frozen=True)
class Bucket:
    """The utterances of a shard."""

    table: UtteranceTable
    positions: list[int]
    """Their positions in the manifest."""
    recordings: Recordings

    def samples(self, row: int) -> Waveform:
        """Decodes one utterance, as `Recordings.samples`."""
        table = self.table
        sha, start, end = str(table.audio_sha[row]), table.start[row], table.end[row]
        return self.recordings.samples(table.ids[row], sha, start, end)

    def speech(self, row: int, reads: Collection[str]) -> Speech:
        """Returns one utterance with ``audio`` and fields of `Speech` only as far as `reads` names.

        Raises:
            DataError: as `samples`.
        """
        samples = self.samples(row) if "audio" in reads else np.zeros(0, np.float32)
        columns = {f: column for f, column in SPEECH_COLUMNS.items() if f in reads}
        return Speech(samples, **{f: getattr(self.table, c)[row] for f, c in columns.items()})


def check_audio(manifest: Artifact, needs_audio: str) -> None:
    """Raises `DataError` if an utterance has no audio; `needs_audio` names what needs it."""
    missing, total = utterances_without(manifest, "audio_sha")
    if missing:
        raise DataError(
            f"{len(missing)} of {total} utterances have no audio, which {needs_audio} needs; the "
            f"first is '{missing[0]}'. Use a dataset with recordings."
        )


def map_utterances(
    context: StageContext,
    draft: Draft,
    names: Callable[[UtteranceTable], Iterable[str]],
    compute: Callable[[Bucket, Draft], pa.Table],
    capacity: int,
    *,
    needs_audio: str | None = None,
    unit: str = "utterances",
    params: Mapping[str, Any] | None = None,
) -> None:
    """Runs a map over the utterances of the stage's manifest, which are read in blocks.

    `names` returns the name of each utterance's row: a `digest` of everything that determines the
    result. `needs_audio` names a stage that needs audio, for the error. For the other arguments see
    `run_map`.

    Raises:
        DataError: an utterance has no audio, and the stage needs it.
    """
    manifest = context.parent("utterances")
    if needs_audio and not context.joined:
        check_audio(manifest, needs_audio)
    fields: list[str] = [field.name for field in dataclasses.fields(UtteranceTable)]

    def shard(rows: list[Row], part: Draft) -> pa.Table:
        columns = map(list, zip(*(json.loads(row.record) for row in rows), strict=True))
        table = UtteranceTable(**dict(zip(fields, columns, strict=True)))
        return compute(Bucket(table, [row.position for row in rows], recordings), part)

    with (
        RowIndex(draft.path, context.joined) as index,
        Recordings(context, draft.path) as recordings,
    ):
        for table in () if context.joined else iter_utterances(manifest, BLOCK):
            records = map(json.dumps, zip(*(getattr(table, n) for n in fields), strict=True))
            index.add(zip(table.ids, names(table), records, strict=True))
        run_map(context, draft, index, compute=shard, capacity=capacity, unit=unit, params=params)
