"""Per-utterance predictions: their types, their files, and their scores over speakers.

Every result keeps its predictions, so a later comparison needs no rerun.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import DataError
from . import metrics
from .arrays import Floats, Ints
from .results import Metric
from .sheets import codes, fitting
from .statistics import Statistic, combine, flat, mean_of_ratios, metric, ratio, ratio_mean

PREDICTIONS = "predictions.parquet"
SUMS = ("explained", "spread", "n", "x", "y", "xx", "yy", "xy")
"""Columns of `speaker_sums`; x is the truth and y the prediction, both standardised by mean and
standard deviation of the truth."""


@dataclass(frozen=True)
class Classified:
    """Predicted labels of some utterances, one row per draw of the labelled subset."""

    ids: list[str]
    speakers: list[str]
    gold: Ints
    """Shape (n,)."""
    predicted: Ints
    """Shape (draws, n); −1 for no label, which is a miss."""
    n_labels: int


@dataclass(frozen=True)
class Predicted:
    """Predicted values of one target."""

    ids: list[str]
    speakers: list[str]
    truth: Floats
    predicted: Floats
    baseline: Floats
    """Mean of the training side of the fold that tested the utterance."""


Predictions = Classified | Predicted


def classification(data: Classified) -> dict[str, Statistic]:
    """Returns ``uar``, ``wa`` and ``macro_f1`` of the pooled test sides as sums over speakers.

    Speakers are in sorted order; draws are averaged.
    """
    speakers, unit = np.unique(data.speakers, return_inverse=True)
    draws, K = len(data.predicted), data.n_labels
    counts = np.zeros((len(speakers), draws, K, K + 1))  # −1 is the last column
    for draw, predicted in enumerate(data.predicted):
        np.add.at(counts[:, draw], (unit, data.gold, predicted), 1)
    of = tallies(counts)
    return {name: classification_score(of, name) for name in ("uar", "wa", "macro_f1")}


def uar_sums(data: Classified) -> tuple[list[str], Floats]:
    """Returns the sorted speakers and the sums of UAR, for `statistics.ratios_of`."""
    return sorted(set(data.speakers)), flat(classification(data)["uar"])


def tallies(counts: Floats) -> Floats:
    """Returns hits, gold and predicted labels, shape (3, speakers, draws, K).

    `counts` are by (speaker, draw, gold, predicted); columns after the K labels are of no label.
    """
    K = counts.shape[2]
    return np.stack([np.diagonal(counts, axis1=2, axis2=3), counts.sum(3), counts.sum(2)[..., :K]])


def tallied(table: pa.Table, n_labels: int) -> tuple[list[str], Floats]:
    """Returns budgets and their `tallies`, shape (3, budgets, speakers, draws, K), in one pass.

    `table` has rows (speaker, seed, budget, gold, predicted) of one labelled set with K labels;
    −1 is no label.
    """
    budgets, place = sorted_codes(table["budget"])
    speakers, speaker = sorted_codes(table["speaker"])
    seeds = table["seed"].to_numpy()
    draws = np.flatnonzero(np.bincount(seeds))
    shape = (len(budgets), len(speakers), len(draws), n_labels)
    cell = (place * shape[1] + speaker) * shape[2] + np.searchsorted(draws, seeds)
    gold, predicted = codes(table, "gold", n_labels), codes(table, "predicted", n_labels)
    labels = (np.where(gold == predicted, gold, -1), gold, predicted)
    sums = [
        np.bincount((cell * n_labels + label)[label >= 0], minlength=int(np.prod(shape)))
        for label in labels
    ]
    return budgets, np.stack(sums).reshape(3, *shape).astype(np.float64)


def by_budget(budgets: Sequence[str], sums: Floats) -> dict[str, Floats]:
    """Returns budget → `tallies` with its own draws, from `tallied`."""
    return {b: sums[:, i][:, :, sums[1, i].any((0, 2))] for i, b in enumerate(budgets)}


def classification_score(tallies: Floats, name: str) -> Statistic:
    """Returns ``uar``, ``wa`` or ``macro_f1`` of `tallies`."""
    hits, support, predicted = tallies
    n_speakers, draws, K = hits.shape
    hit, gold = hits.sum(1) / draws, support.sum(1) / draws
    if name == "uar":
        present = support.sum((0, 1)) > 0
        score = ratio_mean(hit, gold, present / present.sum())
    elif name == "wa":
        score = ratio(hit.sum(1), gold.sum(1))
    else:
        marked = (support + predicted).reshape(n_speakers, draws * K)
        shares = np.full(draws * K, 1 / (draws * K))
        score = ratio_mean(2 * hits.reshape(n_speakers, draws * K), marked, shares)
    return replace(score, bounds=(0.0, 1.0))


def area_score(tallies: Sequence[Floats], weights: Sequence[float]) -> Statistic:
    """Returns Σ weight · UAR of several budgets."""
    parts = []
    for hits, support, _ in tallies:
        present = support.any((0, 1))
        hit, gold = (of.sum(1) / hits.shape[1] for of in (hits, support))
        parts.append((hit * (present / present.sum()), gold))
    return replace(mean_of_ratios(parts, weights), bounds=(0.0, float(sum(weights))))


def regression(data: Predicted) -> dict[str, Statistic]:
    """Returns ``r2``, ``pearson`` and ``ccc`` of pooled predictions as sums over speakers."""
    return regression_from_sums(speaker_sums(data)[1])


def speaker_sums(data: Predicted) -> tuple[list[str], Floats]:
    """Returns the sorted speakers and their sums, shape (speakers, 8); see `SUMS`."""
    speakers, unit = np.unique(data.speakers, return_inverse=True)
    spread = np.square(data.truth - data.baseline)
    explained = spread - np.square(data.truth - data.predicted)
    # Standardised moments lose no digits.
    centre, scale = data.truth.mean(), data.truth.std() or 1.0
    x, y = (data.truth - centre) / scale, (data.predicted - centre) / scale
    columns = (explained, spread, np.ones_like(x), x, y, x * x, y * y, x * y)
    sums = np.zeros((len(speakers), len(SUMS)))
    np.add.at(sums, unit, np.stack(columns, axis=1))
    return [str(speaker) for speaker in speakers], sums


def regression_from_sums(sums: Floats) -> dict[str, Statistic]:
    """Returns the scores of `regression` from `speaker_sums`."""
    return {
        "r2": replace(ratio(sums[:, 0], sums[:, 1]), bounds=(-np.inf, 1.0)),
        "pearson": correlation(sums[:, 2:]),
        "ccc": concordance(sums[:, 2:]),
    }


def correlation(moments: Floats) -> Statistic:
    """Returns Pearson's r of sums over speakers of (1, x, y, x², y², x y), shape (speakers, 6)."""
    return _smooth(moments, _pearson)


