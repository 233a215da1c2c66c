"""Stage `dimensions`: how well ratings of arousal, valence … are predicted from embeddings.

Encoder, protocol, budgets and draws are those of the evaluation, over all utterances with a rating,
so folds may differ; ridge regression replaces the classifier. Writes `dimensions.json` (a
`DimensionsResult`) and `predictions.parquet`, one row per utterance, budget and draw, with the
ratings and the predictions in the order of the result's `scales`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from ..data.utterances import UtteranceTable
from ..errors import DataError
from ..evaluation import dimensions, efficiency
from ..evaluation.arrays import Floats
from ..evaluation.curves import area_axis
from ..evaluation.dimension_results import DimensionBudget, DimensionScores, DimensionsResult
from ..evaluation.folds import split_hash
from ..evaluation.predictions import PREDICTIONS, read_vectors, vectors, write_table
from ..store import Draft, Spec
from .base import StageContext, StageParams, write_json
from .evaluate import spec as evaluate
from .evaluate.run import design_of, layers_of, prediction_columns
from .task import Task, labelled_data, prepared, rating

Scales = Mapping[str, tuple[float, float]]
"""Dimension → ends of its scale."""
VERSION = "1"
RESULT = "dimensions.json"


class Params(StageParams):
    """Regression of ratings."""

    penalties: tuple[Annotated[float, Field(gt=0)], ...] = Field(
        default=(1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0, 1000.0), min_length=1
    )
    """Penalties per row of the ridge regression to choose from, for standardised embeddings."""


def spec(*, evaluation: Spec, scales: Scales, params: Params) -> Spec:
    """Builds the key content.

    `evaluation` is what `evaluate.spec` returned for the embeddings; `scales` maps the predicted
    dimensions to the ends of their scales.
    """
    unused = ("class_weight", "targets", "votes", "labels", "strengths", "halves")
    own = {name: value for name, value in evaluation.params.items() if name not in unused}
    declared = {name: list(ends) for name, ends in scales.items()}
    return evaluation.model_copy(
        update={
            "stage": "dimensions",
            "stage_version": f"{VERSION}.{evaluate.VERSION}",
            "params": {**own, **params.model_dump(mode="json"), "scales": declared},
        }
    )


def run(context: StageContext, draft: Draft) -> None:
    """Evaluates; the leakage check runs before every training."""
    given = context.spec.params
    scales: Scales = {name: (low, high) for name, (low, high) in given["scales"].items()}
    params = evaluate.Params.model_validate(
        {name: value for name, value in given.items() if name in evaluate.Params.model_fields}
    )
    design = replace(design_of(params, context.spec.seed), strengths=sorted(given["penalties"]))
    task = prepared(context, labelling=lambda table: rated_rows(table, scales))
    ratings = ratings_of(task.table, scales)[task.kept]
    study = dimensions.run_ratings(
        task.data,
        ratings,
        np.array([(low + high) / 2 for low, high in scales.values()]),
        layers_of(context, task.data),
        task.folds,
        design,
        lambda done, total: context.progress(done, total, "fits"),
    )
    result = _result(task, ratings, study, scales)
    write_json(draft, RESULT, result)
    at, columns = prediction_columns(study)
    predicted = np.concatenate([cell.answer.predicted for cell in study.cells])
    columns |= {"truth": vectors(ratings[at]), "predicted": vectors(predicted)}
    write_table(draft.path / PREDICTIONS, pa.table(columns))
    draft.counts |= {"utterances": result.n_utterances, "left_out": result.n_left_out}


def rated_rows(
    table: UtteranceTable, scales: Scales
) -> tuple[list[int], efficiency.Labelled, list[str]]:
    """Returns positions, data and strata of the utterances with a rating.

    Raises:
        DataError: a dimension has fewer than 2 different ratings or one outside its scale, or an
            utterance has no speaker.
    """
    ratings = ratings_of(table, scales)
    for (name, (low, high)), values in zip(scales.items(), ratings.T, strict=True):
        odd = np.flatnonzero((values < low) | (values > high))
        if len(odd):
            raise DataError(
                f"Utterance '{table.ids[odd[0]]}' has the {name} {values[odd[0]]:g}, outside the "
                f"scale from {low:g} to {high:g} ({len(odd)} of {len(table)} utterances). Correct "
                "the data, or the scale in the dataset's option `dimensions`."
            )
        if len(np.unique(values[~np.isnan(values)])) < 2:
            raise DataError(
                f"Evaluation needs different ratings of {name}; {(~np.isnan(values)).sum()} of "
                f"{len(table)} utterances are rated, all alike. Check the column '{name}'."
            )
    rows = np.flatnonzero((~np.isnan(ratings)).any(1)).tolist()
    strata = dimensions.strata(ratings[rows])
    names = [f"stratum {k}" for k in range(int(strata.max()) + 1)]
    return rows, labelled_data(table, rows, strata, len(names)), names


def ratings_of(table: UtteranceTable, scales: Scales) -> Floats:
    """Returns the ratings, shape (utterances, dimensions); NaN if missing."""
    rows = [[rating(extras.get(name)) for name in scales] for extras in table.extras]
    return np.array(rows, np.float64).reshape(len(table), len(scales))


def _result(
    task: Task, ratings: Floats, study: efficiency.Study, scales: Scales
) -> DimensionsResult:
    names, budgets = list(scales), study.design.budgets
    found = {one.name: dimensions.rated(study, ratings, one) for one in budgets}
    labels = {one.name: float(np.mean([c.n_train for c in study.of(one)])) for one in budgets}
    last = max(budgets, key=lambda one: labels[one.name])
    fractions = {one.name: one.fraction for one in budgets}
    under = dimensions.curve_parts(fractions, found, last.name)
    chosen = [cell.answer.layer.split(",") for cell in study.of(last)]
    every = range(len(names))

    def scored(data: dimensions.Rated) -> dict[str, DimensionScores]:
        return {name: dimensions.dimension_scores(data, k) for k, name in enumerate(names)}

    return DimensionsResult(
        scales=dict(scales),
        rated=dict(zip(names, (~np.isnan(ratings)).sum(0).tolist(), strict=True)),
        n_utterances=len(task.kept),
        n_left_out=len(task.table) - len(task.kept),
        n_speakers=len(set(task.data.speakers)),
        n_folds=len(study.folds),
        split_hash=split_hash(task.data.ids, study.folds),
        budgets=[
            DimensionBudget(
                budget=one.name,
                fraction=one.fraction,
                n_labels=labels[one.name],
                ccc=dimensions.ccc([(found[one.name], 1.0)], every),
                scores=scored(found[one.name]),
            )
            for one in budgets
        ],
        area=dimensions.ccc(under, every),
        areas={name: dimensions.ccc(under, [k]) for k, name in enumerate(names)},
        area_axis=area_axis([share for share in fractions.values() if share is not None]),
        mean=scored(dimensions.mean_ratings(study, ratings)),
        layers={
            name: Counter(pick[k] for pick in chosen).most_common(1)[0][0]
            for k, name in enumerate(names)
        },
        control="permuted gold" if study.design.permute_gold else None,
        warnings=[*task.warnings, *(f"Ratings: {w}" for w in efficiency.default_warnings(study))],
    )


def read_rated(table: pa.Table) -> dict[str, dimensions.Rated]:
    """Returns budget → the predictions, from `predictions.parquet`."""
    return {
        budget: dimensions.Rated(
            *read_vectors(table.filter(pc.equal(table["budget"], budget)), "truth")
        )
        for budget in table["budget"].unique().to_pylist()
    }
