"""Segment: recordings in, utterances out. Skipped where a segmenter returns recordings whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict

from ..errors import DataError, PluginError
from ..kinds.segmenter import Span
from ..kinds.speech import Speech
from ..store import Draft, PluginIdentity, Spec, library_versions
from ..utterances import UtteranceTable, read_summary, read_utterances, write_utterances
from ._spans import read_span, span_rows
from .base import StageContext
from .sharding import ROWS, draft_rows, run_map

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
    table = read_utterances(manifest)
    segmenter = context.plugin("segmenter")
    name = context.spec.plugins["segmenter"].name

    def compute(positions: list[int], part: Draft) -> None:
        found = []
        for position in positions:
            speech = Speech(read_span(context, table, position), table.languages[position])
            found.append(_checked(segmenter.segment(speech), speech, name, table.ids[position]))
        columns = {
            "starts": pa.array([[span.start for span in spans] for spans in found], _SECONDS),
            "ends": pa.array([[span.end for span in spans] for spans in found], _SECONDS),
        }
        pq.write_table(pa.table(columns), part.path / ROWS)

    run_map(
        context, draft, ids=table.ids, rows=span_rows(table, "segment"), compute=compute,
        capacity=CAPACITY, unit="recordings",
    )  # fmt: skip
    spans = draft_rows(context.store, draft)
    rows, silent = _utterances(table, spans["starts"].to_pylist(), spans["ends"].to_pylist())
    if not rows:
        raise DataError(
            f"The segmenter '{name}' finds no utterance in any of {len(table)} recordings. Check "
            "its options, or use segmenter: none."
        )
    summary = read_summary(manifest)
    counts = {
        "utterances": len(rows),
        "recordings": len(table),
        "recordings_without_speech": len(silent),
        "seconds": sum(row["seconds"] for row in rows),
    }
    summary["counts"] = {**summary.get("counts", {}), **counts}
    summary["problems"] = [*summary.get("problems", []), *silent]
    write_utterances(draft.path, rows, summary)
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
    table: UtteranceTable, starts: list[list[float]], ends: list[list[float]]
) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    """Returns the rows of all utterances, and a problem for each recording without any.

    An utterance inherits what holds for its whole recording. Its words are only a part of the
    recording's transcript, so text and sentence are left out unless the span is all of it.
    """
    rows: list[dict[str, Any]] = []
    silent: list[dict[str, str]] = []
    per_dialogue: Counter[str] = Counter()
    for recording, first, last in zip(table.rows(), starts, ends, strict=True):
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
            rows.append({**recording, **text, **place})
        if not first:
            silent.append(
                {"utterance": recording["id"], "file": "", "problem": "no speech found",
                 "kind": "no speech"}
            )  # fmt: skip
    return rows, silent
