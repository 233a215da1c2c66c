"""Fine-tuning: the whole encoder trained on the labels, on the folds of the evaluation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from ..evaluation.contrast import averaged
from ..evaluation.predictions import classified_rows, uar_sums
from ..evaluation.results import EvaluationResult, Metric
from ..stages.embed.spec import Weights
from ..stages.finetune import spec as finetune
from .base import (
    WHOLE,
    Column,
    Keys,
    Measurement,
    ReportCurve,
    ReportTable,
    Section,
    SpeakerSums,
    Target,
)


def _plan(on: Target) -> Keys:
    settings = on.settings
    if settings.finetune is None or on.gold is None or not on.trainable:
        return {}
    start = "from scratch" if on.model is None else "from pre-trained weights"
    key = on.stage(
        finetune.spec,
        f"{on.identity.name} on {on.name}, {start}",
        settings.threads.pretrain,
        f"finetune {on.place}",
        evaluation=on.evaluation,
        features=on.features(),
        encoder=on.identity,
        weights=Weights(on.model, on.seed),
        params=settings.finetune,
        threads=settings.threads.pretrain,
        device=settings.devices.finetune or settings.devices.pretrain,
    )
    return {"finetune": key}


def _sums(result: EvaluationResult, table: pa.Table) -> Mapping[str, SpeakerSums]:
    found = {}
    for name in (one.budget for one in result.budgets):
        rows = table.filter(pc.equal(table["budget"], name))
        found[name] = uar_sums(classified_rows(rows, len(result.labels)))
    return {WHOLE: found[result.largest.budget], **found}


def _lines(results: Sequence[EvaluationResult]) -> Iterator[tuple[str | Metric, ...]]:
    """Yields UAR, WA and macro-F1 at the largest budget, and the area under UAR."""
    top = [result.largest for result in results]
    scores = [averaged([getattr(one, name) for one in top]) for name in ("uar", "wa", "macro_f1")]
    yield (*scores, averaged([result.area for result in results]))


FINETUNE = Measurement(
    name="finetune",
    file=finetune.RESULT,
    result=EvaluationResult,
    plan=_plan,
    section=Section(
        "finetune",
        finetune.Params,
        "If set (``finetune: {}`` for defaults), each trainable encoder is also fine-tuned, from "
        "its pre-trained weights and, in the control ``random_init``, from scratch.",
    ),
    columns=(
        Column(
            "finetune",
            "UAR fine-tuned",
            lambda result: result.largest.uar,
            sums=_sums,
            budgets=lambda result: {one.budget: one.uar for one in result.budgets},
        ),
    ),
    report=ReportTable(
        order=0,
        anchor="finetune",
        title="Fine-tuned",
        note="The whole encoder is trained on the human labels, on the folds of the evaluation: "
        "from its pre-trained weights and, in the control random weights, from scratch. Chance is "
        "{chance} %.",
        heads=("UAR", "WA", "F1", "area"),
        lines=_lines,
        sort_by="UAR",
        curve=ReportCurve(
            "UAR, %", lambda result: [(b.fraction, b.n_labels, b.uar) for b in result.budgets]
        ),
        pictured=("UAR",),
    ),
)
