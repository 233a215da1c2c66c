"""Transcribe: utterances in, transcripts out, with the recogniser's own evidence beside each."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ...data.utterances import UtteranceTable, iter_utterances
from ...errors import LanserError, PluginError
from ...evaluation.summaries import TranscriptSummary
from ...kinds.asr import ASR, Transcript
from ...kinds.speech import Speech, Waveform
from ...store import Draft, Store, digest
from ..base import StageContext
from ..maps.distinct_rows import BLOCK
from ..maps.sharding import ROWS, MapResult, draft_rows
from ..maps.spans import Bucket, check_audio, map_utterances, span_rows
from .spec import SUMMARY, Params
from .wer import word_errors

_COLUMNS = (
    "text",
    "language",
    "avg_logprob",
    "no_speech_prob",
    "compression_ratio",
    "retried",
    "truncated",
)
_SCHEMA = pa.schema(
    [
        ("text", pa.string()),
        ("language", pa.string()),
        ("avg_logprob", pa.float64()),
        ("no_speech_prob", pa.float64()),
        ("compression_ratio", pa.float64()),
        ("retried", pa.bool_()),
        ("truncated", pa.bool_()),
        ("silent", pa.bool_()),
    ]
)


def run(context: StageContext, draft: Draft) -> None:
    """Transcribes all distinct utterances and sums up how it went in `SUMMARY`."""
    settings = {n: v for n, v in context.spec.params.items() if n in Params.model_fields}
    params = Params.model_validate(settings)
    manifest = context.parent("utterances")
    asr: ASR[Any] = context.plugin("asr")
    name = context.spec.plugins["asr"].name
    if asr.reads == "audio":
        check_audio(manifest, "transcribe")

    def compute(bucket: Bucket, part: Draft) -> None:
        rows = range(len(bucket.table))
        by_length = sorted(rows, key=lambda row: bucket.table.seconds[row] or 0.0)
        found: dict[int, tuple[Transcript, bool]] = {}
        for begin in range(0, len(by_length), asr.batch_size):
            batch = by_length[begin : begin + asr.batch_size]
            found.update(zip(batch, _batch(bucket, asr, name, batch, params), strict=True))
        _write(part, [found[row] for row in rows])

    map_utterances(
        context,
        draft,
        names=lambda table: _row_names(table, asr),
        compute=compute,
        capacity=params.shard_rows,
    )
    references = (
        text if asr.reads == "audio" else None
        for table in iter_utterances(manifest, BLOCK)
        for text in table.transcripts
    )
    rows = draft_rows(context.store, draft, ("text", "silent", "retried", "truncated"))
    summary = _summary(rows, references)
    (draft.path / SUMMARY).write_text(summary.model_dump_json(indent=1) + "\n", encoding="utf-8")
    counted = ("empty", "silent", "retried", "truncated", "mean_words")
    draft.counts |= {name: getattr(summary, name) for name in counted}
    if summary.wer is not None:
        draft.counts |= {"wer": summary.wer.wer, "cer": summary.wer.cer}


def read_transcripts(store: Store, key: str) -> dict[str, Transcript]:
    """Reads the transcripts of a finished stage.

    Returns:
        Utterance id → transcript, in the manifest's order.

    Raises:
        StoreError: the artifact or one of its shards is absent or damaged.
    """
    result = MapResult(store, store.checked(key))
    columns = [result.column(name) for name in _COLUMNS]
    return {
        id_: Transcript(*values)
        for id_, values in zip(result.ids, zip(*columns, strict=True), strict=True)
    }


def _row_names(table: UtteranceTable, asr: ASR[Any]) -> list[str]:
    """Names rows by what the recogniser is given and nothing else, so that equal ones are one."""
    if asr.reads == "transcript":
        texts = zip(table.transcripts, table.languages, strict=True)
        return [digest(["text", text, language]) for text, language in texts]
    spans = zip(span_rows(table), table.languages, strict=True)
    return [digest([span, language]) for span, language in spans]


def _batch(
    bucket: Bucket, asr: ASR[Any], name: str, rows: Sequence[int], params: Params
) -> Iterator[tuple[Transcript, bool]]:
    """Transcribes one batch; yields each row's transcript and whether the clip is silent."""
    speech = [_speech(bucket, row, asr) for row in rows]
    gate = asr.reads == "audio"
    silent = [gate and rms_db(one.samples) < params.min_rms_db for one in speech]
    heard = [i for i in range(len(rows)) if not silent[i]]
    ids = [bucket.table.ids[rows[i]] for i in heard]
    found = iter(_recognised(asr, name, [speech[i] for i in heard], ids)) if heard else iter(())
    for one, quiet in zip(speech, silent, strict=True):
        yield (Transcript("", one.language or ""), True) if quiet else (next(found), False)


