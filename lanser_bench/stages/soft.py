"""Stage `soft`: heads that learn the votes of annotators, and how well they predict them.

Encoder, folds, budgets and choices are those of the evaluation, over all utterances with votes. The
regression minimises the cross-entropy to the votes, without class weights, which would distort
probabilities. Writes `soft.json` (a `SoftResult`) and `predictions.parquet`, one row per utterance,
budget and draw with the votes and the predicted distribution; ``head`` is ``votes``, or
``majority`` for the head trained on the label with most votes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from ..evaluation import efficiency, soft
from ..evaluation.arrays import Floats
from ..evaluation.budgets import Budget
from ..evaluation.calibration import BINS
from ..evaluation.folds import split_hash
from ..evaluation.predictions import PREDICTIONS, read_vectors, vectors, write_table
from ..evaluation.soft_results import SoftBudget, SoftResult
from ..store import Draft, Spec
from .base import StageContext, StageParams, write_json
from .evaluate import spec as evaluate
from .evaluate.run import design_of, layers_of, prediction_columns
from .task import Task, prepared

VERSION = "2"
RESULT = "soft.json"
VOTES, MAJORITY = "votes", "majority"
COUNT = "votes"
"""Extra of an utterance with the number of votes behind its gold distribution."""


class Params(StageParams):
    """How calibration is measured."""

    bins: int = Field(default=BINS, ge=2, le=100)
    """Bins of the expected calibration error, with equally many predictions each."""


def spec(*, evaluation: Spec, params: Params) -> Spec:
    """Builds the key content. `evaluation` is what `evaluate.spec` returned for the embeddings."""
    unused = ("class_weight", "targets", "votes")
    own = {name: value for name, value in evaluation.params.items() if name not in unused}
    return evaluation.model_copy(
        update={
            "stage": "soft",
            "stage_version": f"{VERSION}.{evaluate.VERSION}",
            "params": {**own, **params.model_dump(mode="json")},
        }
    )


def run(context: StageContext, draft: Draft) -> None:
    """Evaluates; the leakage check runs before every training."""
    params, bins = evaluate.Params.of(context.spec), Params.of(context.spec).bins
    task = prepared(context, votes=True)
    names: list[str] = context.spec.params["labels"]
    votes = task.table.votes(names)[np.ix_(task.kept, [names.index(n) for n in task.labels])]
    design = replace(design_of(params, context.spec.seed), balanced=False)
    layers = layers_of(context, task.data)
    study = efficiency.run_study(
        task.data,
        layers,
        task.folds,
        design,
        lambda done, total: context.progress(done, total, "fits"),
        votes,
    )
    result, tables = _result(task, votes, study, bins), [_table(study, votes, VOTES)]
    if result.n_split:
        last = replace(design, budgets=[study.largest])
        leaders = soft.leaders(votes)
        hard = efficiency.run_study(task.data, layers, task.folds, last, votes=leaders)
        scores = soft.soft_scores(soft.distributions(hard, votes, last.budgets[0]), bins)
        result = result.model_copy(update={"from_majority": scores})
        tables.append(_table(hard, votes, MAJORITY))
    write_json(draft, RESULT, result)
    write_table(draft.path / PREDICTIONS, pa.concat_tables(tables))
    draft.counts |= {"utterances": result.n_utterances, "left_out": result.n_left_out}


def _result(task: Task, votes: Floats, study: efficiency.Study, bins: int) -> SoftResult:
    def budget(one: Budget) -> SoftBudget:
        scores = soft.soft_scores(soft.distributions(study, votes, one), bins)
        n_labels = float(np.mean([cell.n_train for cell in study.of(one)]))
        return SoftBudget(budget=one.name, n_labels=n_labels, **dict(scores))

    largest = soft.distributions(study, votes, study.largest)
    counted = [task.table.extras[p].get(COUNT) for p in task.kept]
    totals = np.array([c if isinstance(c, int | float) else np.nan for c in counted], np.float64)
    return SoftResult(
        labels=task.labels,
        n_utterances=len(task.kept),
        n_left_out=len(task.table) - len(task.kept),
        n_split=int(((votes > 0).sum(1) > 1).sum()),
        n_tied=int((soft.leaders(votes) < 1).all(1).sum()),
        n_speakers=len(set(task.data.speakers)),
        n_bins=bins,
        split_hash=split_hash(task.data.ids, task.folds),
        budgets=[budget(one) for one in study.design.budgets],
        mean_votes=soft.soft_scores(soft.mean_votes(study, votes), bins),
        reliability=soft.reliability_of(largest, bins),
        ceiling=soft.ceiling(votes, totals, task.data.speakers),
        control="permuted gold" if study.design.permute_gold else None,
        warnings=[*task.warnings, *efficiency.default_warnings(study)],
    )


def _table(study: efficiency.Study, votes: Floats, head: str) -> pa.Table:
    """Columns id, speaker, fold, seed, budget, head, votes, predicted."""
    at, columns = prediction_columns(study)
    predicted = np.concatenate([cell.answer.predicted for cell in study.cells])
    heads = pa.array([head]).take(pa.array(np.zeros(len(at), np.int32)))
    return pa.table(
        {
            **columns,
            "head": heads.dictionary_encode(),
            "votes": vectors(votes[at]),
            "predicted": vectors(predicted.astype(np.float32)),
        }
    )


def read_distributions(table: pa.Table, head: str = VOTES) -> Mapping[str, soft.Distributions]:
    """Returns budget → the predictions of a head, from `predictions.parquet`."""
    own = table.filter(pc.equal(table["head"], head))
    found = {}
    for budget in own["budget"].unique().to_pylist():
        rows = own.filter(pc.equal(own["budget"], budget))
        found[budget] = soft.Distributions.of(*read_vectors(rows, "votes"))
    return found
