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

from ..errors import DataError, SettingsError, did_you_mean
from ..evaluation import efficiency
from ..evaluation.budgets import Budget, parse_budget
from ..evaluation.folds import PROTOCOLS, Fold, Protocol, make_folds, split_hash
from ..evaluation.leakage import Side, check_leakage, fixed_sentence_warning
from ..evaluation.metrics import confusion_matrix
from ..evaluation.predictions import PREDICTIONS, classification, write_table
from ..evaluation.results import EvaluationResult
from ..evaluation.statistics import metric
from ..store import Draft, Spec, library_versions
from ..taxonomy import Taxonomy
from ..utterances import UtteranceTable, read_utterances
from ._embeddings import LayerChoice, read_layers, speaker_normalised
from .base import StageContext

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
        try:
            names = [parse_budget(value).name for value in values]
        except SettingsError as error:
            raise ValueError(str(error).rstrip(".")) from None
        if len(set(names)) < len(names):
            raise ValueError("the same budget is there twice")
        return values

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


def run(context: StageContext, draft: Draft) -> None:
    """Evaluates; every training is preceded by the leakage check."""
    names: list[str] = context.spec.params["labels"]
    settings = {n: v for n, v in context.spec.params.items() if n in Params.model_fields}
    params = Params.model_validate(settings)
    seed = context.spec.seed or 0
    table = read_utterances(context.parent("utterances"))
    kept, data, labels = labelled(table, names)
    folds = make_folds(
        context.spec.params.get("folds_by", params.protocol),
        ids=data.ids,
        speakers=data.speakers,
        labels=data.labels,
        seed=seed,
        k=params.folds,
        splits=[table.splits[p] for p in kept],
        sessions=[table.extras[p].get("session") for p in kept],
    )
    warnings = [
        *checked(table, kept, folds),
        *unused(folds, len(kept)),
        *known(context, table, kept),
    ]
    layers: dict[str, npt.NDArray[np.floating]] = dict(
        read_layers(context, params.layers, data.ids)
    )
    if params.normalise == "speaker":
        layers = {name: speaker_normalised(v, data.speakers) for name, v in layers.items()}
    study = efficiency.run_study(
        data, layers, folds, _design(params, seed), lambda a, b: context.progress(a, b, "fits")
    )
    result = _result(study, params, labels, len(table) - len(kept), warnings)
    (draft.path / RESULT).write_text(result.model_dump_json(indent=1) + "\n", encoding="utf-8")
    write_table(draft.path / PREDICTIONS, _table(study))
    draft.counts |= {
        "utterances": result.n_utterances,
        "left_out": result.n_left_out,
        "speakers": result.n_speakers,
        "fits": len(study.cells),
    }


def labelled(
    table: UtteranceTable, names: Sequence[str]
) -> tuple[list[int], efficiency.Labelled, list[str]]:
    """Returns positions, data and label names of the utterances that have one gold label.

    Raises:
        DataError: no gold at all, one class only, or utterances without a speaker.
    """
    gold = table.labels(names)
    kept = [int(p) for p in np.flatnonzero(gold >= 0)]
    present = np.unique(gold[kept])
    if len(present) < 2:
        raise DataError(
            f"Evaluation needs gold labels of at least 2 classes; {len(kept)} of {len(table)} "
            f"utterances have a single gold label of this taxonomy ({len(present)} classes). Check "
            "the dataset's labels with `lanser-bench data check`."
        )
    missing = [table.ids[p] for p in kept if table.speakers[p] is None]
    if missing:
        raise DataError(
            f"{len(missing)} of {len(kept)} labelled utterances have no speaker (first: "
            f"{missing[0]}), so speaker-disjoint folds cannot be made. Give them speakers in the "
            "manifest."
        )
    data = efficiency.Labelled(
        ids=[table.ids[p] for p in kept],
        speakers=[str(table.speakers[p]) for p in kept],
        labels=np.searchsorted(present, gold[kept]),
        n_labels=len(present),
    )
    return kept, data, [names[label] for label in present]


def checked(table: UtteranceTable, kept: Sequence[int], folds: Sequence[Fold]) -> list[str]:
    """Runs the leakage check on every fold and returns its warnings, one of a kind.

    Raises:
        LeakageError: a speaker or a recording is on both sides of a fold.
    """
    found: list[str] = []
    for number, fold in enumerate(folds):
        train, test, dev = (
            Side(table, [kept[p] for p in part]) for part in (fold.train, fold.test, fold.dev)
        )
        found += check_leakage(train, test, f"fold {number}")
        check_leakage(train, dev, f"fold {number}, dev part")
        check_leakage(dev, test, f"fold {number}, dev part")
    warnings = found[:1]
    if len(found) > 1:
        warnings[0] += f" The same holds in {len(found) - 1} more folds."
    fixed = fixed_sentence_warning([table.sentence_ids[p] for p in kept])
    return [*warnings, fixed] if fixed else warnings


def unused(folds: Sequence[Fold], n: int) -> list[str]:
    """Tells of labelled utterances that take no part: those of a split's dev part, or of none."""
    seen = np.unique(np.concatenate([np.concatenate([fold.train, fold.test]) for fold in folds]))
    if len(seen) == n:
        return []
    in_dev = len(np.unique(np.concatenate([fold.dev for fold in folds])))
    return [
        f"{n - len(seen)} of {n} labelled utterances take no part: {in_dev} are in the dev part "
        "(strength and layer are chosen inside the training part), the others in no part."
    ]


def known(context: StageContext, table: UtteranceTable, kept: Sequence[int]) -> list[str]:
    """Tells where the encoder was pre-trained on speakers or recordings that are evaluated here."""
    model = context.parent("embeddings").spec.parents.get("model")
    if model is None:
        return []
    spec = context.store.checked(model).spec
    corpora = [
        read_utterances(context.store.checked(key))
        for role, key in spec.parents.items()
        if role.startswith("utterances.")
    ]
    heard = {sha for corpus in corpora for sha in corpus.audio_sha if sha is not None}
    met = {speaker for corpus in corpora for speaker in corpus.speakers if speaker is not None}
    recordings = sum(table.audio_sha[p] in heard for p in kept)
    speakers = {table.speakers[p] for p in kept}
    if not recordings and not speakers & met:
        return []
    return [
        f"The encoder was pre-trained, on {spec.params['labels_control']} labels, on "
        f"{len(speakers & met)} of the {len(speakers)} speakers and {recordings} of the "
        f"{len(kept)} recordings evaluated here: the score does not carry over to speakers that it "
        "has not heard."
    ]


def _design(params: Params, seed: int) -> efficiency.Design:
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
    labels: list[str],
    left_out: int,
    warnings: list[str],
) -> EvaluationResult:
    results = efficiency.budget_results(study)
    area, axis = efficiency.area(study)
    largest = max(study.design.budgets, key=lambda b: sum(c.n_train for c in study.of(b)[:1]))
    predictions = study.classified(largest)
    confusion = confusion_matrix(predictions.gold, predictions.predicted[0], len(labels))
    majority = classification(study.majority())
    return EvaluationResult(
        protocol=params.protocol,
        labels=labels,
        n_utterances=len(study.data.ids),
        n_left_out=left_out,
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
        warnings=[*warnings, *efficiency.default_warnings(study)],
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
