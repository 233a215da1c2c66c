"""The probe stage on targets that are classes: logistic regression out of fold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ...errors import DataError
from ...evaluation.classes import (
    ClassResult,
    PredictedClasses,
    chance,
    class_hits,
    class_statistics,
    cross_classify,
)
from ...evaluation.results import ClassScore, Metric
from ...evaluation.statistics import metric
from .folds import ProbeFolds
from .work import Found, Scale, Work

Ints = npt.NDArray[np.int64]


def probe_classes(work: Work, measured: Mapping[str, Sequence[str | None]]) -> Found:
    """Predicts every target on every scale.

    Args:
        work: embeddings and settings.
        measured: target → names of classes, None where undefined.

    Raises:
        DataError: no target has two classes, or there are no folds of the probe's sort.
    """
    found: Found | None = None
    warnings: list[str] = []
    for target, values in measured.items():
        names, labels, said = _usable(work, target, values)
        warnings += said
        if not names:
            continue
        folds = work.folds(labels)
        if found is None:
            found = Found(folds)
        for done, scale in enumerate(scales := _scales(work)):
            result = cross_classify(
                work.scaled(scale),
                labels,
                folds.units,
                folds.folds,
                strengths=work.strengths,
                inner_folds=work.inner_folds,
                seed=work.seed,
            )
            _add(found, work, folds, target, scale, names, labels, result)
            work.progress(done + 1, len(scales))
    if found is None:
        raise DataError(f"No target can be probed. {' '.join(warnings)}")
    found.warnings += warnings
    if tuple(_scales(work)) != tuple(work.scales):
        found.warnings.append(
            "Only the raw scale is measured: z-scored within speakers, nothing is left of who "
            "speaks."
        )
    return found


def _scales(work: Work) -> Sequence[Scale]:
    return ("raw",) if work.held_out == "sentences" else work.scales


def _usable(
    work: Work, target: str, values: Sequence[str | None]
) -> tuple[list[str], Ints, list[str]]:
    """Names of classes and their positions, −1 where undefined; classes of one unit are left out.

    A class that one speaker alone has (or, among known speakers, one sentence) is never both learnt
    and tested.
    """
    sentences = work.table.sentence_ids
    units: Sequence[str | None] = work.speakers
    if work.held_out == "sentences":
        units = work.table.ids if None in sentences else sentences
    own: dict[str, set[str | None]] = {}
    for name, unit in zip(values, units, strict=True):
        if name is not None:
            own.setdefault(name, set()).add(unit)
    names = sorted(name for name, those in own.items() if len(those) > 1)
    lost = sorted(own.keys() - set(names))
    said = []
    if lost:
        shown = ", ".join(lost[:5]) + (" …" if len(lost) > 5 else "")
        unit = "sentence" if work.held_out == "sentences" else "speaker"
        said.append(
            f"Target {target}: {len(lost)} classes of a single {unit} are left out: {shown}"
        )
    if len(names) < 2:
        said.append(f"Target {target} is left out: it has {len(names)} classes to tell apart.")
        names = []
    place = {name: i for i, name in enumerate(names)}
    labels = [-1 if name is None else place.get(name, -1) for name in values]
    return names, np.array(labels, np.int64), said


def _add(
    found: Found,
    work: Work,
    folds: ProbeFolds,
    target: str,
    scale: Scale,
    names: Sequence[str],
    labels: Ints,
    result: ClassResult,
) -> None:
    data = _predicted(work, folds, names, labels, result.predicted)
    hits = class_hits(data)
    scores = {name: metric(statistic) for name, statistic in class_statistics(hits).items()}
    alone: dict[str, Metric] = {}
    for layer, predicted in zip(work.layers, result.by_layer, strict=True):
        if len(work.layers) > 1:
            those = _predicted(work, folds, names, labels, predicted)
            alone[layer] = metric(class_statistics(class_hits(those))["uar"])
    found.classes.append(
        ClassScore(
            target=target,
            scale=scale,
            layer=result.layer,
            strength=result.strength,
            **scores,
            chance=chance(hits),
            n_classes=len({hit[2] for hit in hits}),
            n_strata=len({hit[1] for hit in hits}),
            n=len(data.ids),
            layers=alone,
        )
    )
    n = len(data.ids)
    columns = {"target": [target] * n, "scale": [scale] * n, "stratum": data.strata}
    found.tables.append(
        pa.table(
            {
                "id": data.ids,
                "speaker": data.speakers,
                **columns,
                "truth": data.truth,
                "predicted": data.predicted,
            }
        )
    )


def _predicted(
    work: Work, folds: ProbeFolds, names: Sequence[str], labels: Ints, predicted: Ints
) -> PredictedClasses:
    at = np.flatnonzero(predicted >= 0).tolist()
    speakers = work.speakers
    return PredictedClasses(
        [work.table.ids[p] for p in at],
        [speakers[p] for p in at],
        [folds.strata[p] for p in at],
        [names[labels[p]] for p in at],
        [names[predicted[p]] for p in at],
    )