def _speech(bucket: Bucket, row: int, asr: ASR[Any]) -> Speech:
    language = bucket.table.languages[row]
    if asr.reads == "transcript":
        return Speech(np.zeros(0, np.float32), language, bucket.table.transcripts[row])
    return Speech(bucket.samples(row), language)


def rms_db(samples: Waveform) -> float:
    """Returns the root mean square in dB relative to full scale; −inf for digital silence."""
    power = float(np.mean(np.square(samples, dtype=np.float64))) if len(samples) else 0.0
    return 10 * math.log10(power) if power > 0 else -math.inf


def _recognised(
    asr: ASR[Any], name: str, batch: Sequence[Speech], ids: Sequence[str]
) -> list[Transcript]:
    """Calls the plugin; on failure looks for the utterance that it fails on and names it."""
    try:
        found = list(asr.transcribe(batch))
    # The boundary of a stranger's recogniser, looked at twice: which utterance does it fail on?
    except Exception as error:
        if len(batch) > 1:
            for one, id_ in zip(batch, ids, strict=True):
                _recognised(asr, name, [one], [id_])
        raise _named(error, name, ids) from error
    if len(found) != len(batch) or not all(isinstance(one, Transcript) for one in found):
        raise PluginError(
            f"asr '{name}' returned {len(found)} results for {len(batch)} utterances from "
            f"'{ids[0]}' on; it must return one Transcript each, in order."
        )
    return found


def _named(error: Exception, name: str, ids: Sequence[str]) -> LanserError:
    """Puts the utterance before an error's sentence; the user's own faults keep their kind."""
    where = f"utterance '{ids[0]}'"
    if len(ids) > 1:
        where = f"{len(ids)} utterances together ('{ids[0]}' … '{ids[-1]}'), but on none alone"
    if isinstance(error, LanserError):
        return type(error)(f"asr '{name}' on {where}: {error}")
    return PluginError(f"asr '{name}' failed on {where}: {type(error).__name__}: {error}")


def _write(part: Draft, found: Sequence[tuple[Transcript, bool]]) -> None:
    columns: dict[str, list[Any]] = {
        column: [getattr(transcript, column) for transcript, _ in found] for column in _COLUMNS
    }
    columns["silent"] = [silent for _, silent in found]
    pq.write_table(pa.table(columns, schema=_SCHEMA), part.path / ROWS)


def _summary(rows: Iterable[Sequence[Any]], references: Iterable[str | None]) -> TranscriptSummary:
    """Sums up text, silence, retries, cut texts and word errors of all utterances."""
    counts = Counter(utterances=0, empty=0, silent=0, retried=0, truncated=0, words=0)

    def texts() -> Iterator[str]:
        for text, silent, retried, truncated in rows:
            words = len(text.split())
            counts.update(
                utterances=1,
                empty=words == 0,
                silent=silent,
                retried=retried,
                truncated=truncated,
                words=words,
            )
            yield text

    errors = word_errors((text or "" for text in references), texts())
    words = counts.pop("words")
    mean = words / counts["utterances"] if counts["utterances"] else 0.0
    return TranscriptSummary(**counts, mean_words=mean, wer=errors)
