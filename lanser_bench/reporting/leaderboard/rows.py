"""Rows of boards: the mean scores of a cell over its seeds, with intervals."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ...evaluation.contrast import averaged, score_of
from ...evaluation.families import MetricName
from ...evaluation.results import EvaluationResult, Metric
from ...measurements import MEASUREMENTS
from ...measurements.base import Score
from ...records.names import METHOD, Names
from ...records.record import DatasetResult, ResultRecord
from ..groups import Group
from .ranking import Standing


@dataclass(frozen=True)
class CurvePoint:
    """One label budget of a row's curve."""

    budget: str
    fraction: float | None
    n_labels: float
    uar: Metric


@dataclass(frozen=True)
class Gap:
    """Difference between a row and the best control at a probe target."""

    difference: Metric
    """Of R², or of UAR for classes; paired by speaker if both have sums."""
    control: str
    """In plain words."""


@dataclass(frozen=True)
class Row:
    """One encoder with one training recipe: the mean over its pre-training seeds."""

    experiment: str
    name: str
    """Of its group of records."""
    title: str
    """Its name among the rows of its board."""
    shown: dict[str, str]
    """Axis that varies among them → short text of its value; without axes that it does not have."""
    role: str
    control: str | None
    asr: str | None
    labeler: str | None
    taxonomy: str | None
    encoder: str
    axes: dict[str, str]
    n_seeds: int
    drawn: bool
    """Whether its training draws from a seed."""
    uar: Metric
    area: Metric
    wa: Metric
    macro_f1: Metric
    r2: Metric | None
    """Mean R² over the targets of the first regression probe, raw scale; None without a probe.

    Other probes measure other things, such as the words, so they are not averaged with it."""
    targets: dict[str, Metric]
    """``probe.target (scale)`` → R², or UAR where the target is in `chance`."""
    curve: list[CurvePoint]
    more: dict[str, Metric | None] = field(default_factory=dict, metadata={"inline": True})
    """Column of a measurement (`measurements.COLUMNS`) → score; None where a seed has none."""
    standing: Standing | None = None
    """Its rank among the main rows and its difference to the best; None for a control, or if a row
    of the board has no predictions."""
    chance: dict[str, float] = field(default_factory=dict)
    """Targets that are classes → UAR of guessing."""
    needed: dict[str, str] = field(default_factory=dict)
    """``labels to 50`` → number of labels at which UAR reaches 50 %, the median over seeds, or
    ``> 600``; one for each of `evaluate.targets`."""
    target: int = 0
    """Position of the labelled set in its records."""
    gaps: dict[str, Gap] = field(default_factory=dict)
    """Target → difference to its best control, if computed by `probe_gaps.with_gaps`."""

    def score(self, name: str) -> Metric | None:
        """Returns a score by its name, also that of a measurement."""
        score: Metric | None = self.more[name] if name in self.more else getattr(self, name, None)
        return score


Member = tuple[Path | None, ResultRecord, int]
"""Path of a record, the record, and the position of a labelled set in it."""


def row_of(
    members: Sequence[Member], exact: Group | None, names: Names, *, curves: bool, targets: bool
) -> Row:
    """Returns the row of a cell from a record per seed.

    `exact` are the same records, if their predictions can be used; else their scores are averaged.
    `curves` and `targets` say whether curve points and probe targets get intervals.
    """
    record, target = members[0][1], members[0][2]
    results = [record.datasets[place] for _, record, place in members]
    evaluations = [result.evaluation for result in results]

    def score(name: MetricName) -> Metric:
        if exact is not None:
            return exact.score(name)
        return averaged([getattr(e if name == "area" else e.largest, name) for e in evaluations])

    probed = _targets(results, exact, targets)
    chance = {s.name: s.chance for s in _scores(results) if s.chance is not None}
    first = next(iter(regression_probes(probed, chance)), "")
    own = {name: m for name, m in probed.items() if name.startswith(f"{first}.")}
    raw = [m for name, m in own.items() if name.endswith("(raw)") and name not in chance]
    uar = score("uar")
    return Row(
        **{
            name: getattr(record, name)
            for name in ("experiment", "role", "control", "axes", *METHOD)
        },
        name=record.group,
        title=names.name(record),
        shown=names.values(record),
        n_seeds=len(members),
        drawn=any(record.seed is not None for _, record, _ in members),
        uar=uar,
        area=score("area"),
        wa=score("wa"),
        macro_f1=score("macro_f1"),
        # Without an interval, because targets of one embedding are correlated.
        r2=_mean(raw) if raw else None,
        targets=probed,
        chance=chance,
        needed=_needed(evaluations),
        curve=_curve(evaluations, exact, {evaluations[0].largest.budget: uar}, curves),
        more=_more(results),
        target=target,
    )


