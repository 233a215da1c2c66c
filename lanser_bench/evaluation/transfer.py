"""Cross-corpus transfer: a head trained on some labelled sets and tested on another.

The setting is that of EmoBox (Ma et al. 2024, arXiv 2406.07162) and SER Evals (Osman et al. 2024,
arXiv 2408.07851): labels are mapped to a common taxonomy, utterances without a common label are
left out, and no label of the tested set is used. Layer and strength are chosen on the training
sets' speakers. Each score has an interval over the tested speakers and, beside it, the score of
heads trained within the tested set by its speaker folds, on the same utterances and labels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from .arrays import Ints, Layers
from .efficiency import Design, Labelled, learnt, training_labels
from .folds import Fold
from .leakage import Side, check_leakage, shared_sound
from .metrics import confusion_matrix
from .predictions import Classified, classification, paired_difference
from .results import TransferScore
from .selection import fold_features
from .sheets import codes, rows_with
from .statistics import metric

UNMAPPED = -1
JOIN = " + "
"""Between the names of pooled training sets."""


@dataclass(frozen=True)
class Corpus:
    """The labelled utterances of one set, with their labels in the common taxonomy."""

    name: str
    side: Side
    """The utterances in their table, in the order of `data`."""
    data: Labelled
    """Labels are positions in the common taxonomy; `UNMAPPED` without a counterpart."""
    own: Sequence[str]
    """The label that each utterance has in the set's own taxonomy."""
    layers: Layers
    folds: Sequence[Fold]
    """Speaker folds of the evaluation."""

    @property
    def trains(self) -> Ints:
        """Rows that the evaluation trains on."""
        return np.unique(np.concatenate([fold.train for fold in self.folds]))

    @property
    def tests(self) -> Ints:
        """Rows that the evaluation tests: all, or the test part of a split."""
        return np.unique(np.concatenate([fold.test for fold in self.folds]))

    def labels(self, rows: Ints) -> set[int]:
        """Returns the labels of the common taxonomy that occur in some rows."""
        return set(self.data.labels[rows].tolist()) - {UNMAPPED}

    def with_labels(self, rows: Ints, labels: Ints) -> Ints:
        """Returns those of some rows that have one of the labels."""
        return rows[np.isin(self.data.labels[rows], labels)]

    def part(self, rows: Ints) -> Side:
        """Returns some rows as a side of a split."""
        return Side(self.side.facts, [self.side.positions[row] for row in rows])


@dataclass(frozen=True)
class Task:
    """What is trained and tested: the sets' rows that have a label of both sides."""

    sources: Sequence[tuple[Corpus, Ints]]
    test: Corpus
    rows: Ints
    """Tested rows."""
    labels: Ints
    """Common labels, as positions in the taxonomy, sorted."""
    left_out: dict[str, dict[str, int]]
    """Set → own label → utterances without a common label."""
    tested_speakers: dict[str, list[str]]
    """Training set → its speakers who are not trained on, because they are tested."""
    warnings: list[str]

    @property
    def trained_on(self) -> list[str]:
        """Names of the training sets."""
        return [corpus.name for corpus, _ in self.sources]


@dataclass(frozen=True)
class Transferred:
    """Predictions of the tested utterances, and of heads trained within their own set."""

    score: TransferScore
    predicted: Classified
    within: Classified | None
    """None if the folds of the set cannot be trained on the common labels."""


def make_task(sources: Sequence[Corpus], test: Corpus) -> Task:
    """Selects what a head is trained and tested on: labels that occur on both sides.

    Speakers never cross: training rows of speakers who are tested, and of speakers who share a
    recording with a tested utterance, are left out and named.

    Raises:
        LeakageError: a speaker or a recording would still be on both sides.
    """
    apart = [(corpus, *_apart(corpus, test)) for corpus in sources]
    trained = set[int]().union(*(corpus.labels(rows) for corpus, rows, _ in apart))
    labels = np.array(sorted(trained & test.labels(test.tests)), np.int64)
    kept = [(corpus, corpus.with_labels(rows, labels)) for corpus, rows, _ in apart]
    kept = [(corpus, rows) for corpus, rows in kept if len(rows)]
    tested = test.with_labels(test.tests, labels)
    warnings = [w for corpus, rows in kept for w in _checked(corpus, rows, test, tested)]
    sides = [*((corpus, rows) for corpus, rows, _ in apart), (test, test.tests)]
    return Task(
        sources=kept,
        test=test,
        rows=tested,
        labels=labels,
        left_out={c.name: counts for c, rows in sides if (counts := _without(c, rows, labels))},
        tested_speakers={corpus.name: names for corpus, _, names in apart if names},
        warnings=warnings,
    )


