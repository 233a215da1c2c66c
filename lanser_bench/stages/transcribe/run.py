"""Transcribe: utterances in, transcripts out, with the recogniser's confidence for each."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from ...data.utterances import UtteranceTable, iter_utterances
from ...errors import LanserError, PluginError
from ...evaluation.summaries import TranscriptSummary
from ...kinds.asr import ASR, Transcript
from ...kinds.speech import Speech, Waveform
from ...store import Draft, Store, digest
from ..base import StageContext, write_json
from ..maps.distinct_rows import BLOCK
from ..maps.sharding import MapResult, draft_rows
from ..maps.spans import SPEECH_COLUMNS, Bucket, map_utterances, span_rows
from .spec import SUMMARY, Params
from .wer import word_errors

_SCHEMA = pa.schema(
    [(name, pa.string()) for name in ("text", "language")]
    + [(name, pa.float64()) for name in ("avg_logprob", "no_speech_prob", "compression_ratio")]
    + [(name, pa.bool_()) for name in ("retried", "truncated", "silent")]
)
_FIELDS = _SCHEMA.names[:-1]
"""Columns that are fields of `Transcript`, in its order."""


def run(context: StageContext, draft: Draft) -> None:
    """Transcribes all distinct utterances and writes their `SUMMARY`."""
    params = Params.of(context.spec)
    asr: ASR[Any] = context.plugin("asr")
    name = context.name("asr")

    def compute(bucket: Bucket, part: Draft) -> pa.Table:
        rows = range(len(bucket.table))
        by_length = sorted(rows, key=lambda row: bucket.table.seconds[row] or 0.0)
        results: dict[int, tuple[Transcript, bool]] = {}
        for begin in range(0, len(by_length), asr.batch_size):
            batch = by_length[begin : begin + asr.batch_size]
            results.update(zip(batch, _batch(bucket, asr, name, batch, params), strict=True))
        columns: dict[str, list[Any]] = {
            field: [getattr(results[row][0], field) for row in rows] for field in _FIELDS
        }
        columns["silent"] = [results[row][1] for row in rows]
        return pa.table(columns, schema=_SCHEMA)

    def names(table: UtteranceTable) -> list[str]:
        """Names rows by exactly what the recogniser is given, so that equal ones are one row."""
        if asr.reads == "audio":
            return [digest([*row]) for row in zip(span_rows(table), table.languages, strict=True)]
        kind = {"transcript": "text"}.get(asr.reads, asr.reads)
        values = getattr(table, SPEECH_COLUMNS[asr.reads])
        return [digest([kind, *row]) for row in zip(values, table.languages, strict=True)]

    audio = "transcribe" if asr.reads == "audio" else None
    map_utterances(context, draft, names, compute, params.shard_rows, needs_audio=audio)
    references = (
        None if asr.reads == "transcript" else text
        for table in iter_utterances(context.parent("utterances"), BLOCK)
        for text in table.transcripts
    )
    rows = draft_rows(context.store, draft, ("text", "silent", "retried", "truncated"))
    summary = _summary(rows, references)
    write_json(draft, SUMMARY, summary)
    counted = ("empty", "silent", "retried", "truncated", "mean_words")
    draft.counts |= {name: getattr(summary, name) for name in counted}
    if summary.wer is not None:
        draft.counts |= {"wer": summary.wer.wer, "cer": summary.wer.cer}


def read_transcripts(store: Store, key: str) -> dict[str, Transcript]:
    """Reads the transcripts of a finished stage.

    Returns:
        Utterance id → transcript, in the manifest's order.

    Raises:
        StoreError: the artifact or one of its shards is missing or damaged.
    """
    result = MapResult(store, store.checked(key))
    rows = zip(*result.columns(*_FIELDS).values(), strict=True)
    return {id_: Transcript(*row) for id_, row in zip(result.ids, rows, strict=True)}


def _batch(
    bucket: Bucket, asr: ASR[Any], name: str, rows: Sequence[int], params: Params
) -> Iterator[tuple[Transcript, bool]]:
    """Transcribes one batch; yields each row's transcript and whether the clip is silent."""
    batch = [bucket.speech(row, {asr.reads, "language"}) for row in rows]
    gated = asr.reads == "audio"
    silent = [gated and rms_db(speech.samples) < params.min_rms_db for speech in batch]
    audible = [i for i in range(len(rows)) if not silent[i]]
    ids = [bucket.table.ids[rows[i]] for i in audible]
    transcripts = iter(_recognised(asr, name, [batch[i] for i in audible], ids) if audible else ())
    for speech, quiet in zip(batch, silent, strict=True):
        yield (Transcript("", speech.language or ""), True) if quiet else (next(transcripts), False)


def rms_db(samples: Waveform) -> float:
    """Returns the root mean square in dB relative to full scale; −inf for digital silence."""
    power = float(np.mean(np.square(samples, dtype=np.float64))) if len(samples) else 0.0
    return 10 * math.log10(power) if power > 0 else -math.inf


def _recognised(
    asr: ASR[Any], name: str, batch: Sequence[Speech], ids: Sequence[str]
) -> list[Transcript]:
    """Calls the plugin; on failure retries utterances one by one, to name the one that fails."""
    try:
        transcripts = list(asr.transcribe(batch))
    except Exception as error:  # a plugin may raise anything
        if len(batch) > 1:
            for speech, id_ in zip(batch, ids, strict=True):
                _recognised(asr, name, [speech], [id_])
        raise _named(error, name, ids) from error
    if len(transcripts) != len(batch) or not all(isinstance(t, Transcript) for t in transcripts):
        raise PluginError(
            f"asr '{name}' returned {len(transcripts)} results for {len(batch)} utterances "
            f"(the first is '{ids[0]}'); it must return one Transcript each, in order."
        )
    return transcripts


def _named(error: Exception, name: str, ids: Sequence[str]) -> LanserError:
    """Prefixes an error with its utterance; errors of the user's making keep their class."""
    where = f"utterance '{ids[0]}'"
    if len(ids) > 1:
        where = f"{len(ids)} utterances together ('{ids[0]}' … '{ids[-1]}'), but on none alone"
    if isinstance(error, LanserError):
        return type(error)(f"asr '{name}' on {where}: {error}")
    return PluginError(f"asr '{name}' failed on {where}: {type(error).__name__}: {error}")


def _summary(rows: Iterable[Sequence[Any]], references: Iterable[str | None]) -> TranscriptSummary:
    """Counts texts, silence, retries, truncations and word errors of all utterances."""
    counts = Counter(utterances=0, empty=0, silent=0, retried=0, truncated=0, words=0)

    def texts() -> Iterator[str]:
        for text, silent, retried, truncated in rows:
            words = len(text.split())
            flags = {"silent": silent, "retried": retried, "truncated": truncated}
            counts.update(utterances=1, empty=words == 0, words=words, **flags)
            yield text

    errors = word_errors((text or "" for text in references), texts())
    words = counts.pop("words")
    mean = words / counts["utterances"] if counts["utterances"] else 0.0
    return TranscriptSummary(**counts, mean_words=mean, wer=errors)