def concordance(moments: Floats) -> Statistic:
    """Returns Lin's concordance correlation (1989, Biometrics 45) of sums as for `correlation`."""
    return _smooth(moments, _concordance)


def regression_metrics(data: Predicted) -> dict[str, Metric]:
    """Returns ``r2``, ``pearson`` and ``ccc`` with intervals; 0 if predictions are constant."""
    if metrics.is_constant(data.predicted):
        value = metrics.r_squared(data.truth, data.predicted, data.baseline)
        return {"r2": Metric(value=value), "pearson": Metric(value=0.0), "ccc": Metric(value=0.0)}
    return {name: metric(statistic) for name, statistic in regression(data).items()}


def paired_difference(a: Predictions, b: Predictions, score: str | None = None) -> Metric:
    """Returns the score of `a` minus that of `b` on the same utterances, paired by speaker.

    Utterances that only one of them has are ignored. `score` is ``uar`` (the default for labels),
    ``wa`` or ``macro_f1``; ``r2`` (the default for values), ``pearson`` or ``ccc``.

    Raises:
        DataError: they share no utterance, differ in gold, or one has labels and one has values.
    """
    return metric(difference_statistic(a, b, score))


def difference_statistic(a: Predictions, b: Predictions, score: str | None = None) -> Statistic:
    """Returns the statistic of `paired_difference`, for a `contrast.Side`."""
    shared = set(a.ids) & set(b.ids)
    if not shared:
        raise DataError("The two sets of predictions share no utterance: nothing to compare.")
    a, b = _aligned(a, shared), _aligned(b, shared)
    if isinstance(a, Classified) and isinstance(b, Classified):
        if not np.array_equal(a.gold, b.gold) or a.n_labels != b.n_labels:
            raise DataError("The two sets of predictions have different gold labels.")
        sides = [classification(side)[score or "uar"] for side in (a, b)]
    elif isinstance(a, Predicted) and isinstance(b, Predicted):
        if not np.allclose(a.truth, b.truth, rtol=1e-9, atol=1e-9):
            raise DataError("The two sets of predictions have different targets.")
        sides = [regression(side)[score or "r2"] for side in (a, b)]
    else:
        raise DataError("Predicted labels cannot be compared with predicted values.")
    return combine(sides, (1.0, -1.0))


