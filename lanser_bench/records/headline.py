"""The main numbers of a record: what trackers show as columns of their runs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from statistics import fmean
from typing import Any

from ..evaluation.results import Metric
from ..measurements import MEASUREMENTS
from ..measurements.base import Score
from .record import DatasetResult, ResultRecord
from .upgrades import upgraded

_ODD = re.compile(r"[^\w./-]+", re.ASCII)
"""What some trackers refuse in names of metrics."""


def headline(record: Mapping[str, Any]) -> dict[str, float]:
    """Returns the main numbers of a cell, about 40 for one labelled set.

    Args:
        record: a result record as plain JSON values, of any schema version.

    Returns:
        Name → number. Names have only letters, digits and ``_-./``; those of a labelled set begin
        with its name. ``NAME_low`` and ``NAME_high`` are the ends of the interval of ``NAME``.
    """
    cell = ResultRecord.model_validate(upgraded(dict(record)))
    times = Counter(result.dataset for result in cell.datasets)
    numbers: dict[str, float] = {}
    for place, result in enumerate(cell.datasets):
        name = result.dataset + (f".{place}" if times[result.dataset] > 1 else "")
        numbers |= {f"{name}/{key}": value for key, value in _of_dataset(result)}
    numbers |= dict(_of_corpora(cell))
    if cell.training is not None:
        numbers["training/chosen_epoch"] = cell.training.chosen_epoch
    distinct = {use.key: use.seconds for use in cell.stages.values() if use.seconds is not None}
    numbers["seconds"] = sum(distinct.values())
    return {metric_name(name): value for name, value in numbers.items()}


def metric_name(text: str) -> str:
    """Returns a text as a name that every tracker accepts."""
    return _ODD.sub("-", text)


def _of_dataset(result: DatasetResult) -> Iterator[tuple[str, float]]:
    evaluation = result.evaluation
    by_labels = sorted(evaluation.budgets, key=lambda budget: budget.n_labels)
    least, top = by_labels[0], by_labels[-1]
    yield from with_interval("uar", top.uar)
    yield "uar_above_majority", top.uar.value - evaluation.majority["uar"].value
    yield "wa", top.wa.value
    yield "macro_f1", top.macro_f1.value
    if least is not top:
        yield from with_interval("area", evaluation.area)
        yield "uar_fewest_labels", least.uar.value
    for measurement in MEASUREMENTS:
        for one in result.of(measurement):
            for column in measurement.columns:
                score = column.read(one)
                if score is not None:
                    yield from with_interval(column.name, score)
            yield from _means([*measurement.scores(one)])


def _means(scores: list[Score]) -> Iterator[tuple[str, float]]:
    """Yields the mean R² of a probe and scale, and the UAR of each target that is a class."""
    groups: dict[str, list[float]] = {}
    for score in scores:
        probe, _, target = score.name.partition(".")
        scale = target.rpartition("(")[2].rstrip(")")
        group = f"{probe}/r2_{scale}" if score.chance is None else f"{probe}/uar_{target}"
        groups.setdefault(group, []).append(score.metric.value)
    yield from ((name, fmean(values)) for name, values in groups.items())


def _of_corpora(cell: ResultRecord) -> Iterator[tuple[str, float]]:
    for place, labels in cell.labels.items():
        yield f"labels/{place}/coverage", labels.coverage
        if (gold := labels.against_gold) is not None:
            yield f"labels/{place}/uar", gold.uar.value
            if gold.kappa is not None:
                yield f"labels/{place}/kappa", gold.kappa
    for place, transcripts in cell.transcripts.items():
        if transcripts.wer is not None:
            yield f"transcripts/{place}/wer", transcripts.wer.wer


def with_interval(name: str, metric: Metric) -> Iterator[tuple[str, float]]:
    """Yields a score and the ends of its interval, if any, with their names."""
    yield name, metric.value
    if metric.interval is not None:
        yield f"{name}_low", metric.interval.low
        yield f"{name}_high", metric.interval.high
