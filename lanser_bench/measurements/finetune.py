"""Fine-tuning: the whole encoder trained on the labels, on the folds of the evaluation."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from ..evaluation.predictions import classified_rows, uar_sums
from ..evaluation.results import EvaluationResult, Metric
from ..stages.embed.spec import Weights
from ..stages.finetune import spec as finetune
from .base import WHOLE, Column, Keys, Measurement, Section, SpeakerSums, Target


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
        device=settings.devices.pretrain,
    )
    return {"finetune": key}


def _uar(result: EvaluationResult) -> Metric:
    """At the largest budget."""
    return max(result.budgets, key=lambda budget: budget.n_labels).uar


def _by_budget(result: EvaluationResult) -> Mapping[str, Metric]:
    return {budget.budget: budget.uar for budget in result.budgets}


def _sums(result: EvaluationResult, table: pa.Table) -> Mapping[str, SpeakerSums]:
    found = {
        budget.budget: uar_sums(
            classified_rows(
                table.filter(pc.equal(table["budget"], budget.budget)), len(result.labels)
            )
        )
        for budget in result.budgets
    }
    largest = max(result.budgets, key=lambda budget: budget.n_labels)
    return {WHOLE: found[largest.budget], **found}


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
    columns=(Column("finetune", "UAR fine-tuned", _uar, sums=_sums, budgets=_by_budget),),
)
