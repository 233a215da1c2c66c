"""Flattening: how much worse emotion is recognised without single cues of prosody."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from ..audio.flatten import Cue, require_vocoder
from ..evaluation.contrast import DIFFERENCE, averaged
from ..evaluation.results import FlattenResult, Metric
from ..stages import flatten
from .base import Column, Keys, Measurement, ReportTable, Section, Target


def _plan(on: Target) -> Keys:
    settings = on.settings
    if settings.flatten is None or on.gold is None or on.encoder.frontend.kind == "text":
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


def _drop(cue: str) -> Callable[[FlattenResult], Metric | None]:
    return lambda result: next((one.drop for one in result.cues if one.cue == cue), None)


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
    columns=(
        Column("drop_f0", "drop, F0 flat", _drop("f0"), DIFFERENCE),
        Column("drop_energy", "drop, energy flat", _drop("energy"), DIFFERENCE),
    ),
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