def transferred(task: Task, names: Sequence[str], design: Design) -> Transferred:
    """Trains a head on the sources of a task with at least 2 labels and tests it on the other set.

    `names` are the labels of the common taxonomy; all labels are used.
    """
    parts = [*task.sources, (task.test, task.rows)]
    data, layers = _joined(parts, task.labels)
    n_train = sum(len(rows) for _, rows in task.sources)
    train, test = np.arange(n_train), np.arange(n_train, len(data.ids))
    fold = Fold(train, test, np.empty(0, np.int64))
    labels = training_labels(data, fold, design, 0, 0)
    answer = learnt(fold_features(layers, fold), labels, fold, data, train, design)
    rows = np.full(len(data.ids), -1, np.int64)
    rows[test] = answer.predicted
    predicted = data.classified(test, rows[None])
    largest = np.full_like(rows, np.bincount(data.labels[train], minlength=data.n_labels).argmax())
    own = within(task, design)
    score = TransferScore(
        trained_on=task.trained_on,
        labels=[names[label] for label in task.labels],
        n_train=n_train,
        n_train_speakers=len({data.speakers[row] for row in train}),
        n_test=len(test),
        n_test_speakers=len(set(predicted.speakers)),
        left_out=task.left_out,
        tested_speakers=task.tested_speakers,
        layer=answer.layer,
        strength=answer.strength,
        chosen=answer.chosen,
        **{name: metric(s) for name, s in classification(predicted).items()},
        majority={
            name: metric(s)
            for name, s in classification(data.classified(test, largest[None])).items()
        },
        confusion=confusion_matrix(predicted.gold, predicted.predicted[0], data.n_labels).tolist(),
        within=None if own is None else metric(classification(own)["uar"]),
        to_within=None if own is None else paired_difference(predicted, own, "uar"),
    )
    return Transferred(score, predicted, own)


def within(task: Task, design: Design) -> Classified | None:
    """Returns out-of-fold predictions of the tested rows by heads trained on their own set.

    Folds and choices are those of the evaluation, with the common labels only. None if a fold has
    fewer than 2 of them to train on.
    """
    test, n = task.test, len(task.test.data.ids)
    predicted = np.full(n, -1, np.int64)
    labels = np.searchsorted(task.labels, np.where(test.data.labels < 0, 0, test.data.labels))
    data = Labelled(test.data.ids, test.data.speakers, labels, len(task.labels))
    for number, fold in enumerate(test.folds):
        train, rows = (test.with_labels(part, task.labels) for part in (fold.train, fold.test))
        if not len(rows):
            continue
        if len(test.labels(train)) < 2:
            return None
        part = Fold(train, rows, fold.dev)
        trained = training_labels(data, part, design, number, 0)
        features = fold_features(test.layers, part)
        answer = learnt(features, trained, part, data, np.arange(len(train)), design)
        predicted[rows] = answer.predicted
    return data.classified(task.rows, predicted[None])


def read_classified(table: pa.Table, score: TransferScore, column: str) -> Classified:
    """Returns predictions of a score from the written rows of its labelled set.

    `column` is ``predicted``, or ``within`` for heads trained within the set.
    """
    rows = rows_with(table, "trained_on", JOIN.join(score.trained_on))
    gold, predicted = (codes(rows, name, len(score.labels)) for name in ("gold", column))
    ids, speakers = rows["id"].to_pylist(), rows["speaker"].to_pylist()
    return Classified(ids, speakers, gold, predicted[None], len(score.labels))


def _apart(corpus: Corpus, test: Corpus) -> tuple[Ints, list[str]]:
    """Returns the training rows of speakers who are not tested, and the speakers who are."""
    rows, tested = corpus.trains, test.part(test.tests)
    speakers = np.asarray(corpus.data.speakers)
    out = set(speakers[rows]) & {test.data.speakers[row] for row in test.tests}
    while True:
        rows = rows[~np.isin(speakers[rows], sorted(out))]
        shared = {name for name, _ in shared_sound(corpus.part(rows), tested)}
        if not shared:
            return rows, sorted(str(speaker) for speaker in out)
        out |= {speakers[row] for row in rows if corpus.data.ids[row] in shared}


def _checked(corpus: Corpus, rows: Ints, test: Corpus, tested: Ints) -> list[str]:
    """Runs the leakage check; sentence ids mean the same only within one dataset."""
    where = f"training on {corpus.name}, testing on {test.name}"
    warnings = check_leakage(corpus.part(rows), test.part(tested), where)
    datasets = [
        {of.data.speakers[row].partition(":")[0] for row in used}
        for of, used in ((corpus, rows), (test, tested))
    ]
    return warnings if datasets[0] & datasets[1] else []


def _without(corpus: Corpus, rows: Ints, labels: Ints) -> dict[str, int]:
    kept = set(corpus.with_labels(rows, labels).tolist())
    counts = Counter(corpus.own[row] for row in rows.tolist() if row not in kept)
    return dict(sorted(counts.items()))


def _joined(parts: Sequence[tuple[Corpus, Ints]], labels: Ints) -> tuple[Labelled, Layers]:
    """Returns rows of several sets as one, with labels as positions in `labels`."""
    mapped = np.concatenate([corpus.data.labels[rows] for corpus, rows in parts])
    data = Labelled(
        ids=[corpus.data.ids[row] for corpus, rows in parts for row in rows],
        speakers=[corpus.data.speakers[row] for corpus, rows in parts for row in rows],
        labels=np.searchsorted(labels, mapped),
        n_labels=len(labels),
    )
    names = parts[0][0].layers
    return data, {n: np.concatenate([c.layers[n][rows] for c, rows in parts]) for n in names}