def classified_rows(table: pa.Table, n_labels: int) -> Classified:
    """Returns the predictions of one budget from rows (id, speaker, seed, gold, predicted)."""
    ids, row = sorted_codes(table["id"])
    speakers, speaker = sorted_codes(table["speaker"])
    draw = np.unique(table["seed"].to_numpy(), return_inverse=True)[1]
    predicted = np.zeros((draw.max() + 1, len(ids)), np.int64)
    predicted[draw, row] = codes(table, "predicted", n_labels)
    gold, who = np.zeros(len(ids), np.int64), np.zeros(len(ids), np.int64)
    gold[row], who[row] = codes(table, "gold", n_labels), speaker
    return Classified(ids, [speakers[i] for i in who.tolist()], gold, predicted, n_labels)


def sorted_codes(column: pa.ChunkedArray) -> tuple[list[str], Ints]:
    """Returns a column's distinct strings, sorted, and each row's position among them.

    This is tens of times faster than `np.unique`, which compares the strings of all rows.
    """
    coded = column.combine_chunks().dictionary_encode()
    code, names = coded.indices.to_numpy(), coded.dictionary.to_pylist()
    # A filtered column still has the names of the rows that were removed.
    used = np.flatnonzero(np.bincount(code, minlength=len(names))).tolist()
    order = sorted(used, key=names.__getitem__)
    place = np.zeros(len(names), np.int64)
    place[order] = np.arange(len(order))
    return [names[i] for i in order], place[code]


WORD = pa.dictionary(pa.int32(), pa.string())
VECTORS = pa.list_(pa.float64())
PLACED = pa.schema(
    [("id", WORD), ("speaker", WORD), ("fold", pa.int16()), ("seed", pa.int16()), ("budget", WORD)]
)
"""Columns that place a prediction; the seed is the draw of the labelled subset."""


def vectors(rows: npt.NDArray[Any]) -> pa.Array:
    """Returns rows as lists of any length: labelled sets beside a record differ in columns."""
    ends = np.arange(len(rows) + 1, dtype=np.int32) * rows.shape[1]
    return pa.ListArray.from_arrays(pa.array(ends), pa.array(rows.ravel()))


