"""Dimensions of emotion: ratings of arousal, valence, dominance … predicted from embeddings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa

from ..evaluation import dimensions as study
from ..evaluation.contrast import averaged
from ..evaluation.dimension_results import DimensionScores, DimensionsResult
from ..evaluation.predictions import PLACED, VECTORS
from ..evaluation.results import Metric
from ..numbers import decimal
from ..stages import dimensions
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

CUSTOMARY = ("arousal", "valence", "dominance")
"""Dimensions that have their own column; others are in the record and the report."""
_CCC = (-1.0, 1.0)


def _plan(on: Target) -> Keys:
    settings, scales = on.settings, on.card.dimensions
    if not scales:
        return {}
    key = on.stage(
        dimensions.spec,
        f"{', '.join(scales)} on {on.name} from {on.identity.name}",
        settings.threads.evaluate,
        f"dimensions {on.place}",
        evaluation=on.evaluation,
        scales=scales,
        params=settings.dimensions,
    )
    return {"dimensions": key}


def _column(name: str, head: str, dimension: str | None = None) -> Column[DimensionsResult]:
    """Returns the column of a dimension's CCC, or of the mean over all."""

    def at(result: DimensionsResult) -> Mapping[str, Metric]:
        if dimension is None:
            return {one.budget: one.ccc for one in result.budgets}
        if dimension not in result.scales:
            return {}
        return {one.budget: one.scores[dimension].ccc for one in result.budgets}

    def sums(result: DimensionsResult, table: pa.Table) -> Mapping[str, SpeakerSums]:
        wanted = _positions(result, dimension)
        if not wanted:
            return {}
        found = {
            budget: _sums([(rated, 1.0)], wanted)
            for budget, rated in dimensions.read_rated(table).items()
        }
        return {WHOLE: found[result.largest.budget], **found}

    return Column(
        name,
        head,
        lambda result: at(result).get(result.largest.budget),
        _CCC,
        points=False,
        sums=sums,
        score=study.mean_ccc,
        budgets=at,
    )


def _positions(result: DimensionsResult, dimension: str | None) -> list[int]:
    return [k for k, name in enumerate(result.scales) if dimension in (None, name)]


def _sums(parts: Sequence[tuple[study.Rated, float]], wanted: Sequence[int]) -> SpeakerSums:
    return sorted(set(parts[0][0].speakers)), study.blocks(parts, wanted)


def _area_sums(result: DimensionsResult, table: pa.Table) -> Mapping[str, SpeakerSums]:
    fractions = {one.budget: one.fraction for one in result.budgets}
    found = dimensions.read_rated(table)
    under = study.curve_parts(fractions, found, result.largest.budget)
    return {WHOLE: _sums(under, _positions(result, None))}


def _numbers(result: DimensionsResult) -> Iterator[tuple[str, Metric]]:
    for budget in result.budgets:
        yield f"ccc {budget.budget}", budget.ccc
        for name, scores in budget.scores.items():
            for score in DimensionScores.model_fields:
                yield f"{name} {score} {budget.budget}", getattr(scores, score)
    yield "ccc area", result.area


def _recomputed(result: DimensionsResult, table: pa.Table) -> Iterator[tuple[str, float, float]]:
    found = dimensions.read_rated(table)
    for budget in result.budgets:
        for position, (name, written) in enumerate(budget.scores.items()):
            again = study.dimension_scores(found[budget.budget], position)
            for score in DimensionScores.model_fields:
                where = f"{score} of {name} at {budget.budget}"
                yield where, getattr(written, score).value, getattr(again, score).value


def _lines(results: Sequence[DimensionsResult]) -> Iterator[tuple[str | Metric, ...]]:
    """Yields a line per dimension: scores at the largest budget, area, and of the mean rating."""
    for name, (low, high) in results[0].scales.items():
        scores = [result.largest.scores[name] for result in results]
        yield (
            f"{name}, {low:g} to {high:g}",
            decimal(averaged([one.ccc for one in scores], _CCC)),
            decimal(averaged([one.pearson for one in scores], _CCC)),
            decimal(averaged([one.rmse for one in scores], (0.0, float("inf")))),
            decimal(averaged([result.areas[name] for result in results], _CCC)),
            decimal(averaged([result.mean[name].ccc for result in results], _CCC)),
        )


DIMENSIONS = Measurement(
    name="dimensions",
    file=dimensions.RESULT,
    result=DimensionsResult,
    plan=_plan,
    section=Section(
        "dimensions",
        dimensions.Params,
        "Ridge regression on the ratings of targets whose dataset declares dimensions, such as "
        "arousal and valence.",
        optional=False,
        in_recipe=False,
    ),
    columns=(
        _column("ccc", "CCC"),
        *(_column(f"ccc_{name}", f"CCC {name}", name) for name in CUSTOMARY),
        Column(
            "ccc_area",
            "CCC area",
            lambda result: result.area,
            _CCC,
            points=False,
            sums=_area_sums,
            score=study.mean_ccc,
        ),
    ),
    numbers=_numbers,
    recomputed=_recomputed,
    kept=pa.schema([*PLACED, ("truth", VECTORS), ("predicted", VECTORS)]),
    notes=lambda result: result.warnings,
    report=ReportTable(
        order=7,
        anchor="dimensions",
        title="Dimensions of emotion",
        note="Ratings predicted by ridge regression on held-out speakers. CCC: Lin's concordance "
        "correlation, which is lowered by wrong means and spreads; r: Pearson correlation; RMSE in "
        "units of the scale. Area: under the CCC over the label budgets. Mean rating: CCC of the "
        "training side's mean as prediction. The curve is the mean CCC × 100 over dimensions.",
        heads=("dimension", "CCC", "r", "RMSE", "area", "mean rating"),
        lines=_lines,
        curve=ReportCurve(
            "Mean CCC × 100",
            lambda result: [(one.fraction, one.n_labels, one.ccc) for one in result.budgets],
        ),
    ),
)
