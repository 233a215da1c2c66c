"""Stage `evaluate`: how well few human labels on frozen embeddings recognise emotion.

Leaves `evaluation.json` (an `EvaluationResult`) and `predictions.parquet`, one row per utterance,
budget and draw.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, field_validator

from ..errors import SettingsError, did_you_mean
from ..evaluation import efficiency
from ..evaluation.budgets import Budget, checked_budgets, parse_budget
from ..evaluation.folds import PROTOCOLS, Protocol, split_hash
from ..evaluation.metrics import confusion_matrix
from ..evaluation.predictions import PREDICTIONS, classification, write_table
from ..evaluation.results import EvaluationResult
from ..evaluation.statistics import metric
from ..store import Draft, Spec, library_versions
from ..taxonomy import Taxonomy
from ._embeddings import LayerChoice, read_layers, speaker_normalised
from .base import StageContext
from .task import Task, prepared

VERSION = "2"
RESULT = "evaluation.json"


class Params(BaseModel):
    """Settings of the evaluation."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    protocol: str = "k-speaker-folds"
    """``k-speaker-folds``, ``leave-one-speaker-out``, ``leave-one-session-out``, ``split`` (the
    manifest's own), or an official protocol of the dataset, such as ``tfds-crema-d``."""
    folds: int = Field(default=5, ge=2)
    """Number of folds of ``k-speaker-folds``."""
    budgets: tuple[float | str, ...] = Field(
        default=(0.01, 0.05, 0.1, 0.3, 0.5, 0.7, 1.0), min_length=1
    )
    """Label budgets: fractions of the training side, and ``"k=5"`` for so many per class."""
    seeds: int = Field(default=3, ge=1, le=1000)
    """How many subsets are drawn per fold and budget."""
    strengths: tuple[float, ...] = Field(default=(1e-4, 1e-3, 1e-2, 1e-1, 1.0), min_length=1)
    """Inverse regularisation strengths C to choose from, scikit-learn's meaning, for standardised
    embeddings."""
    layers: LayerChoice = "all"
    """``all``, ``last`` or a list of names: layers to choose from inside the budget."""
    normalise: Literal["none", "speaker"] = "none"
    """``speaker``: embeddings are z-scored within each speaker, test speakers too."""
    inner_folds: int = Field(default=3, ge=2)
    """Speaker folds inside the budget that choose strength and layer."""
    class_weight: Literal["balanced", "none"] = "balanced"
    """``balanced``: classes weigh the same in the regression, as they do in UAR."""
    permute_gold: bool = False
    """Control: permutes the training labels within each training speaker. Must give chance."""
    targets: tuple[float, ...] = ()
    """UARs, fixed beforehand, for which the labels needed are reported."""

    @field_validator("budgets")
    @classmethod
    def _readable(cls, values: tuple[float | str, ...]) -> tuple[float | str, ...]:
        return checked_budgets(values)

    @field_validator("strengths")
    @classmethod
    def _positive(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        if min(values) <= 0:
            raise ValueError("strengths must be positive")
        return values

    @property
    def ordered_budgets(self) -> list[Budget]:
        """Fractions by size, then numbers per class by size."""
        found = [parse_budget(value) for value in self.budgets]
        return sorted(found, key=lambda b: (b.per_class or 0, b.fraction or 0.0))


def spec(
    *,
    utterances: str,
    embeddings: str,
    taxonomy: Taxonomy,
    params: Params,
    seed: int,
    threads: int = 1,
    official: Mapping[str, str] = MappingProxyType({}),
) -> Spec:
    """Builds the key content.

    Args:
        utterances: key of the labelled set's utterances.
        embeddings: key of their embeddings.
        taxonomy: the taxonomy of the gold labels; only its label names take part.
        params: the settings.
        seed: decides folds, subsets and ties.
        threads: CPU threads; more than one can move the floats of numpy's matrix products.
        official: the dataset's official protocols → protocol that makes their folds.

    Raises:
        SettingsError: there is no such protocol.
    """
    by = folds_by(params, official)
    named = {} if by == params.protocol else {"folds_by": by}
    return Spec(
        stage="evaluate",
        stage_version=VERSION,
        params={
            **params.model_dump(mode="json"),
            **named,
            "labels": taxonomy.names,
            "libraries": library_versions(("numpy",)),
        },
        parents={"utterances": utterances, "embeddings": embeddings},
        seed=seed,
        threads=threads,
    )


def folds_by(params: Params, official: Mapping[str, str]) -> Protocol:
    """Returns the harness's protocol behind the one that is asked for.

    Args:
        params: the settings.
        official: the dataset's official protocols → protocol that makes their folds.

    Raises:
        SettingsError: there is no such protocol.
    """
    wanted = official.get(params.protocol, params.protocol)
    found = next((protocol for protocol in PROTOCOLS if protocol == wanted), None)
    if found is None:
        known = [*PROTOCOLS, *official]
        raise SettingsError(
            f"There is no protocol '{params.protocol}' for this dataset."
            f"{did_you_mean(params.protocol, known)} It has {', '.join(known)}."
        )
    return found


def params_of(spec: Spec) -> Params:
    """Returns the settings that stand in a key."""
    return Params.model_validate({n: v for n, v in spec.params.items() if n in Params.model_fields})


def layers_of(
    context: StageContext, data: efficiency.Labelled, role: str = "embeddings"
) -> dict[str, npt.NDArray[np.floating]]:
    """Returns layer → embeddings of the labelled utterances as the evaluation takes them.

    Args:
        context: the stage's context.
        data: the labelled utterances.
        role: which of its parents the embeddings are.
    """
    params = params_of(context.spec)
    layers = read_layers(context, params.layers, data.ids, role)
    if params.normalise == "speaker":
        return {name: speaker_normalised(v, data.speakers) for name, v in layers.items()}
    return dict(layers)


def run(context: StageContext, draft: Draft) -> None:
    """Evaluates; every training is preceded by the leakage check."""
    names: list[str] = context.spec.params["labels"]
    params = params_of(context.spec)
    seed = context.spec.seed or 0
    by = context.spec.params.get("folds_by", params.protocol)
    task = prepared(context, names, by, params.folds, seed)
    data = task.data
    study = efficiency.run_study(
        data, layers_of(context, data), task.folds, design_of(params, seed),
        lambda a, b: context.progress(a, b, "fits"),
    )  # fmt: skip
    write_study(draft, study, task, params, efficiency.default_warnings(study))


def write_study(
    draft: Draft,
    study: efficiency.Study,
    task: Task,
    params: Params,
    warnings: Sequence[str],
    method: Literal["linear", "finetune"] = "linear",
) -> None:
    """Writes `RESULT` and `PREDICTIONS` of a study that has run."""
    result = _result(study, params, task, [*task.warnings, *warnings], method)
    (draft.path / RESULT).write_text(result.model_dump_json(indent=1) + "\n", encoding="utf-8")
    write_table(draft.path / PREDICTIONS, _table(study))
    draft.counts |= {
        "utterances": result.n_utterances,
        "left_out": result.n_left_out,
        "speakers": result.n_speakers,
        "fits": len(study.cells),
    }


def design_of(params: Params, seed: int) -> efficiency.Design:
    """Returns what a study varies and how it chooses."""
    return efficiency.Design(
        budgets=params.ordered_budgets,
        draws=params.seeds,
        strengths=params.strengths,
        inner_folds=params.inner_folds,
        balanced=params.class_weight == "balanced",
        permute_gold=params.permute_gold,
        seed=seed,
    )


def _result(
    study: efficiency.Study,
    params: Params,
    task: Task,
    warnings: list[str],
    method: Literal["linear", "finetune"],
) -> EvaluationResult:
    results = efficiency.budget_results(study)
    area, axis = efficiency.area(study)
    largest = max(study.design.budgets, key=lambda b: sum(c.n_train for c in study.of(b)[:1]))
    predictions = study.classified(largest)
    confusion = confusion_matrix(predictions.gold, predictions.predicted[0], len(task.labels))
    majority = classification(study.majority())
    return EvaluationResult(
        protocol=params.protocol,
        method=method,
        labels=task.labels,
        n_utterances=len(study.data.ids),
        n_left_out=len(task.table) - len(task.kept),
        n_speakers=len(set(study.data.speakers)),
        n_folds=len(study.folds),
        n_draws=params.seeds,
        split_hash=split_hash(study.data.ids, study.folds),
        budgets=results,
        area=area,
        area_axis=axis,
        labels_needed=efficiency.needed(results, params.targets),
        majority={name: metric(statistic) for name, statistic in majority.items()},
        confusion=confusion.tolist(),
        control="permuted gold" if params.permute_gold else None,
        warnings=warnings,
    )


def _table(study: efficiency.Study) -> pa.Table:
    """Columns id, speaker, fold, seed, budget, gold, predicted."""
    tests = [study.folds[cell.fold].test for cell in study.cells]
    sizes = [len(test) for test in tests]
    at = np.concatenate(tests)

    def repeated(values: Sequence[object]) -> pa.Array:
        indices = pa.array(np.repeat(np.arange(len(values)), sizes).astype(np.int32))
        return pa.array(values).take(indices)

    predicted = np.concatenate([cell.answer.predicted for cell in study.cells])
    columns = {
        "id": pa.array([study.data.ids[p] for p in at]).dictionary_encode(),
        "speaker": pa.array([study.data.speakers[p] for p in at]).dictionary_encode(),
        "fold": repeated([cell.fold for cell in study.cells]).cast(pa.int16()),
        "seed": repeated([cell.draw for cell in study.cells]).cast(pa.int16()),
        "budget": repeated([cell.budget.name for cell in study.cells]).dictionary_encode(),
        "gold": pa.array(study.data.labels[at].astype(np.int16)),
        "predicted": pa.array(predicted.astype(np.int16)),
    }
    return pa.table(columns)