def read_vectors(table: pa.Table, truth: str) -> tuple[list[str], Floats, Floats]:
    """Returns speakers, truth (n, K) and predictions (draws, n, K) of one budget.

    `table` has rows (speaker, seed, predicted) and a column `truth`; both are `vectors`. The order
    is that of the file: folds are tested in the same order in every draw.
    """
    seeds = table["seed"].to_numpy()
    order, draws = np.argsort(seeds, kind="stable"), len(np.unique(seeds))
    first = order[: len(order) // draws]

    def matrix(name: str) -> Floats:
        values = table[name].combine_chunks().flatten().to_numpy(zero_copy_only=False)
        return np.asarray(values.reshape(len(table), -1))

    with fitting(table):
        predicted = matrix("predicted")[order].reshape(draws, len(first), -1)
        return table["speaker"].take(pa.array(first)).to_pylist(), matrix(truth)[first], predicted


def read_predicted(path: Path, target: str, scale: str) -> Predicted:
    """Reads the predictions of `probe` for one target; a `DataError` if the file has none."""
    table = pq.read_table(path, filters=[("target", "==", target), ("scale", "==", scale)])
    if not len(table):
        raise DataError(f"{path} has no predictions of {target} on the scale '{scale}'.")
    columns = (table[name].to_numpy() for name in ("truth", "predicted", "baseline"))
    return Predicted(table["id"].to_pylist(), table["speaker"].to_pylist(), *columns)


def write_table(path: Path, table: pa.Table) -> None:
    """Writes compressed predictions."""
    pq.write_table(table, path, compression="zstd")


def _aligned(data: Predictions, shared: set[str]) -> Predictions:
    """Returns the shared utterances in the order of their ids."""
    places = {name: i for i, name in enumerate(data.ids)}
    order = [places[name] for name in sorted(shared)]

    def picked(column: Any) -> Any:
        return [column[i] for i in order] if isinstance(column, list) else column[..., order]

    columns = {name: picked(value) for name, value in vars(data).items() if name != "n_labels"}
    return replace(data, **columns)


def _smooth(moments: Floats, function: Callable[[Floats], tuple[Floats, Floats]]) -> Statistic:
    return Statistic(
        moments, lambda t: function(t)[0], lambda t: function(t)[1], transform="fisher"
    )


def _central(totals: Floats) -> tuple[Floats, ...]:
    n, sx, sy, sxx, syy, sxy = (totals[..., i] for i in range(6))
    return n, sx, sy, sxx - sx * sx / n, syy - sy * sy / n, sxy - sx * sy / n


def _pearson(totals: Floats) -> tuple[Floats, Floats]:
    """Pearson r = C / √(V U) with C, V, U the centred sums; gradient by the chain rule."""
    n, sx, sy, v, u, c = _central(totals)
    v, u = np.maximum(v, 1e-12), np.maximum(u, 1e-12)
    root = np.sqrt(v * u)
    r = c / root
    return r, _chain(n, sx, sy, -0.5 * r / v, -0.5 * r / u, 1 / root)


def _concordance(totals: Floats) -> tuple[Floats, Floats]:
    """Concordance 2 C / (V + U + D), D = (Σx − Σy)² / n."""
    n, sx, sy, v, u, c = _central(totals)
    gap = sx - sy
    bottom = np.maximum(v + u + gap * gap / n, 1e-12)
    value = 2 * c / bottom
    gradient = _chain(n, sx, sy, -value / bottom, -value / bottom, 2 / bottom)
    gradient[..., 0] += value / bottom * gap * gap / (n * n)
    gradient[..., 1] -= value / bottom * 2 * gap / n
    gradient[..., 2] += value / bottom * 2 * gap / n
    return value, gradient


def _chain(n: Floats, sx: Floats, sy: Floats, dv: Floats, du: Floats, dc: Floats) -> Floats:
    """Gradient in (n, Σx, Σy, Σx², Σy², Σxy) from that in the centred sums V, U, C."""
    dn = (dv * sx * sx + du * sy * sy + dc * sx * sy) / (n * n)
    dx = -(2 * dv * sx + dc * sy) / n
    dy = -(2 * du * sy + dc * sx) / n
    return np.stack([dn, dx, dy, dv, du, dc], axis=-1)
