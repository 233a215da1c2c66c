"""Stage `probe`: how well each measured target can be predicted from a frozen embedding.

Numbers are predicted by ridge regression, classes by logistic regression. Writes `probe.json` (a
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
from ..base import StageContext, write_json
from ..embed.corrections import read_layers
from ..targets import read_classes, read_targets
from .classes import probe_classes
from .numbers import principal_components, probe_numbers
from .spec import RESULT, Params
from .work import ProbeOutput, Work


def run(context: StageContext, draft: Draft) -> None:
    """Predicts all targets; the leakage check runs before every training."""
    params = Params.of(context.spec)
    table = read_utterances(context.parent("utterances"))
    work = Work(
        table=table,
        layers=read_layers(context, params.layers, table.ids),
        held_out=context.spec.params.get("held_out", Probe.held_out),
        params=params,
        seed=context.spec.seed or 0,
        progress=lambda done, total: context.progress(done, total, "scales"),
    )
    output = _probed(context, work)
    folds = output.folds
    result = ProbeResult(
        probe=context.parent("targets").spec.plugins["probe"].name,
        targets=output.targets,
        classes=output.classes,
        held_out=work.held_out,
        n_speakers=len(set(table.speakers)),
        n_utterances=len(table),
        n_folds=len(folds.folds),
        sentence_disjoint=folds.sentence_disjoint,
        split_hash=split_hash(table.ids, folds.folds),
        warnings=[*folds.remarks, *output.warnings],
    )
    write_json(draft, RESULT, result)
    write_table(draft.path / PREDICTIONS, pa.concat_tables(output.tables))
    targets = {s.target for s in output.targets} | {s.target for s in output.classes}
    draft.counts |= {"utterances": len(table), "targets": len(targets), "folds": result.n_folds}


def _probed(context: StageContext, work: Work) -> ProbeOutput:
    key = context.spec.parents["targets"]
    if context.spec.params.get("task", Probe.task) == "classification":
        return probe_classes(work, read_classes(context.store, key))
    measured = read_targets(context.store, key)
    components = context.spec.params.get("components", Probe.components)
    if components is not None:
        measured = principal_components(measured, components)
    return probe_numbers(work, measured)
