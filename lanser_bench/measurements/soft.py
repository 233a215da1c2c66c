"""Soft labels: heads that learn the votes of annotators, and how well they predict them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from ..evaluation.calibration import calibration_error
from ..evaluation.contrast import averaged
from ..evaluation.predictions import PLACED, VECTORS, WORD
from ..evaluation.results import Metric
from ..evaluation.soft import statistics
from ..evaluation.soft_results import SoftResult, SoftScores
from ..evaluation.statistics import flat
from ..numbers import decimal
from ..stages import soft
from .base import (
    WHOLE,
    Column,
    Keys,
    Measurement,
    ReportPlot,
    ReportTable,
    Section,
    SpeakerSums,
    Target,
)

_BRIER = (0.0, 2.0)


def _plan(on: Target) -> Keys:
    settings = on.settings
    if settings.soft is None or on.gold is None:
        return {}
    key = on.stage(
        soft.spec,
        f"votes on {on.name} from {on.identity.name}",
        settings.threads.evaluate,
        f"soft {on.place}",
        evaluation=on.evaluation,
        params=settings.soft,
    )
    return {"soft": key}


def _column(name: str, head: str, field: str, **about: Any) -> Column[SoftResult]:
    """Returns the column of a score; it can be compared at every label budget."""

    def sums(result: SoftResult, table: pa.Table) -> dict[str, SpeakerSums]:
        found: dict[str, SpeakerSums] = {}
        for budget, data in soft.read_distributions(table).items():
            statistic = statistics(data, result.n_bins)[field]
            own = statistic.sums if statistic.ratios is None else flat(statistic)
            found[budget] = sorted(set(data.speakers)), own
        return {WHOLE: found[result.largest.budget], **found}

    return Column(
        name,
        head,
        lambda result: getattr(result.largest, field),
        sums=sums,
        budgets=lambda result: {one.budget: getattr(one, field) for one in result.budgets},
        **about,
    )


def _numbers(result: SoftResult) -> Iterator[tuple[str, Metric]]:
    for budget in result.budgets:
        for score in SoftScores.model_fields:
            yield f"votes {budget.budget} {score}", getattr(budget, score)


def _recomputed(result: SoftResult, table: pa.Table) -> Iterator[tuple[str, float, float]]:
    written: dict[str, dict[str, SoftScores]]
    written = {soft.VOTES: {one.budget: one for one in result.budgets}}
    if result.from_majority is not None:
        written[soft.MAJORITY] = {result.largest.budget: result.from_majority}
    for head, scores in written.items():
        read = soft.read_distributions(table, head)
        for budget, of in scores.items():
            for name, found in statistics(read[budget], result.n_bins).items():
                value = float(found.value(found.sums.sum(0)))
                yield f"{name} of {head} at {budget}", getattr(of, name).value, value


def _lines(results: Sequence[SoftResult]) -> Iterator[tuple[str | Metric, ...]]:
    """Yields a line per budget, then the head trained on majorities, mean votes and annotators."""
    for budgets in zip(*(result.budgets for result in results), strict=True):
        yield f"votes, {budgets[0].budget}", *_cells(budgets)
    if hard := [r.from_majority for r in results if r.from_majority is not None]:
        yield f"majority label, {results[0].largest.budget}", *_cells(hard)
    yield "mean votes", *_cells([r.mean_votes for r in results])
    people = results[0].ceiling
    if people is not None:
        yield "one annotator", *_distances(people.one_jsd, people.one_brier), "", "", ""
        halves = _distances(people.halves_jsd, people.halves_brier)
        yield "half of the annotators", *halves, "", people.halves_set_f1, ""


def _cells(scores: Sequence[SoftScores]) -> tuple[str | Metric, ...]:
    jsd = averaged([one.jsd for one in scores])
    return (
        *_distances(jsd, averaged([one.brier for one in scores], _BRIER)),
        averaged([one.ece for one in scores]),
        averaged([one.set_f1 for one in scores]),
        averaged([one.uar for one in scores]),
    )


def _distances(*metrics: Metric) -> Iterator[str]:
    """Yields decimals: papers do not give distances in percent."""
    return (decimal(one, digits=3) for one in metrics)


SOFT = Measurement(
    name="soft",
    file=soft.RESULT,
    result=SoftResult,
    plan=_plan,
    section=Section(
        "soft",
        soft.Params,
        "If set (``soft: {}`` for defaults), heads also learn the distribution of the annotators' "
        "votes and are scored against it. A single human label counts as all votes for it.",
        in_recipe=False,
    ),
    columns=(
        _column("soft_jsd", "JSD", "jsd", points=False, lower_is_better=True),
        _column("soft_brier", "Brier", "brier", bounds=_BRIER, points=False, lower_is_better=True),
        _column("soft_ece", "ECE", "ece", score=calibration_error, lower_is_better=True),
        _column("soft_f1", "top-set F1", "set_f1"),
    ),
    numbers=_numbers,
    recomputed=_recomputed,
    kept=pa.schema([*PLACED, ("head", WORD), ("votes", VECTORS), ("predicted", VECTORS)]),
    report=ReportTable(
        order=5,
        anchor="votes",
        title="Votes of annotators",
        note="Heads trained on the distribution of the votes, on held-out speakers. JSD "
        "(Jensen–Shannon divergence, bits) and Brier: distance to the votes, lower is better. "
        "ECE: distance of confidence from the share of votes, in points. Top-set F1: macro-F1 of "
        "the labels with more than 1/K of the votes. UAR: of the predicted label, where one label "
        "has most votes. Annotators: one against the others, and a random half against the other.",
        heads=("trained on", "JSD", "Brier", "ECE", "top-set F1", "UAR"),
        lines=_lines,
        plot=ReportPlot(
            title="Reliability",
            x="confidence in the predicted label, %",
            y="share of votes for it, %",
            points=lambda result: [(one.confidence, one.share) for one in result.reliability],
        ),
    ),
)
