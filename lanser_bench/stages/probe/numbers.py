"""The probe stage on targets that are numbers: ridge regression out of fold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ...errors import DataError
from ...evaluation.predictions import Predicted, regression_metrics
from ...evaluation.results import Metric, TargetScore
from ...evaluation.ridge import RidgeResult, cross_predict
from .folds import ProbeFolds
from .work import Found, Scale, Work

MIN_PER_SPEAKER = 3
"""A speaker with fewer defined values has no scale of its own."""

Floats = npt.NDArray[np.float64]


def probe_numbers(work: Work, measured: Mapping[str, Floats]) -> Found:
    """Predicts all targets on every scale.

    Args:
        work: embeddings and settings.
        measured: target → values, shape (utterances,), NaN where undefined.

    Raises:
        DataError: no target can be predicted, or there are no folds.
    """
    folds = work.folds()
    kept, warnings = _usable(measured)
    found = Found(folds, warnings=warnings)
    for done, scale in enumerate(work.scales):
        _score(found, work, folds, kept, scale)
        lost = sorted(kept.keys() - {s.target for s in found.targets if s.scale == scale})
        if lost:
            warnings.append(
                f"On the scale '{scale}' nothing can be predicted of {', '.join(lost)}: too few "
                "values of one speaker, or of the training side."
            )
        work.progress(done + 1, len(work.scales))
    return found


def principal_components(measured: Mapping[str, Floats], components: int) -> dict[str, Floats]:
    """Returns principal components of a vector, over the utterances where all of it is defined.

    Signs are such that the largest loading is positive. There are no more than the values' rank.

    Raises:
        DataError: nothing is defined on two utterances.
    """
    values = np.stack(list(measured.values()), axis=1)
    defined = ~np.isnan(values).any(1)
    if defined.sum() < 2:
        raise DataError(
            f"What is to be probed is defined on {defined.sum()} of {len(values)} utterances, so "
            "it has no principal components. A probe of words needs transcripts in the manifest."
        )
    centred = values[defined] - values[defined].mean(0)
    left, size, loadings = np.linalg.svd(centred, full_matrices=False)
    k = min(components, int((size > 1e-9 * max(float(size[0]), 1e-300)).sum()))
    sign = np.sign(loadings[np.arange(len(loadings)), np.abs(loadings).argmax(1)])
    found = np.full((len(values), max(k, 1)), np.nan)
    found[defined] = (left * size * sign)[:, : max(k, 1)]
    stem = next(iter(measured)).rpartition("_")[0]
    return {f"{stem}_pc_{i + 1:02d}": column for i, column in enumerate(found.T)}


def _usable(measured: Mapping[str, Floats]) -> tuple[dict[str, Floats], list[str]]:
    """Leaves out targets that are constant or hardly defined, and says so.

    Raises:
        DataError: no target is left.
    """
    kept, warnings = {}, []
    for name, values in measured.items():
        defined = values[~np.isnan(values)]
        if len(defined) < 10 or np.ptp(defined) <= 1e-9 * max(1e-300, float(np.abs(defined).max())):
            why = "constant" if len(defined) >= 10 else f"defined for {len(defined)} utterances"
            warnings.append(f"Target {name} is left out: it is {why}.")
        else:
            kept[name] = values
    if not kept:
        raise DataError(f"No target can be probed. {' '.join(warnings)}")
    return kept, warnings


def _score(
    found: Found, work: Work, folds: ProbeFolds, measured: Mapping[str, Floats], scale: Scale
) -> None:
    ids, speakers = work.table.ids, work.speakers
    targets = np.stack(list(measured.values()), axis=1)
    if scale == "speaker":
        targets = within_speakers(targets, speakers)
    apart = folds.sentence_disjoint
    result = cross_predict(
        work.scaled(scale),
        targets,
        speakers,
        folds.folds,
        strengths=work.strengths,
        inner_folds=work.inner_folds,
        seed=work.seed,
        sentences=[str(sentence) for sentence in work.table.sentence_ids] if apart else None,
    )
    for column, name in enumerate(measured):
        data = _predicted(result, result.predicted, targets, column, ids, speakers)
        if len(data.ids) < 2:
            continue
        alone: dict[str, Metric] = {}
        for layer, predicted in zip(work.layers, result.by_layer, strict=True):
            if len(work.layers) > 1:
                those = _predicted(result, predicted, targets, column, ids, speakers)
                alone[layer] = regression_metrics(those)["r2"]
        found.targets.append(
            TargetScore(
                target=name,
                scale=scale,
                layer=result.layers[column],
                strength=result.strengths[column],
                n=len(data.ids),
                layers=alone,
                **regression_metrics(data),
            )
        )
        found.tables.append(_table(data, name, scale))


def within_speakers(targets: Floats, speakers: Sequence[str]) -> Floats:
    """Z-scores each target within each speaker, NaN kept; NaN for a speaker with too few values."""
    unit = np.unique(speakers, return_inverse=True)[1]
    result = np.full(targets.shape, np.nan)
    for index in range(unit.max() + 1):
        for column in range(targets.shape[1]):
            rows = np.flatnonzero((unit == index) & ~np.isnan(targets[:, column]))
            values = targets[rows, column]
            if len(values) >= MIN_PER_SPEAKER and np.ptp(values) > 1e-12:
                result[rows, column] = (values - values.mean()) / values.std()
    return result


def _predicted(
    found: RidgeResult,
    predicted: Floats,
    targets: Floats,
    column: int,
    ids: Sequence[str],
    speakers: Sequence[str],
) -> Predicted:
    at = np.flatnonzero(~np.isnan(predicted[:, column])).tolist()
    return Predicted(
        [ids[p] for p in at],
        [speakers[p] for p in at],
        targets[at, column],
        predicted[at, column],
        found.baseline[at, column],
    )


def _table(data: Predicted, target: str, scale: Scale) -> pa.Table:
    n = len(data.ids)
    return pa.table(
        {
            "id": pa.array(data.ids),
            "speaker": pa.array(data.speakers),
            "target": pa.array([target] * n),
            "scale": pa.array([scale] * n),
            "truth": pa.array(data.truth),
            "predicted": pa.array(data.predicted),
            "baseline": pa.array(data.baseline),
        }
    )
