"""Stage `transfer`: heads trained on other labelled sets, tested on one without its labels.

Writes `transfer.json` (a `TransferResult`) and `predictions.parquet`, one row per utterance and
training set (or pool of them).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from ..data.utterances import read_utterances
from ..evaluation import transfer
from ..evaluation.efficiency import Labelled
from ..evaluation.leakage import Side
from ..evaluation.predictions import PREDICTIONS, write_table
from ..evaluation.results import TransferResult
from ..evaluation.transfer import JOIN
from ..plugins.identity import library_versions
from ..store import Draft, Spec
from .base import StageContext, StageParams, write_json
from .embed.corrections import read_layers, speaker_normalised
from .evaluate import spec as evaluate
from .evaluate.run import design_of
from .task import fold_warnings, folds_of, labelled

VERSION = "2"
RESULT = "transfer.json"
DESIGN = ("folds", "strengths", "layers", "inner_folds", "class_weight", "permute_gold")
"""Settings of the evaluation that also decide these numbers."""


class Params(StageParams):
    """How sets are made comparable."""

    taxonomy: str | None = None
    """Taxonomy that the labels of all targets are mapped to, such as ``iemocap-4``; by default
    that of the tested set."""
    normalise: Literal["none", "corpus", "speaker"] | None = None
    """Embeddings are z-scored within each set or speaker, test sets included; by default as in
    `evaluate.normalise`. No label is used."""


@dataclass(frozen=True)
class Source:
    """A labelled set with embeddings of the same encoder."""

    name: str
    utterances: str
    embeddings: str
    labels: tuple[str, ...]
    """Labels of its own taxonomy."""
    mapped: tuple[int, ...]
    """Their positions in the common taxonomy; −1 without a counterpart."""
    folds_by: str


def spec(
    *,
    sets: tuple[Source, ...],
    taxonomy: str,
    labels: tuple[str, ...],
    normalise: str,
    params: evaluate.Params,
    seed: int,
    threads: int = 1,
) -> Spec:
    """Builds the key content.

    The first of `sets` is tested, the others are trained on. `labels` are those of the common
    `taxonomy`; `params` and `seed` are those of the evaluation.
    """
    facts = [
        {"name": s.name, "labels": s.labels, "mapped": s.mapped, "folds_by": s.folds_by}
        for s in sets
    ]
    return Spec(
        stage="transfer",
        stage_version=f"{VERSION}.{evaluate.VERSION}",
        params={
            **params.model_dump(mode="json", include=set(DESIGN)),
            "taxonomy": taxonomy,
            "common": list(labels),
            "normalise": normalise,
            "sets": facts,
            "libraries": library_versions(("numpy",)),
        },
        parents={
            f"{role}.{i}": getattr(one, role)
            for i, one in enumerate(sets)
            for role in ("utterances", "embeddings")
        },
        seed=seed,
        threads=threads,
    )


def run(context: StageContext, draft: Draft) -> None:
    """Trains on every other set, and on all of them, and tests on the first."""
    params = context.spec.params
    test, *others = (_corpus(context, i) for i in range(len(params["sets"])))
    design = design_of(_design(context), context.spec.seed)
    fold_warnings(test.side.facts, test.side.positions, test.folds)  # refuses leaks
    warnings: list[str] = []
    leaks: list[str] = []
    done: list[transfer.Transferred] = []
    pools = [[one] for one in others] + ([others] if len(others) > 1 else [])
    for number, pool in enumerate(pools, start=1):
        task = transfer.make_task(pool, test)
        if len(task.labels) < 2:
            warnings.append(_too_few(pool, test, task, params))
        else:
            done.append(transfer.transferred(task, params["common"], design))
            leaks += task.warnings
        context.progress(number, len(pools), "heads")
    if leaks := list(dict.fromkeys(leaks)):
        more = f" The same applies to {len(leaks) - 1} more training sets." if leaks[1:] else ""
        warnings.append(leaks[0] + more)
    result = TransferResult(
        taxonomy=params["taxonomy"],
        normalise=params["normalise"],
        scores=[one.score for one in done],
        warnings=warnings,
    )
    write_json(draft, RESULT, result)
    write_table(draft.path / PREDICTIONS, _table(done))
    draft.counts |= {"utterances": len(test.tests), "heads": len(done)}


def _too_few(
    pool: Sequence[transfer.Corpus], test: transfer.Corpus, task: transfer.Task, params: Any
) -> str:
    names = [params["common"][label] for label in task.labels]
    known = f"only {names[0]}" if names else "none"
    taken = sum(map(len, task.tested_speakers.values()))
    sentence = (
        f"No score of {JOIN.join(one.name for one in pool)} on {test.name}: it needs 2 labels of "
        f"{params['taxonomy']} on both sides ({known})."
    )
    if not taken:
        return sentence
    return (
        f"{sentence} {taken} speakers have the same name on both sides and were not trained on; if "
        "they are different people, rename them."
    )


def _design(context: StageContext) -> evaluate.Params:
    return evaluate.Params.model_validate({name: context.spec.params[name] for name in DESIGN})


def _corpus(context: StageContext, index: int) -> transfer.Corpus:
    """Reads a set with the folds that its evaluation has."""
    params, facts = context.spec.params, context.spec.params["sets"][index]
    table = read_utterances(context.parent(f"utterances.{index}"))
    kept, data, present = labelled(table, facts["labels"])
    folds = folds_of(table, kept, data, facts["folds_by"], params["folds"], context.spec.seed or 0)
    own = [present[label] for label in data.labels]
    mapped = dict(zip(facts["labels"], facts["mapped"], strict=True))
    read = read_layers(context, _design(context).layers, data.ids, f"embeddings.{index}")
    units = {"corpus": [facts["name"]] * len(own), "speaker": data.speakers}.get(
        params["normalise"]
    )
    layers = {n: v if units is None else speaker_normalised(v, units) for n, v in read.items()}
    return transfer.Corpus(
        name=facts["name"],
        side=Side(table, kept),
        data=Labelled(
            data.ids,
            data.speakers,
            np.array([mapped[name] for name in own], np.int64),
            len(params["common"]),
        ),
        own=own,
        layers=layers,
        folds=folds,
    )


def _table(done: Sequence[transfer.Transferred]) -> pa.Table:
    """Columns id, speaker, trained_on, gold, predicted, within (−1 without such a head)."""
    return pa.concat_tables(_rows(done), promote_options="none") if done else SCHEMA.empty_table()


def _rows(done: Sequence[transfer.Transferred]) -> Iterator[pa.Table]:
    for one in done:
        data, n = one.predicted, len(one.predicted.ids)
        own = np.full(n, -1) if one.within is None else one.within.predicted[0]
        columns = [data.ids, data.speakers, [JOIN.join(one.score.trained_on)] * n]
        numbers = [values.astype(np.int16) for values in (data.gold, data.predicted[0], own)]
        yield pa.table([*columns, *numbers], schema=SCHEMA)


SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("speaker", pa.string()),
        ("trained_on", pa.string()),
        ("gold", pa.int16()),
        ("predicted", pa.int16()),
        ("within", pa.int16()),
    ]
)
