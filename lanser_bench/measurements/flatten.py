"""Flattening: how much worse emotion is recognised without single cues of prosody."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from ..audio.flatten import Cue, require_vocoder
from ..evaluation.contrast import DIFFERENCE, averaged
from ..evaluation.flatten import CONTROL
from ..evaluation.predictions import Classified, difference_statistic
from ..evaluation.results import FlattenResult, Metric
from ..evaluation.statistics import flat
from ..stages import flatten
from .base import WHOLE, Column, Keys, Measurement, ReportTable, Section, SpeakerSums, Target


def _plan(on: Target) -> Keys:
    settings = on.settings
    if settings.flatten is None or on.gold is None:
        return {}
    if not on.encoder.frontend.needs_sound:
        if on.control is None:
            on.note(f"Flatten tests are left out: '{on.identity.name}' reads no sound.")
        return {}
    require_vocoder()
    cues: tuple[Cue, ...] = ("none", *settings.flatten.cues)
    key = on.stage(
        flatten.spec,
        f"{on.identity.name} on {on.name} without single cues",
        settings.threads.evaluate,
        f"flatten {on.place}",
        versions={cue: on.embedded(cue) for cue in cues},
        evaluation=on.evaluation,
    )
    return {"flatten": key}


def _drop(cue: str) -> Column[FlattenResult]:
    """Returns the column of a cue's drop: a larger drop is neither better nor worse speech."""

    def read(result: FlattenResult) -> Metric | None:
        return next((one.drop for one in result.cues if one.cue == cue), None)

    def sums(result: FlattenResult, table: pa.Table) -> Mapping[str, SpeakerSums]:
        if read(result) is None:
            return {}
        intact, without = (_answers(table, version) for version in (CONTROL, cue))
        drop = difference_statistic(intact, without, "uar")
        return {WHOLE: (sorted(set(intact.speakers)), flat(drop))}

    head = f"drop, {'F0' if cue == 'f0' else cue} flat"
    return Column(f"drop_{cue}", head, read, DIFFERENCE, sums=sums)


def _answers(table: pa.Table, version: str) -> Classified:
    own = table.filter(pc.equal(table["version"], version))
    gold, predicted = (own[name].to_numpy().astype(int) for name in ("gold", "predicted"))
    n_labels = 1 + max(gold.max(), predicted.max())
    return Classified(
        own["id"].to_pylist(), own["speaker"].to_pylist(), gold, predicted[None], n_labels
    )


def _lines(results: Sequence[FlattenResult]) -> Iterator[tuple[str | Metric, ...]]:
    """Yields one line per cue: name, UAR as recorded, cost of the vocoder, UAR without, drop."""
    original = averaged([result.original for result in results])
    vocoder = averaged([result.vocoder for result in results])
    for cues in zip(*(result.cues for result in results), strict=True):
        uar = averaged([cue.uar for cue in cues])
        drop = averaged([cue.drop for cue in cues], DIFFERENCE)
        name = {"f0": "F0 flattened", "energy": "energy flattened"}[cues[0].cue]
        yield name, original, vocoder, uar, drop


FLATTEN = Measurement(
    name="flatten",
    file=flatten.RESULT,
    result=FlattenResult,
    plan=_plan,
    section=Section(
        "flatten",
        flatten.Params,
        "If set (``flatten: {}`` for defaults), models trained on natural speech are also tested "
        "with one prosodic cue removed.",
        in_recipe=False,
    ),
    columns=(_drop("f0"), _drop("energy")),
    report=ReportTable(
        order=3,
        anchor="cues",
        title="Without one cue",
        note="Models trained on natural speech, tested on speech that a vocoder took apart and put "
        "together with one cue flattened. The drop counts from the same resynthesis with nothing "
        "flattened, so it does not include the damage of the vocoder. Bold: the 95 % interval "
        "excludes 0. A drop shows that the classifier uses the cue, not that the cue alone "
        "suffices.",
        heads=("cue", "UAR as recorded", "vocoder costs", "UAR without the cue", "drop"),
        lines=_lines,
        differences=frozenset({"drop"}),
    ),
)
