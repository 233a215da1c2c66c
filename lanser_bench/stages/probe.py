"""Stage `probe`: how much of each measured target a frozen embedding holds.

Leaves `probe.json` (a `ProbeResult`) and `predictions.parquet`, one row per utterance, target and
scale. Only the difference to the controls' predictions supports a claim (`paired_difference`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, field_validator

from ..errors import DataError
from ..evaluation.folds import Fold, group_speakers, make_folds, split_hash
from ..evaluation.leakage import Side, check_leakage
from ..evaluation.predictions import PREDICTIONS, Predicted, regression_metrics, write_table
from ..evaluation.results import ProbeResult, TargetScore
from ..evaluation.ridge import RidgeResult, cross_predict
from ..store import Draft, Spec, library_versions
from ..utterances import UtteranceTable, read_utterances
from ._embeddings import LayerChoice, read_layers, speaker_normalised
from .base import StageContext
from .targets import read_targets

VERSION = "2"
RESULT = "probe.json"
MIN_PER_SPEAKER = 3
"""A speaker with fewer defined values has no scale of its own."""

Floats = npt.NDArray[np.float64]
Scale = Literal["raw", "speaker"]


class Params(BaseModel):
    """Settings of the probe stage."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    folds: int = Field(default=5, ge=2)
    """Speaker folds; fewer where there are fewer speakers."""
    sentence_folds: int = Field(default=3, ge=1)
    """Sentences are cut into so many groups (at most one per sentence), and an utterance is
    predicted from other speakers saying other sentences, where every utterance has a sentence_id;
    1 lets sentences cross."""
    inner_folds: int = Field(default=3, ge=2)
    """Speaker folds inside the training side that choose strength and layer."""
    strengths: tuple[float, ...] = Field(
        default=(1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0, 1000.0), min_length=1
    )
    """Ridge penalties per row to choose from, for standardised embeddings."""
    layers: LayerChoice = "all"
    """``all``, ``last`` or a list of names: layers to choose from."""
    scales: tuple[Scale, ...] = Field(default=("raw", "speaker"), min_length=1)
    """``raw``, and ``speaker``: target and embedding z-scored within each speaker."""

    @field_validator("strengths")
    @classmethod
    def _positive(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        if min(values) <= 0:
            raise ValueError("strengths must be positive")
        return tuple(sorted(values))


def spec(
    *,
    utterances: str,
    embeddings: str,
    targets: str,
    params: Params,
    seed: int,
    threads: int = 1,
) -> Spec:
    """Builds the key content.

    Args:
        utterances: key of the utterances.
        embeddings: key of their embeddings.
        targets: key of what a probe measured on them.
        params: the settings.
        seed: decides folds and ties.
        threads: CPU threads; more than one can move the floats of numpy's matrix products.
    """
    return Spec(
        stage="probe",
        stage_version=VERSION,
        params={**params.model_dump(mode="json"), "libraries": library_versions(("numpy",))},
        parents={"utterances": utterances, "embeddings": embeddings, "targets": targets},
        seed=seed,
        threads=threads,
    )


def run(context: StageContext, draft: Draft) -> None:
    """Predicts all targets; every training is preceded by the leakage check."""
    settings = {n: v for n, v in context.spec.params.items() if n in Params.model_fields}
    params = Params.model_validate(settings)
    seed = context.spec.seed or 0
    table = read_utterances(context.parent("utterances"))
    folds, disjoint = probe_folds(table, params, seed)
    for number, fold in enumerate(folds):
        sides = Side(table, fold.train.tolist()), Side(table, fold.test.tolist())
        check_leakage(sides[0], sides[1], f"fold {number}")
    measured = read_targets(context.store, context.spec.parents["targets"])
    kept, warnings = _usable(measured)
    layers = read_layers(context, params.layers, table.ids)
    speakers = [str(speaker) for speaker in table.speakers]
    scores: list[TargetScore] = []
    tables: list[pa.Table] = []
    for done, scale in enumerate(params.scales):
        found, columns = _scored(layers, kept, table.ids, speakers, folds, params, seed, scale)
        scores += found
        tables += columns
        lost = sorted(kept.keys() - {score.target for score in found})
        if lost:
            warnings.append(
                f"On the scale '{scale}' nothing can be predicted of {', '.join(lost)}: too few "
                "values of one speaker, or of the training side."
            )
        context.progress(done + 1, len(params.scales), "scales")
    result = ProbeResult(
        probe=context.parent("targets").spec.plugins["probe"].name,
        targets=scores,
        n_speakers=len(set(speakers)),
        n_utterances=len(table),
        n_folds=len(folds),
        sentence_disjoint=disjoint,
        split_hash=split_hash(table.ids, folds),
        warnings=warnings,
    )
    (draft.path / RESULT).write_text(result.model_dump_json(indent=1) + "\n", encoding="utf-8")
    write_table(draft.path / PREDICTIONS, pa.concat_tables(tables))
    draft.counts |= {"utterances": len(table), "targets": len(kept), "folds": len(folds)}


def probe_folds(table: UtteranceTable, params: Params, seed: int) -> tuple[list[Fold], bool]:
    """Returns speaker-disjoint folds and whether their sentences are disjoint too.

    Where sentences cross, each pair of a speaker group and a sentence group is a fold: tested on
    both, trained on what shares neither.

    Raises:
        DataError: utterances without a speaker, or a single speaker.
    """
    n_speakers = len({speaker for speaker in table.speakers if speaker is not None})
    same = np.zeros(len(table), np.int64)
    folds = make_folds(
        "k-speaker-folds",
        ids=table.ids,
        speakers=table.speakers,
        labels=same,
        seed=seed,
        k=max(1, min(params.folds, n_speakers)),
    )
    sentences = table.sentence_ids
    distinct = len(set(sentences))
    if None in sentences or distinct < 2 or params.sentence_folds < 2:
        return folds, False
    if not any({sentences[p] for p in f.train} & {sentences[p] for p in f.test} for f in folds):
        return folds, True
    group = group_speakers(sentences, same, min(params.sentence_folds, distinct), seed)
    crossed = [
        Fold(fold.train[group[fold.train] != g], fold.test[group[fold.test] == g], fold.dev)
        for fold in folds
        for g in range(int(group.max()) + 1)
    ]
    usable = [fold for fold in crossed if len(fold.test)]
    # Some corpora give each speaker sentences of his own: then nothing is left to learn from.
    if any(len(fold.train) < 2 for fold in usable):
        return folds, False
    return usable, True


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


def _scored(
    layers: Mapping[str, npt.NDArray[np.floating]],
    measured: Mapping[str, Floats],
    ids: Sequence[str],
    speakers: Sequence[str],
    folds: Sequence[Fold],
    params: Params,
    seed: int,
    scale: Scale,
) -> tuple[list[TargetScore], list[pa.Table]]:
    targets = np.stack(list(measured.values()), axis=1)
    if scale == "speaker":
        layers = {name: speaker_normalised(values, speakers) for name, values in layers.items()}
        targets = within_speakers(targets, speakers)
    found = cross_predict(
        layers, targets, speakers, folds,
        strengths=params.strengths, inner_folds=params.inner_folds, seed=seed,
    )  # fmt: skip
    scores, tables = [], []
    for column, name in enumerate(measured):
        data = _predicted(found, targets, column, ids, speakers)
        if len(data.ids) < 2:
            continue
        scores.append(
            TargetScore(
                target=name,
                scale=scale,
                layer=found.layers[column],
                strength=found.strengths[column],
                n=len(data.ids),
                **regression_metrics(data),
            )
        )
        tables.append(_table(data, name, scale))
    return scores, tables


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
    targets: Floats,
    column: int,
    ids: Sequence[str],
    speakers: Sequence[str],
) -> Predicted:
    at = np.flatnonzero(~np.isnan(found.predicted[:, column])).tolist()
    return Predicted(
        [ids[p] for p in at],
        [speakers[p] for p in at],
        targets[at, column],
        found.predicted[at, column],
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
