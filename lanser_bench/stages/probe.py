"""Stage `probe`: how much of each measured target a frozen embedding holds.

Numbers are predicted by ridge regression, classes by logistic regression. Leaves `probe.json` (a
`ProbeResult`) and `predictions.parquet`, one row per utterance, target and scale. Only the
difference to the controls' predictions supports a claim (`reporting.probe_gaps`).
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, field_validator

from ..evaluation.folds import split_hash
from ..evaluation.predictions import PREDICTIONS, write_table
from ..evaluation.results import ProbeResult
from ..kinds.probe import Probe
from ..store import Draft, Spec, library_versions
from ..utterances import read_utterances
from ._embeddings import LayerChoice, read_layers
from ._probe_classes import probe_classes
from ._probe_numbers import principal_components, probe_numbers
from ._probe_work import Found, Scale, Work
from .base import StageContext
from .targets import read_classes, read_targets

VERSION = "4"
RESULT = "probe.json"


class Params(BaseModel):
    """Settings of the probe stage."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    folds: int = Field(default=5, ge=2)
    """Speaker folds (sentence folds of the probe `speaker`); fewer where there are fewer
    speakers."""
    sentence_folds: int = Field(default=3, ge=1)
    """Sentences are cut into so many groups (at most one per sentence), and an utterance is
    predicted from other speakers saying other sentences, where every utterance has a sentence_id;
    1 lets sentences cross."""
    inner_folds: int = Field(default=3, ge=2)
    """Speaker (or sentence) folds inside the training side that choose strength and layer; for
    numbers they keep sentences apart where the folds do."""
    strengths: tuple[float, ...] = Field(
        default=(1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0, 1000.0), min_length=1
    )
    """Penalties per row to choose from, for standardised embeddings: of the ridge regression, and
    of the logistic regression of classes, whose C is 1 / (rows · penalty)."""
    layers: LayerChoice = "all"
    """``all``, ``last`` or a list of names: layers to choose from."""
    scales: tuple[Scale, ...] = Field(default=("raw", "speaker"), min_length=1)
    """``raw``, and ``speaker``: embedding and target (where it is a number) z-scored within each
    speaker."""

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
    probe: Probe[Any] | None = None,
    threads: int = 1,
) -> Spec:
    """Builds the key content.

    Args:
        utterances: key of the utterances.
        embeddings: key of their embeddings.
        targets: key of what a probe measured on them.
        params: the settings.
        seed: decides folds and ties.
        probe: the probe, whose task and folds may differ from the usual.
        threads: CPU threads; more than one can move the floats of numpy's matrix products.
    """
    return Spec(
        stage="probe",
        stage_version=VERSION,
        params={
            **params.model_dump(mode="json"),
            **({} if probe is None else _declared(probe)),
            "libraries": library_versions(("numpy",)),
        },
        parents={"utterances": utterances, "embeddings": embeddings, "targets": targets},
        seed=seed,
        threads=threads,
    )


def _declared(probe: Probe[Any]) -> dict[str, Any]:
    """What a probe declares of itself, as far as it is not the usual."""
    usual = {"task": Probe.task, "held_out": Probe.held_out, "components": Probe.components}
    return {name: found for name, u in usual.items() if (found := getattr(probe, name)) != u}


def run(context: StageContext, draft: Draft) -> None:
    """Predicts all targets; every training is preceded by the leakage check."""
    settings = {n: v for n, v in context.spec.params.items() if n in Params.model_fields}
    params = Params.model_validate(settings)
    table = read_utterances(context.parent("utterances"))
    work = Work(
        table=table,
        layers=read_layers(context, params.layers, table.ids),
        held_out=context.spec.params.get("held_out", Probe.held_out),
        n_folds=params.folds,
        sentence_folds=params.sentence_folds,
        inner_folds=params.inner_folds,
        strengths=params.strengths,
        scales=params.scales,
        seed=context.spec.seed or 0,
        progress=lambda done, total: context.progress(done, total, "scales"),
    )
    found = _probed(context, work)
    result = ProbeResult(
        probe=context.parent("targets").spec.plugins["probe"].name,
        targets=found.targets,
        classes=found.classes,
        held_out=work.held_out,
        n_speakers=len(set(table.speakers)),
        n_utterances=len(table),
        n_folds=len(found.folds.folds),
        sentence_disjoint=found.folds.sentence_disjoint,
        split_hash=split_hash(table.ids, found.folds.folds),
        warnings=[*found.folds.remarks, *found.warnings],
    )
    (draft.path / RESULT).write_text(result.model_dump_json(indent=1) + "\n", encoding="utf-8")
    write_table(draft.path / PREDICTIONS, pa.concat_tables(found.tables))
    targets = {s.target for s in found.targets} | {s.target for s in found.classes}
    draft.counts |= {"utterances": len(table), "targets": len(targets), "folds": result.n_folds}


def _probed(context: StageContext, work: Work) -> Found:
    key = context.spec.parents["targets"]
    if context.spec.params.get("task", Probe.task) == "classification":
        return probe_classes(work, read_classes(context.store, key))
    measured = read_targets(context.store, key)
    components = context.spec.params.get("components", Probe.components)
    if components is not None:
        measured = principal_components(measured, components)
    return probe_numbers(work, measured)
