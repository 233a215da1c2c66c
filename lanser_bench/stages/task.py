"""What an evaluation learns and tests: labelled utterances, speaker-disjoint folds, warnings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..data.utterances import UtteranceTable, read_utterances
from ..errors import DataError
from ..evaluation import efficiency
from ..evaluation.folds import Fold, Protocol, make_folds
from ..evaluation.leakage import Side, check_leakage, fixed_sentence_warning
from .base import StageContext


@dataclass(frozen=True)
class Task:
    """What is to be learnt and tested: the same for every way of training."""

    table: UtteranceTable
    kept: list[int]
    """Positions of the utterances with one gold label."""
    data: efficiency.Labelled
    labels: list[str]
    folds: list[Fold]
    """Of `data`, checked for leakage."""
    warnings: list[str]


def prepared(
    context: StageContext, names: Sequence[str], protocol: Protocol, k: int, seed: int
) -> Task:
    """Reads the labelled set and shares its speakers out over folds.

    Args:
        context: the running stage.
        names: labels of the gold taxonomy.
        protocol: the harness's own protocol that makes the folds.
        k: number of folds of ``k-speaker-folds``.
        seed: decides ties.

    Raises:
        DataError: too few labels or speakers, or no such split.
        LeakageError: a speaker or a recording is on both sides of a fold.
    """
    table = read_utterances(context.parent("utterances"))
    kept, data, labels = labelled(table, names)
    folds = shared_out(table, kept, data, protocol, k, seed)
    warnings = [
        *checked(table, kept, folds),
        *undecided(table),
        *unused(folds, len(kept)),
        *known(context, table, kept),
    ]
    return Task(table, kept, data, labels, folds, warnings)


def shared_out(
    table: UtteranceTable,
    kept: Sequence[int],
    data: efficiency.Labelled,
    protocol: Protocol,
    k: int,
    seed: int,
) -> list[Fold]:
    """Shares the speakers of labelled utterances out over folds.

    Args:
        table: all utterances.
        kept: positions of the labelled ones.
        data: what `labelled` gives for them.
        protocol: the harness's own protocol that makes the folds.
        k: number of folds of ``k-speaker-folds``.
        seed: decides ties.

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


def undecided(table: UtteranceTable) -> list[str]:
    """Tells of utterances with several gold labels: without them the set may be an easier one."""
    several = sum(sum(weight > 0 for weight in gold.values()) > 1 for gold in table.gold)
    if not several:
        return []
    return [
        f"{several} of {len(table)} utterances have several gold labels (votes) and take no part, "
        "so that only those are left on which all agree. Let the dataset give the label with most "
        "votes, as `label: majority` of crema-d does."
    ]


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
    heard = {sha for corpus in corpora for sha in corpus.audio_sha if sha is not None}
    met = {speaker for corpus in corpora for speaker in corpus.speakers if speaker is not None}
    recordings = sum(table.audio_sha[p] in heard for p in kept)
    speakers = {table.speakers[p] for p in kept}
    if not recordings and not speakers & met:
        return []
    # A labeler may read human labels too, so ``weak`` is no word for what they were.
    gold = ", with their human labels," if spec.params["labels_control"] == "gold" else ""
    return [
        f"The encoder was pre-trained{gold} on "
        f"{len(speakers & met)} of the {len(speakers)} speakers and {recordings} of the "
        f"{len(kept)} recordings evaluated here: the score does not carry over to speakers that it "
        "has not heard."
    ]
