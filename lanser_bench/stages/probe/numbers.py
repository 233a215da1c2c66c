"""The probe stage on targets that are numbers: ridge regression out of fold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from ...errors import DataError
from ...evaluation.predictions import Predicted, regression_metrics
from ...evaluation.results import TargetScore
from ...evaluation.ridge import cross_predict
from .spec import Scale
from .work import ProbeOutput, Work

MIN_PER_SPEAKER = 3
"""A speaker with fewer defined values is not z-scored: the values become NaN."""

Floats = npt.NDArray[np.float64]


def probe_numbers(work: Work, measured: Mapping[str, Floats]) -> ProbeOutput:
    """Predicts all targets on every scale; `measured` has shape (utterances,), NaN where undefined.

    Raises:
        DataError: no target can be predicted, or no folds can be made.
    """
    output = ProbeOutput(work.folds())
    kept = _usable(measured, output.warnings)
    scales = work.params.scales
    for done, scale in enumerate(scales, 1):
        _score(output, work, kept, scale)
        lost = sorted(kept.keys() - {s.target for s in output.targets if s.scale == scale})
        if lost:
            output.warnings.append(
                f"On the scale '{scale}' nothing can be predicted of {', '.join(lost)}: too few "
                "values per speaker, or on the training side."
            )
        work.progress(done, len(scales))
    return output


def principal_components(measured: Mapping[str, Floats], components: int) -> dict[str, Floats]:
    """Returns principal components of a vector, over the utterances where all of it is defined.

    Signs make the largest loading positive. There are at most as many as the values' rank.

    Raises:
        DataError: fewer than two utterances have all values.
    """
    values = np.stack(list(measured.values()), axis=1)
    defined = ~np.isnan(values).any(1)
    if defined.sum() < 2:
        raise DataError(
            f"The probe's vector is defined on {defined.sum()} of {len(values)} utterances, so it "
            "has no principal components. A probe of words needs transcripts in the manifest."
        )
    centred = values[defined] - values[defined].mean(0)
    left, size, loadings = np.linalg.svd(centred, full_matrices=False)
    k = min(components, int((size > 1e-9 * max(float(size[0]), 1e-300)).sum()))
    sign = np.sign(loadings[np.arange(len(loadings)), np.abs(loadings).argmax(1)])
    scores = np.full((len(values), max(k, 1)), np.nan)
    scores[defined] = (left * size * sign)[:, : max(k, 1)]
    stem = next(iter(measured)).rpartition("_")[0]
    return {f"{stem}_pc_{i + 1:02d}": column for i, column in enumerate(scores.T)}


def _usable(measured: Mapping[str, Floats], warnings: list[str]) -> dict[str, Floats]:
    """Leaves out targets that are constant or rarely defined, with a warning for each.

    Raises:
        DataError: no target is left.
    """
    kept = {}
    for name, values in measured.items():
        defined = values[~np.isnan(values)]
        if len(defined) < 10:
            why = f"defined for {len(defined)} utterances"
        elif np.ptp(defined) <= 1e-9 * max(1e-300, float(np.abs(defined).max())):
            why = "constant"
        else:
            kept[name] = values
            continue
        warnings.append(f"Target {name} is left out: it is {why}.")
    if not kept:
        raise DataError(f"No target can be probed. {' '.join(warnings)}")
    return kept


def _score(output: ProbeOutput, work: Work, measured: Mapping[str, Floats], scale: Scale) -> None:
    ids, speakers = work.table.ids, work.speakers
    targets = np.stack(list(measured.values()), axis=1)
    if scale == "speaker":
        targets = within_speakers(targets, speakers)
    apart = output.folds.sentence_disjoint
    result = cross_predict(
        work.scaled(scale),
        targets,
        speakers,
        output.folds.folds,
        strengths=work.params.strengths,
        inner_folds=work.params.inner_folds,
        seed=work.seed,
        sentences=[str(sentence) for sentence in work.table.sentence_ids] if apart else None,
    )

    def column_of(predicted: Floats, column: int) -> Predicted:
        at = np.flatnonzero(~np.isnan(predicted[:, column])).tolist()
        return Predicted(
            ids=[ids[p] for p in at],
            speakers=[speakers[p] for p in at],
            truth=targets[at, column],
            predicted=predicted[at, column],
            baseline=result.baseline[at, column],
        )

    for i, name in enumerate(measured):
        data = column_of(result.predicted, i)
        if len(data.ids) < 2:
            continue
        by_layer = [column_of(predicted, i) for predicted in result.by_layer]
        score = TargetScore(
            target=name,
            scale=scale,
            layer=result.layers[i],
            strength=result.strengths[i],
            n=len(data.ids),
            layers=work.layer_scores(by_layer, lambda own: regression_metrics(own)["r2"]),
            **regression_metrics(data),
        )
        output.targets.append(score)
        columns = {"truth": data.truth, "predicted": data.predicted, "baseline": data.baseline}
        output.add_predictions(name, scale, data, **columns)


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
