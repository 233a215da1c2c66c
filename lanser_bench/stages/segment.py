"""Segment: recordings in, utterances out. Skipped if the segmenter returns recordings whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ..data.utterances import UTTERANCES, iter_utterances, read_summary, write_rows, write_summary
from ..errors import DataError, PluginError
from ..kinds.segmenter import Span
from ..kinds.speech import Speech
from ..plugins.identity import library_versions
from ..store import Draft, PluginIdentity, Spec
from .base import StageContext
from .maps.distinct_rows import BLOCK
from .maps.sharding import draft_rows
from .maps.spans import Bucket, map_utterances, span_rows

VERSION = "2"
CAPACITY = 32
"""Recordings per shard: each may last an hour, and a killed run loses at most one shard."""
ROUNDING_S = 1e-3
"""Tolerance for spans that exceed their recording or overlap the previous span, in seconds."""
_SECONDS = pa.list_(pa.float64())


def spec(*, utterances: str, segmenter: PluginIdentity) -> Spec:
    """Returns the content of the stage's key; the utterances are recordings to cut."""
    return Spec(
        stage="segment",
        stage_version=VERSION,
        plugins={"segmenter": segmenter},
        params={"libraries": library_versions(("soundfile", "soxr"))},
        parents={"utterances": utterances},
    )


def run(context: StageContext, draft: Draft) -> None:
    """Cuts every recording and writes the utterances as a new manifest."""
    segmenter, name = context.plugin("segmenter"), context.name("segmenter")

    def compute(bucket: Bucket, part: Draft) -> pa.Table:
        spans = []
        for row, utterance in enumerate(bucket.table.ids):
            speech = bucket.speech(row, {"audio", "language"})
            spans.append(_checked(segmenter.segment(speech), speech, name, utterance))
        starts = pa.array([[span.start for span in own] for own in spans], _SECONDS)
        ends = pa.array([[span.end for span in own] for own in spans], _SECONDS)
        return pa.table({"starts": starts, "ends": ends})

    map_utterances(
        context, draft, span_rows, compute, CAPACITY, needs_audio="segment", unit="recordings"
    )
    manifest = context.parent("utterances")
    recordings = (row for table in iter_utterances(manifest, BLOCK) for row in table.rows())
    spans = draft_rows(context.store, draft, ("starts", "ends"))
    silent: list[dict[str, str]] = []
    write_rows(draft.path, _utterances(recordings, spans, silent))
    seconds = pq.read_table(draft.path / UTTERANCES, columns=["seconds"])["seconds"].to_pylist()
    recorded = draft.counts["recordings"]
    if not seconds:
        raise DataError(
            f"The segmenter '{name}' finds no utterance in any of {recorded} recordings. Check "
            "its options, or use segmenter: none."
        )
    summary = read_summary(manifest)
    counts = {
        "utterances": len(seconds),
        "recordings": recorded,
        "recordings_without_speech": len(silent),
        "seconds": sum(seconds),
    }
    summary["counts"] = {**summary.get("counts", {}), **counts}
    summary["problems"] = [*summary.get("problems", []), *silent]
    write_summary(draft.path, summary)
    draft.counts |= counts


def _checked(spans: Sequence[Span], speech: Speech, name: str, utterance: str) -> list[Span]:
    """Rejects spans that are empty, overlap, are out of order or lie outside the recording."""
    previous_end = 0.0
    for span in spans:
        earliest, latest = previous_end - ROUNDING_S, speech.seconds + ROUNDING_S
        if not (earliest <= span.start < span.end <= latest):
            raise PluginError(
                f"segmenter '{name}' gave the span {span.start:g}–{span.end:g} s for '{utterance}' "
                f"({speech.seconds:.3f} s). It is empty, outside the recording, or begins before "
                f"the previous span ends ({previous_end:g} s)."
            )
        previous_end = span.end
    return list(spans)


def _utterances(
    recordings: Iterable[dict[str, Any]],
    spans: Iterable[Sequence[list[float]]],
    silent: list[dict[str, str]],
) -> Iterator[dict[str, Any]]:
    """Yields the rows of all utterances; adds recordings without speech to `silent`, as problems.

    An utterance inherits the fields of its recording. Its words are only a part of the recording's
    transcript, so text and sentence are omitted unless the span is the whole recording.
    """
    turns: Counter[str] = Counter()
    for recording, (starts, ends) in zip(recordings, spans, strict=True):
        begin = recording["start"] or 0.0
        dialogue = recording["dialogue_id"] or recording["id"]
        longest = (recording["seconds"] or 0) - ROUNDING_S
        whole = len(starts) == 1 and (ends[0] - starts[0]) >= longest
        for number, (start, end) in enumerate(zip(starts, ends, strict=True)):
            text = {} if whole else {"transcript": None, "sentence_id": None}
            place = {
                "id": f"{recording['id']}#{number:04d}",
                "start": begin + start,
                "end": begin + end,
                "seconds": end - start,
                "dialogue_id": dialogue,
                "turn": turns[dialogue],
            }
            turns[dialogue] += 1
            yield {**recording, **text, **place}
        if not starts:
            problem = {"file": "", "problem": "no speech found", "kind": "no speech"}
            silent.append({"utterance": recording["id"], **problem})
