"""The task of an evaluation: labelled utterances, speaker-disjoint folds, and warnings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..data.utterances import UtteranceTable, Winner, read_utterances
from ..errors import DataError
from ..evaluation import efficiency
from ..evaluation.arrays import Ints
from ..evaluation.folds import Fold, Protocol, make_folds
from ..evaluation.leakage import Side, check_leakage, fixed_sentence_warning
from .base import StageContext
from .evaluate.spec import HALVES


@dataclass(frozen=True)
class Task:
    """A recognition task, for any method of training."""

    table: UtteranceTable
    kept: list[int]
    """Positions of the utterances with one gold label."""
    data: efficiency.Labelled
    labels: list[str]
    folds: list[Fold]
    """Of `data`, checked for leakage."""
    warnings: list[str]


Labelling = Callable[[UtteranceTable], tuple[list[int], efficiency.Labelled, list[str]]]
"""Returns positions, data and names of labels of the utterances that take part."""
HALVES_NOTE = (
    "This set has no class labels: its classes are the lower and the upper half of the scale of "
    "{}, below and above {:g}."
)


def prepared(
    context: StageContext, *, votes: bool = False, labelling: Labelling | None = None
) -> Task:
    """Reads the labelled set and makes the folds that the stage's key names.

    With `votes`, utterances with votes for several labels take part; see `voted`. `labelling`
    replaces the labels altogether.

    Raises:
        DataError: too few labels or speakers, or no such split.
        LeakageError: a speaker or a recording is on both sides of a fold.
    """
    params = context.spec.params
    table = read_utterances(context.parent("utterances"))
    if labelling is not None:
        kept, data, labels = labelling(table)
    elif votes:
        kept, data, labels = voted(table, params["labels"])
    else:
        kept, data, labels = labelled_by(table, params)
    protocol: Protocol = params.get("folds_by", params["protocol"])
    folds = folds_of(table, kept, data, protocol, params["folds"], context.spec.seed or 0)
    warnings = [
        *fold_warnings(table, kept, folds),
        *_remarks(context, table, kept, plain=not (votes or labelling)),
        *_unused(folds, len(kept)),
        *_seen_in_pretraining(context, table, kept),
    ]
    return Task(table, kept, data, labels, folds, warnings)


def folds_of(
    table: UtteranceTable,
    kept: Sequence[int],
    data: efficiency.Labelled,
    protocol: Protocol,
    k: int,
    seed: int,
) -> list[Fold]:
    """Makes speaker-disjoint folds of the labelled utterances, which are at the positions `kept`.

    `k` is the number of ``k-speaker-folds``; `seed` breaks ties.

    Raises:
        DataError: too few speakers, or no such split.
    """
    return make_folds(
        protocol,
        ids=data.ids,
        speakers=data.speakers,
        labels=data.labels,
        seed=seed,
        k=k,
        splits=[table.splits[p] for p in kept],
        sessions=[table.extras[p].get("session") for p in kept],
    )


def labelled_by(
    table: UtteranceTable, params: Mapping[str, Any]
) -> tuple[list[int], efficiency.Labelled, list[str]]:
    """Returns `labelled`, or `halved` in a set without labels, by the params of an evaluation."""
    if HALVES in params:
        return halved(table, params["labels"], *params[HALVES])
    return labelled(table, params["labels"], params.get("votes", "unanimous"))


def labelled(
    table: UtteranceTable, names: Sequence[str], votes: Winner = "unanimous"
) -> tuple[list[int], efficiency.Labelled, list[str]]:
    """Returns positions, data and label names of the utterances that have one gold label.

    For `votes` see `UtteranceTable.labels`.

    Raises:
        DataError: no gold labels, a single class, or utterances without a speaker.
    """
    return _classes(table, table.labels(names, votes), names)


def halved(
    table: UtteranceTable, names: Sequence[str], dimension: str, middle: float
) -> tuple[list[int], efficiency.Labelled, list[str]]:
    """Returns the same for a set without labels: the lower and the upper half of a scale.

    Utterances rated exactly `middle` are left out.

    Raises:
        DataError: ratings in one half only, or utterances without a speaker.
    """
    ratings = [rating(extras.get(dimension)) for extras in table.extras]
    return _classes(table, np.array([_half(value, middle) for value in ratings]), names)


def _half(value: float, middle: float) -> int:
    return 0 if value < middle else 1 if value > middle else -1


def rating(value: object) -> float:
    """Returns NaN for an extra that is no number."""
    return float(value) if isinstance(value, int | float) else np.nan


def _classes(
    table: UtteranceTable, gold: Ints, names: Sequence[str]
) -> tuple[list[int], efficiency.Labelled, list[str]]:
    kept = [int(p) for p in np.flatnonzero(gold >= 0)]
    present = np.unique(gold[kept])
    if len(present) < 2:
        raise DataError(
            f"Evaluation needs gold labels of at least 2 classes; {len(kept)} of {len(table)} "
            f"utterances have a single gold label of this taxonomy ({len(present)} classes). Check "
            "the dataset's labels with `lanser-bench data check`."
        )
    data = labelled_data(table, kept, np.searchsorted(present, gold[kept]), len(present))
    return kept, data, [names[label] for label in present]


def voted(
    table: UtteranceTable, names: Sequence[str]
) -> tuple[list[int], efficiency.Labelled, list[str]]:
    """Returns positions, data and label names of the utterances with one label or with votes.

    Their label is the one with most votes, of tied ones the first; it stratifies folds and budgets.
    Utterances with a set of labels (``multi``) are no votes and are left out.

    Raises:
        DataError: no gold labels, a single class, or utterances without a speaker.
    """
    votes = table.votes(names)
    kept, present = (np.flatnonzero(votes.any(axis)).tolist() for axis in (1, 0))
    labels = votes[kept][:, present].argmax(1) if kept else np.zeros(0, np.int64)
    if len(np.unique(labels)) < 2:
        raise DataError(
            f"Soft labels need votes with at least 2 different winners; {len(kept)} of "
            f"{len(table)} utterances have votes or a single gold label of this taxonomy. Check "
            "the dataset's labels with `lanser-bench data check`."
        )
    return (
        kept,
        labelled_data(table, kept, labels, len(present)),
        [names[label] for label in present],
    )


def labelled_data(
    table: UtteranceTable, kept: Sequence[int], labels: Ints, n_labels: int
) -> efficiency.Labelled:
    """Returns the utterances at the positions `kept` with their labels.

    Raises:
        DataError: utterances without a speaker.
    """
    missing = [table.ids[p] for p in kept if table.speakers[p] is None]
    if missing:
        raise DataError(
            f"{len(missing)} of {len(kept)} labelled utterances have no speaker (first: "
            f"{missing[0]}), so speaker-disjoint folds cannot be made. Add speakers to the "
            "manifest."
        )
    return efficiency.Labelled(
        ids=[table.ids[p] for p in kept],
        speakers=[str(table.speakers[p]) for p in kept],
        labels=labels,
        n_labels=n_labels,
    )


def fold_warnings(table: UtteranceTable, kept: Sequence[int], folds: Sequence[Fold]) -> list[str]:
    """Runs the leakage check on every fold; returns its warnings, the first of each kind.

    Raises:
        LeakageError: a speaker or a recording is on both sides of a fold.
    """
    leaks: list[str] = []
    for number, fold in enumerate(folds):
        train, test, dev = (
            Side(table, [kept[p] for p in part]) for part in (fold.train, fold.test, fold.dev)
        )
        leaks += check_leakage(train, test, f"fold {number}")
        check_leakage(train, dev, f"fold {number}, dev part")
        check_leakage(dev, test, f"fold {number}, dev part")
    warnings = leaks[:1]
    if len(leaks) > 1:
        warnings[0] += f" The same applies to {len(leaks) - 1} more folds."
    fixed = fixed_sentence_warning([table.sentence_ids[p] for p in kept])
    return [*warnings, fixed] if fixed else warnings


def _several_labels(table: UtteranceTable, kept: Sequence[int], votes: Winner) -> list[str]:
    """Warns of utterances with several gold labels: leaving them out may make the set easier."""
    several = [sum(weight > 0 for weight in gold.values()) > 1 for gold in table.gold]
    left_out = sum(several) - sum(several[p] for p in kept)
    if not left_out:
        return []
    why = (
        "so only utterances on which all raters agree remain. `evaluate.votes: majority` uses the "
        "label with most votes, and the section `soft` all votes."
        if votes == "unanimous"
        else "because no label has most votes. The section `soft` evaluates them."
    )
    return [
        f"{left_out} of {len(table)} utterances have several gold labels (votes) and are left out, "
        f"{why}"
    ]


def _remarks(
    context: StageContext, table: UtteranceTable, kept: Sequence[int], *, plain: bool
) -> list[str]:
    """Warns of what the labels of the evaluation are; nothing unless `plain`."""
    params = context.spec.params
    if not plain:
        return []
    if HALVES in params:
        return [HALVES_NOTE.format(*params[HALVES])]
    return _several_labels(table, kept, params.get("votes", "unanimous"))


def _unused(folds: Sequence[Fold], n: int) -> list[str]:
    """Warns of labelled utterances in a split's dev part or in no part."""
    used = np.unique(np.concatenate([np.concatenate([fold.train, fold.test]) for fold in folds]))
    if len(used) == n:
        return []
    in_dev = len(np.unique(np.concatenate([fold.dev for fold in folds])))
    return [
        f"{n - len(used)} of {n} labelled utterances are unused: {in_dev} are in the dev part "
        "(strength and layer are chosen inside the training part), the others in no part."
    ]