def regression_probes(targets: Iterable[str], chance: Container[str]) -> list[str]:
    """Returns the names of probes whose targets are numbers, in the experiment's order.

    Targets are named ``probe.target (scale)``; those in `chance` are classes.
    """
    numbers = (name.partition(".")[0] for name in targets if name not in chance)
    return list(dict.fromkeys(numbers))


def _more(results: Sequence[DatasetResult]) -> dict[str, Metric | None]:
    """Returns the columns of measurements: means over seeds, if all of them have the score."""
    means: dict[str, Metric | None] = {}
    for measurement in MEASUREMENTS:
        for column in measurement.columns:
            scores = [score for r in results for score in map(column.read, r.of(measurement))]
            known = [score for score in scores if score is not None]
            whole = known and len(known) == len(results)
            means[column.name] = averaged(known, column.bounds) if whole else None
    return means


def _curve(
    evaluations: Sequence[EvaluationResult],
    exact: Group | None,
    known: Mapping[str, Metric],
    intervals: bool,
) -> list[CurvePoint]:
    found = []
    for budget in evaluations[0].budgets:
        same = [b for e in evaluations for b in e.budgets if b.budget == budget.budget]
        if budget.budget in known:
            uar = known[budget.budget]
        elif not intervals:
            uar = _mean([b.uar for b in same])
        else:
            uar = exact.score("uar", budget.budget) if exact else averaged([b.uar for b in same])
        n_labels = float(np.mean([b.n_labels for b in same]))
        found.append(CurvePoint(budget.budget, budget.fraction, n_labels, uar))
    return found


def _needed(evaluations: Sequence[EvaluationResult]) -> dict[str, str]:
    found = {}
    for same in zip(*(evaluation.labels_needed for evaluation in evaluations), strict=False):
        labels = [np.inf if one.n_labels is None else one.n_labels for one in same]
        middle, most = float(np.median(labels)), max(one.censored_at or 0.0 for one in same)
        text = f"{middle:.0f}" if np.isfinite(middle) else f"> {most:.0f}"
        found[f"labels to {100 * same[0].target:g}"] = text
    return found


def _targets(
    results: Sequence[DatasetResult], exact: Group | None, intervals: bool
) -> dict[str, Metric]:
    found: dict[str, list[Score]] = {}
    for score in _scores(results):
        found.setdefault(score.name, []).append(score)
    scores = {name: [score.metric for score in of] for name, of in found.items()}
    if not intervals:
        return {name: _mean(metrics) for name, metrics in scores.items()}
    r2, share = (-np.inf, 1.0), (0.0, 1.0)
    sides = exact.probes() if exact is not None else {}
    return {
        name: score_of(sides[name])
        if name in sides
        else averaged(metrics, r2 if found[name][0].chance is None else share)
        for name, metrics in scores.items()
    }


def _scores(results: Sequence[DatasetResult]) -> Iterator[Score]:
    for result in results:
        for measurement in MEASUREMENTS:
            for one in result.of(measurement):
                yield from measurement.scores(one)


def _mean(metrics: Sequence[Metric]) -> Metric:
    return Metric(value=float(np.mean([m.value for m in metrics])))
