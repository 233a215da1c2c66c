"""Segment: recordings in, utterances out. Skipped where a segmenter returns recordings whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict

from ..data.utterances import UTTERANCES, iter_utterances, read_summary, write_rows, write_summary
from ..errors import DataError, PluginError
from ..kinds.segmenter import Span
from ..kinds.speech import Speech
from ..plugins.identity import library_versions
from ..store import Draft, PluginIdentity, Spec
from .base import StageContext
from .maps.distinct_rows import BLOCK
from .maps.sharding import ROWS, draft_rows
from .maps.spans import Bucket, check_audio, map_utterances, span_rows

VERSION = "2"
CAPACITY = 32
"""Recordings per shard: they may last an hour each, and a killed run loses at most a shard."""
ROUNDING_S = 1e-3
"""How far a span may pass its recording or its neighbour: one millisecond of rounding."""


class Params(BaseModel):
    """Settings of the stage: none, the segmenter has its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def spec(*, utterances: str, segmenter: PluginIdentity) -> Spec:
    """Returns the content of the stage's key.

    Args:
        utterances: key of the manifest whose utterances are recordings to cut.
        segmenter: the segmenter.
    """
    return Spec(
        stage="segment",
        stage_version=VERSION,
        plugins={"segmenter": segmenter},
        params={"libraries": library_versions(("soundfile", "soxr"))},
        parents={"utterances": utterances},
    )


def run(context: StageContext, draft: Draft) -> None:
    """Cuts every recording and writes the utterances as a manifest of their own."""
    manifest = context.parent("utterances")
    check_audio(manifest, "segment")
    segmenter = context.plugin("segmenter")
    name = context.spec.plugins["segmenter"].name

    def compute(bucket: Bucket, part: Draft) -> None:
        found = []
        for row, utterance in enumerate(bucket.table.ids):
            speech = Speech(bucket.samples(row), bucket.table.languages[row])
            found.append(_checked(segmenter.segment(speech), speech, name, utterance))
        columns = {
            "starts": pa.array([[span.start for span in spans] for spans in found], _SECONDS),
            "ends": pa.array([[span.end for span in spans] for spans in found], _SECONDS),
        }
        pq.write_table(pa.table(columns), part.path / ROWS)

    map_utterances(
        context, draft, names=span_rows, compute=compute, capacity=CAPACITY, unit="recordings"
    )
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


_SECONDS = pa.list_(pa.float64())


def _checked(spans: Sequence[Span], speech: Speech, name: str, utterance: str) -> list[Span]:
    """Refuses spans that are empty, overlap, are out of order or lie outside the recording."""
    before = 0.0
    for span in spans:
        if not (before - ROUNDING_S <= span.start < span.end <= speech.seconds + ROUNDING_S):
            raise PluginError(
                f"segmenter '{name}' gave the span {span.start:g}–{span.end:g} s for '{utterance}' "
                f"({speech.seconds:.3f} s), which is empty, outside of it or not after the span "
                f"before (until {before:g} s)."
            )
        before = span.end
    return list(spans)


def _utterances(
    recordings: Iterable[dict[str, Any]],
    spans: Iterable[Sequence[list[float]]],
    silent: list[dict[str, str]],
) -> Iterator[dict[str, Any]]:
    """Yields the rows of all utterances; a recording without any becomes a problem in `silent`.

    An utterance inherits what holds for its whole recording. Its words are only a part of the
    recording's transcript, so text and sentence are left out unless the span is all of it.
    """
    per_dialogue: Counter[str] = Counter()
    for recording, (first, last) in zip(recordings, spans, strict=True):
        begin = recording["start"] or 0.0
        dialogue = recording["dialogue_id"] or recording["id"]
        whole = len(first) == 1 and (last[0] - first[0]) >= (recording["seconds"] or 0) - ROUNDING_S
        for number, (start, end) in enumerate(zip(first, last, strict=True)):
            text = {} if whole else {"transcript": None, "sentence_id": None}
            place = {
                "id": f"{recording['id']}#{number:04d}",
                "start": begin + start,
                "end": begin + end,
                "seconds": end - start,
                "dialogue_id": dialogue,
                "turn": per_dialogue[dialogue],
            }
            per_dialogue[dialogue] += 1
            yield {**recording, **text, **place}
        if not first:
            silent.append(
                {
                    "utterance": recording["id"],
                    "file": "",
                    "problem": "no speech found",
                    "kind": "no speech",
                }
            )