def _seen_in_pretraining(
    context: StageContext, table: UtteranceTable, kept: Sequence[int]
) -> list[str]:
    """Warns if the encoder was pre-trained on speakers or recordings that are evaluated here."""
    parents = context.spec.parents
    if "embeddings" in parents:
        parents = context.parent("embeddings").spec.parents
    model = parents.get("model")
    if model is None:
        return []
    spec = context.store.checked(model).spec
    corpora = [
        read_utterances(context.store.checked(key))
        for role, key in spec.parents.items()
        if role.startswith("utterances.")
    ]
    trained_audio = {sha for corpus in corpora for sha in corpus.audio_sha if sha is not None}
    trained_speakers = {name for corpus in corpora for name in corpus.speakers if name is not None}
    recordings = sum(table.audio_sha[p] in trained_audio for p in kept)
    speakers = {table.speakers[p] for p in kept}
    shared = speakers & trained_speakers
    if not recordings and not shared:
        return []
    # A labeler may read human labels too, so "weak" would not describe the other labels.
    gold = ", with their human labels," if spec.params["labels_control"] == "gold" else ""
    return [
        f"The encoder was pre-trained{gold} on {len(shared)} of the {len(speakers)} speakers and "
        f"{recordings} of the {len(kept)} recordings evaluated here, so the score does not "
        "generalise to new speakers."
    ]
