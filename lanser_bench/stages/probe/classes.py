"""The probe stage on targets that are classes: logistic regression out of fold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...errors import DataError
from ...evaluation.classes import (
    PredictedClasses,
    chance,
    class_hits,
    class_statistics,
    cross_classify,
)
from ...evaluation.results import ClassScore
from ...evaluation.statistics import metric
from .folds import ProbeFolds
from .spec import Scale
from .work import ProbeOutput, Work

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class _Target:
    """A target that can be probed."""

    name: str
    classes: list[str]
    labels: Ints
    """Positions in `classes`, shape (utterances,); −1 where undefined."""
    folds: ProbeFolds


def probe_classes(work: Work, measured: Mapping[str, Sequence[str | None]]) -> ProbeOutput:
    """Predicts every target on every scale; `measured` has None where undefined.

    Raises:
        DataError: no target has two classes, or the probe's kind of folds cannot be made.
    """
    output: ProbeOutput | None = None
    warnings: list[str] = []
    scales: Sequence[Scale] = ("raw",) if work.held_out == "sentences" else work.params.scales
    for name, values in measured.items():
        classes, labels = _usable(work, name, values, warnings)
        if not classes:
            continue
        target = _Target(name, classes, labels, work.folds(labels))
        if output is None:
            output = ProbeOutput(target.folds)
        for done, scale in enumerate(scales, 1):
            _score(output, work, target, scale)
            work.progress(done, len(scales))
    if output is None:
        raise DataError(f"No target can be probed. {' '.join(warnings)}")
    if scales != work.params.scales:
        warnings.append(
            "Only the raw scale is measured: z-scoring within speakers removes speaker identity."
        )
    output.warnings += warnings
    return output


def _usable(
    work: Work, target: str, values: Sequence[str | None], warnings: list[str]
) -> tuple[list[str], Ints]:
    """Returns class names and their positions, −1 where undefined; adds to `warnings`.

    Leaves out classes of a single speaker (or, among known speakers, of a single sentence): they
    cannot be both learnt and tested. Returns no names if fewer than two classes remain.
    """
    unit, units = "speaker", work.speakers
    if work.held_out == "sentences":
        sentences = [s for s in work.table.sentence_ids if s is not None]
        unit, units = "sentence", sentences if len(sentences) == len(values) else work.table.ids
    units_of: dict[str, set[str]] = {}
    for name, own in zip(values, units, strict=True):
        if name is not None:
            units_of.setdefault(name, set()).add(own)
    names = sorted(name for name, own in units_of.items() if len(own) > 1)
    lost = sorted(units_of.keys() - set(names))
    if lost:
        shown = ", ".join(lost[:5]) + (" …" if len(lost) > 5 else "")
        warnings.append(
            f"Target {target}: {len(lost)} classes of a single {unit} are left out: {shown}"
        )
    if len(names) < 2:
        warnings.append(f"Target {target} is left out: it has {len(names)} usable classes.")
        names = []
    place = {name: i for i, name in enumerate(names)}
    labels = [-1 if name is None else place.get(name, -1) for name in values]
    return names, np.array(labels, np.int64)


def _score(output: ProbeOutput, work: Work, target: _Target, scale: Scale) -> None:
    result = cross_classify(
        work.scaled(scale),
        target.labels,
        target.folds.units,
        target.folds.folds,
        strengths=work.params.strengths,
        inner_folds=work.params.inner_folds,
        seed=work.seed,
    )
    data = _predicted(work, target, result.predicted)
    hits = class_hits(data)
    scores = {name: metric(statistic) for name, statistic in class_statistics(hits).items()}
    layers = work.layer_scores(
        result.by_layer,
        lambda p: metric(class_statistics(class_hits(_predicted(work, target, p)))["uar"]),
    )
    output.classes.append(
        ClassScore(
            target=target.name,
            scale=scale,
            layer=result.layer,
            strength=result.strength,
            **scores,
            chance=chance(hits),
            n_classes=len({hit[2] for hit in hits}),
            n_strata=len({hit[1] for hit in hits}),
            n=len(data.ids),
            layers=layers,
        )
    )
    columns = {"stratum": data.strata, "truth": data.truth, "predicted": data.predicted}
    output.add_predictions(target.name, scale, data, **columns)


def _predicted(work: Work, target: _Target, predicted: Ints) -> PredictedClasses:
    at = np.flatnonzero(predicted >= 0).tolist()
    speakers = work.speakers
    return PredictedClasses(
        ids=[work.table.ids[p] for p in at],
        speakers=[speakers[p] for p in at],
        strata=[target.folds.strata[p] for p in at],
        truth=[target.classes[target.labels[p]] for p in at],
        predicted=[target.classes[predicted[p]] for p in at],
    )
