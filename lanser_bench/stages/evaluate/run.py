"""Stage `evaluate`: how well emotion is recognised from frozen embeddings with few human labels.

Writes `evaluation.json` (an `EvaluationResult`) and `predictions.parquet`, one row per utterance,
budget and draw.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ...evaluation import efficiency
from ...evaluation.arrays import Ints
from ...evaluation.budgets import parse_budget
from ...evaluation.folds import split_hash
from ...evaluation.metrics import with_misses
from ...evaluation.predictions import PREDICTIONS, classification, write_table
from ...evaluation.results import EvaluationResult
from ...evaluation.statistics import metric
from ...store import Draft
from ..base import StageContext, write_json
from ..embed.corrections import read_layers, speaker_normalised
from ..task import Task, prepared
from .spec import RESULT, Params


def layers_of(
    context: StageContext, data: efficiency.Labelled, role: str = "embeddings"
) -> dict[str, npt.NDArray[np.floating]]:
    """Returns layer → embeddings of the labelled utterances, normalised as the settings ask.

    `role` is the role of the embeddings among the stage's parents.
    """
    params = Params.of(context.spec)
    layers = read_layers(context, params.layers, data.ids, role)
    if params.normalise == "speaker":
        return {name: speaker_normalised(v, data.speakers) for name, v in layers.items()}
    return dict(layers)


def run(context: StageContext, draft: Draft) -> None:
    """Evaluates; the leakage check runs before every training."""
    params, task = Params.of(context.spec), prepared(context)
    study = efficiency.run_study(
        task.data,
        layers_of(context, task.data),
        task.folds,
        design_of(params, context.spec.seed),
        lambda done, total: context.progress(done, total, "fits"),
    )
    write_study(draft, study, task, params, efficiency.default_warnings(study))


def write_study(
    draft: Draft,
    study: efficiency.Study,
    task: Task,
    params: Params,
    warnings: Sequence[str],
    method: Literal["linear", "finetune", "external"] = "linear",
) -> None:
    """Writes `RESULT` and `PREDICTIONS` of a finished study."""
    budgets = efficiency.budget_results(study)
    area, axis = efficiency.area(study)
    predictions = study.classified(study.largest)
    confusion = with_misses(predictions.gold, predictions.predicted[0], len(task.labels))
    majority = classification(study.majority())
    result = EvaluationResult(
        protocol=params.protocol,
        method=method,
        labels=task.labels,
        n_utterances=len(study.data.ids),
        n_left_out=len(task.table) - len(task.kept),
        n_speakers=len(set(study.data.speakers)),
        n_folds=len(study.folds),
        n_draws=params.seeds,
        split_hash=split_hash(study.data.ids, study.folds),
        budgets=budgets,
        area=area,
        area_axis=axis,
        labels_needed=efficiency.needed(budgets, params.targets),
        majority={name: metric(statistic) for name, statistic in majority.items()},
        confusion=confusion[:, :-1].tolist(),
        control="permuted gold" if params.permute_gold else None,
        warnings=[*task.warnings, *warnings],
    )
    write_json(draft, RESULT, result)
    write_table(draft.path / PREDICTIONS, _table(study))
    draft.counts |= {
        "utterances": result.n_utterances,
        "left_out": result.n_left_out,
        "speakers": result.n_speakers,
        "fits": len(study.cells),
    }


def design_of(params: Params, seed: int | None) -> efficiency.Design:
    """Returns the design of a study: fractions by size, then numbers per class by size."""
    budgets = map(parse_budget, params.budgets)
    return efficiency.Design(
        budgets=sorted(budgets, key=lambda b: (b.per_class or 0, b.fraction or 0.0)),
        draws=params.seeds,
        strengths=params.strengths,
        inner_folds=params.inner_folds,
        balanced=params.class_weight == "balanced",
        permute_gold=params.permute_gold,
        seed=seed or 0,
    )


def _table(study: efficiency.Study) -> pa.Table:
    """Columns id, speaker, fold, seed, budget, gold, predicted."""
    at, columns = prediction_columns(study)
    predicted = np.concatenate([cell.answer.predicted for cell in study.cells])
    columns["gold"] = pa.array(study.data.labels[at].astype(np.int16))
    columns["predicted"] = pa.array(predicted.astype(np.int16))
    return pa.table(columns)


def prediction_columns(study: efficiency.Study) -> tuple[Ints, dict[str, pa.Array]]:
    """Returns the position of each prediction's utterance, and columns that place the rows.

    The columns are id, speaker, fold, seed (number of the draw) and budget.
    """
    tests = [study.folds[cell.fold].test for cell in study.cells]
    sizes = [len(test) for test in tests]
    at = np.concatenate(tests)

    def repeated(values: Sequence[object]) -> pa.Array:
        indices = pa.array(np.repeat(np.arange(len(values)), sizes).astype(np.int32))
        return pa.array(values).take(indices)

    return at, {
        "id": pa.array([study.data.ids[p] for p in at]).dictionary_encode(),
        "speaker": pa.array([study.data.speakers[p] for p in at]).dictionary_encode(),
        "fold": repeated([cell.fold for cell in study.cells]).cast(pa.int16()),
        "seed": repeated([cell.draw for cell in study.cells]).cast(pa.int16()),
        "budget": repeated([cell.budget.name for cell in study.cells]).dictionary_encode(),
    }
