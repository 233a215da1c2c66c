"""Stage `probe`: how much of each measured target a frozen embedding holds.

Numbers are predicted by ridge regression, classes by logistic regression. Leaves `probe.json` (a
`ProbeResult`) and `predictions.parquet`, one row per utterance, target and scale. Only the
difference to the controls' predictions supports a claim (`reporting.probe_gaps`).
"""

from __future__ import annotations

import pyarrow as pa

from ...data.utterances import read_utterances
from ...evaluation.folds import split_hash
from ...evaluation.predictions import PREDICTIONS, write_table
from ...evaluation.results import ProbeResult
from ...kinds.probe import Probe
from ...store import Draft
from ..base import StageContext
from ..embed.corrections import read_layers
from ..targets import read_classes, read_targets
from .classes import probe_classes
from .numbers import principal_components, probe_numbers
from .spec import RESULT, Params
from .work import Found, Work


def run(context: StageContext, draft: Draft) -> None:
    """Predicts all targets; every training is preceded by the leakage check."""
    settings = {n: v for n, v in context.spec.params.items() if n in Params.model_fields}
    params = Params.model_validate(settings)
    table = read_utterances(context.parent("utterances"))
    work = Work(
        table=table,
        layers=read_layers(context, params.layers, table.ids),
        held_out=context.spec.params.get("held_out", Probe.held_out),
        n_folds=params.folds,
        sentence_folds=params.sentence_folds,
        inner_folds=params.inner_folds,
        strengths=params.strengths,
        scales=params.scales,
        seed=context.spec.seed or 0,
        progress=lambda done, total: context.progress(done, total, "scales"),
    )
    found = _probed(context, work)
    result = ProbeResult(
        probe=context.parent("targets").spec.plugins["probe"].name,
        targets=found.targets,
        classes=found.classes,
        held_out=work.held_out,
        n_speakers=len(set(table.speakers)),
        n_utterances=len(table),
        n_folds=len(found.folds.folds),
        sentence_disjoint=found.folds.sentence_disjoint,
        split_hash=split_hash(table.ids, found.folds.folds),
        warnings=[*found.folds.remarks, *found.warnings],
    )
    (draft.path / RESULT).write_text(result.model_dump_json(indent=1) + "\n", encoding="utf-8")
    write_table(draft.path / PREDICTIONS, pa.concat_tables(found.tables))
    targets = {s.target for s in found.targets} | {s.target for s in found.classes}
    draft.counts |= {"utterances": len(table), "targets": len(targets), "folds": result.n_folds}


def _probed(context: StageContext, work: Work) -> Found:
    key = context.spec.parents["targets"]
    if context.spec.params.get("task", Probe.task) == "classification":
        return probe_classes(work, read_classes(context.store, key))
    measured = read_targets(context.store, key)
    components = context.spec.params.get("components", Probe.components)
    if components is not None:
        measured = principal_components(measured, components)
    return probe_numbers(work, measured)
