"""Scores without any human label of the target: the pre-trained head, and the labeler alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import attrgetter

import pyarrow as pa

from ..errors import TaxonomyError
from ..evaluation.contrast import averaged
from ..evaluation.predictions import uar_sums
from ..evaluation.results import Metric, ZeroShotResult
from ..evaluation.zeroshot import answered
from ..stages import zeroshot
from ..stages.evaluate.spec import folds_by
from .base import WHOLE, Column, Keys, Measurement, ReportTable, SpeakerSums, Switch, Target


def head_answers(on: Target) -> Keys:
    """Plans the pre-trained head on the recordings; no key without pre-training or map."""
    # With the pooling that the head was trained with.
    pooling = on.settings.pretrain.pooling
    return _scored(
        on, "head", lambda: {"embeddings": on.embedded(pooling=pooling), "model": str(on.model)}
    )


def labeler_answers(on: Target) -> Keys:
    """Plans the labeler on the transcripts, for main cells; no key without a map."""
    if on.control is not None:
        return {}
    return _scored(on, "labels", lambda: {"labels": on.labels()})


def _scored(on: Target, role: str, parents: Callable[[], Mapping[str, str]]) -> Keys:
    if on.model is None or on.gold is None:
        return {}
    try:
        on.weak.map_to(on.gold)
    except TaxonomyError as error:
        on.note(f"Zero-shot and text-only scores are left out: {error}")
        return {}
    key = on.stage(
        zeroshot.spec,
        f"{role} on {on.name}, {on.weak.name}",
        1,
        f"zeroshot {on.place} {role}",
        **parents(),
        utterances=on.utterances,
        taxonomy=on.weak,
        gold=on.gold,
        tested=folds_by(on.design, on.protocols) == "split",
        votes=on.design.votes,
    )
    return {role: key}


def _lines(results: Sequence[ZeroShotResult]) -> Iterator[tuple[str | Metric, ...]]:
    """Yields one line: who answers, UAR, coverage, labels that nothing maps to."""
    first = results[0]
    yield (
        "head, from sound" if first.source == "head" else "labeler, from text",
        averaged([result.uar for result in results]),
        averaged([result.coverage for result in results]),
        ", ".join(first.unreachable) or "none",
    )


def _sums(_: ZeroShotResult, table: pa.Table) -> Mapping[str, SpeakerSums]:
    predicted, gold = (table[name].to_numpy().astype(int) for name in ("predicted", "gold"))
    return {WHOLE: uar_sums(answered(predicted, gold, table["speaker"].to_pylist()))}


_REPORT = ReportTable(
    order=1,
    anchor="unaided",
    title="Without any human label",
    note="The pre-trained head, or the labeler on the transcript alone, read through the "
    "taxonomy's map to the labels of this set. An abstention is a miss. Chance is {chance}.",
    heads=("who answers", "UAR", "coverage", "labels that nothing maps to"),
    lines=_lines,
    sort_by="UAR",
)
ZERO_SHOT = Measurement(
    name="zero_shot",
    file=zeroshot.RESULT,
    result=ZeroShotResult,
    plan=lambda on: head_answers(on) if on.settings.controls.zero_shot else {},
    switch=Switch(
        "zero_shot",
        True,
        "The pre-trained head on each target, read through the taxonomy's map: no human label.",
    ),
    columns=(Column("zero_shot", "UAR zero-shot", attrgetter("uar"), sums=_sums),),
    report=_REPORT,
)
TEXT_ONLY = Measurement(
    name="text_only",
    file=zeroshot.RESULT,
    result=ZeroShotResult,
    plan=lambda on: labeler_answers(on) if on.settings.controls.text_only else {},
    switch=Switch(
        "text_only",
        False,
        "The labeler on each target's transcripts: the words alone. The targets are transcribed.",
    ),
    columns=(Column("text_only", "UAR text-only", attrgetter("uar"), sums=_sums),),
    report=_REPORT,
)
