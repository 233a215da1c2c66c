"""Utterances as the rows of a map stage: what names them, and how their sound is read."""

from __future__ import annotations

from ..errors import DataError
from ..kinds.speech import Waveform
from ..store import digest
from ..utterances import UtteranceTable
from .base import StageContext


def span_rows(table: UtteranceTable, stage: str) -> list[str]:
    """Names each utterance by its recording's bytes and its span, so that equal ones are one row.

    Raises:
        DataError: an utterance has no audio; the sentence names it and the stage.
    """
    missing = [i for i, sha in zip(table.ids, table.audio_sha, strict=True) if sha is None]
    if missing:
        raise DataError(
            f"{len(missing)} of {len(table)} utterances have no audio, which {stage} needs; the "
            f"first is '{missing[0]}'. Use a dataset with recordings."
        )
    spans = zip(table.audio_sha, table.start, table.end, strict=True)
    return [digest([sha, start, end]) for sha, start, end in spans]


def read_span(context: StageContext, table: UtteranceTable, position: int) -> Waveform:
    """Decodes one utterance: mono float32 at 16 kHz, shape (samples,).

    Raises:
        DataError: the recording is missing, has changed or cannot be decoded.
    """
    from ..audio import decode

    path = context.recording(str(table.audio_sha[position]))
    if path is None:
        raise DataError(
            f"The recording of utterance '{table.ids[position]}' is not known on this machine. "
            "Start the run again, so that the dataset's folder is read."
        )
    return decode(path, table.start[position], table.end[position])
