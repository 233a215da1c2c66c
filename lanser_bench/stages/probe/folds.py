"""Folds of a probe: what training and test utterances must not share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ...data.utterances import UtteranceTable
from ...errors import DataError
from ...evaluation.folds import Fold, group_speakers, make_folds
from ...evaluation.leakage import Side, check_leakage, refuse_audio
from ...kinds.probe import HeldOut

Ints = npt.NDArray[np.int64]
ALL = ""
"""The stratum of folds that take all utterances together."""


@dataclass(frozen=True)
class ProbeFolds:
    """Folds, with the units that they keep apart."""

    folds: list[Fold]
    units: list[str]
    """What inner folds keep apart, one per utterance: speakers, or sentences."""
    strata: list[str]
    """The sentence within which an utterance is learnt and tested; `ALL` if sentences are pooled,
    and for utterances that no fold tests."""
    sentence_disjoint: bool
    remarks: tuple[str, ...] = ()
    """Notes for readers of the scores."""


def checked_folds(
    table: UtteranceTable,
    held_out: HeldOut,
    *,
    folds: int,
    sentence_folds: int,
    seed: int,
    labels: Ints | None = None,
) -> ProbeFolds:
    """Makes a probe's folds and checks them for leakage.

    There are at most `folds` over speakers (or sentences), crossed with at most `sentence_folds`
    groups of sentences. `labels` are positions of classes, shape (n,), −1 where undefined; None for
    numbers. `seed` breaks ties.

    Raises:
        DataError: utterances without a speaker, a single speaker, or no such folds.
        LeakageError: a recording, or a speaker that must be held out, is on both sides.
    """
    if labels is None:
        labels = np.zeros(len(table), np.int64)
    if held_out == "sentences":
        made = _sentence_folds(table, labels, folds, seed)
    else:
        crossed = sentence_folds if held_out == "speakers-and-sentences" else 1
        made = _speaker_folds(table, labels, folds, crossed, seed)
        if held_out == "speakers-within-sentence":
            made = _within_sentences(table, labels, made)
    check = refuse_audio if held_out == "sentences" else check_leakage
    for number, fold in enumerate(made.folds):
        check(Side(table, fold.train.tolist()), Side(table, fold.test.tolist()), f"fold {number}")
    return made


def _speaker_folds(
    table: UtteranceTable, labels: Ints, folds: int, sentence_folds: int, seed: int
) -> ProbeFolds:
    """Makes speaker-disjoint folds, crossed with groups of sentences if possible.

    Then each pair of a speaker group and a sentence group is a fold: tested on utterances in both,
    trained on utterances in neither.
    """
    n_speakers = len({speaker for speaker in table.speakers if speaker is not None})
    plain = make_folds(
        "k-speaker-folds",
        ids=table.ids,
        speakers=table.speakers,
        labels=labels,
        seed=seed,
        k=max(1, min(folds, n_speakers)),
    )
    units, strata = [str(speaker) for speaker in table.speakers], [ALL] * len(table)
    made = ProbeFolds(plain, units, strata, sentence_disjoint=False)
    sentences = table.sentence_ids
    distinct = len(set(sentences))
    if None in sentences or distinct < 2 or sentence_folds < 2:
        return made
    if not any({sentences[p] for p in f.train} & {sentences[p] for p in f.test} for f in plain):
        return replace(made, sentence_disjoint=True)
    group = group_speakers(sentences, labels, min(sentence_folds, distinct), seed)
    crossed = [
        Fold(fold.train[group[fold.train] != g], fold.test[group[fold.test] == g], fold.dev)
        for fold in plain
        for g in range(int(group.max()) + 1)
    ]
    usable = [fold for fold in crossed if len(fold.test)]
    # In some corpora each speaker says different sentences: then nothing is left to learn from.
    if any(len(fold.train) < 2 for fold in usable):
        return made
    return replace(made, folds=usable, sentence_disjoint=True)


def _sentence_folds(table: UtteranceTable, labels: Ints, folds: int, seed: int) -> ProbeFolds:
    """Makes folds that share speakers and, if all utterances have a sentence id, no sentence."""
    sentences = [s for s in table.sentence_ids if s is not None]
    known = len(sentences) == len(table) and len(set(sentences)) > 1
    units = sentences if known else list(table.ids)
    group = group_speakers(units, labels, min(folds, len(set(units))), seed)
    none = np.zeros(0, np.int64)
    made = [
        Fold(np.flatnonzero(group != g), np.flatnonzero(group == g), none)
        for g in range(int(group.max()) + 1)
    ]
    remarks: tuple[str, ...] = (
        "Speakers are on both sides of every fold: the score measures speaker identity in the "
        "embedding (identity leak) and does not generalise to other speakers.",
    )
    if not known:
        remarks += (
            "Not all utterances have a sentence_id, so folds separate utterances: a sentence that "
            "a speaker says twice may be on both sides.",
        )
    return ProbeFolds(made, units, [ALL] * len(table), sentence_disjoint=known, remarks=remarks)


def _within_sentences(table: UtteranceTable, labels: Ints, speakers: ProbeFolds) -> ProbeFolds:
    """Splits each speaker fold into one fold per sentence.

    Raises:
        DataError: no sentence is said by two speakers in each of two classes.
    """
    of_sentence: dict[str, list[int]] = {}
    for row, sentence in enumerate(table.sentence_ids):
        if sentence is not None and labels[row] >= 0:
            of_sentence.setdefault(sentence, []).append(row)
    made, strata = [], [ALL] * len(table)
    for sentence, rows in sorted(of_sentence.items()):
        own = np.array(_repeated(rows, labels, table.speakers), np.int64)
        parts = [
            Fold(np.intersect1d(fold.train, own), np.intersect1d(fold.test, own), fold.dev)
            for fold in speakers.folds
        ]
        usable = [fold for fold in parts if len(fold.train) and len(fold.test)]
        made += usable
        for row in (row for fold in usable for row in fold.test.tolist()):
            strata[row] = sentence
    tested = sum(stratum != ALL for stratum in strata)
    if not made:
        raise DataError(
            f"Among {len(table)} utterances no sentence (sentence_id) is said by at least 2 "
            "speakers in each of at least 2 classes, so the probe cannot be measured within "
            "sentences. Use a scripted corpus such as RAVDESS, CREMA-D or EmoDB, or remove the "
            "probe."
        )
    left = len(table) - tested
    remarks = (
        f"{left} of {len(table)} utterances are left out: they have no class, or too few speakers "
        "say their sentence in too few classes.",
    ) * bool(left)
    return replace(speakers, folds=made, strata=strata, sentence_disjoint=False, remarks=remarks)


def _repeated(rows: Sequence[int], labels: Ints, speakers: Sequence[str | None]) -> list[int]:
    """Returns the rows of one sentence whose class two speakers say; none if that is one class."""
    pairs = {(int(labels[row]), speakers[row]) for row in rows}
    speakers_per_class = Counter(label for label, _ in pairs)
    usable = {label for label, n in speakers_per_class.items() if n > 1}
    return [row for row in rows if int(labels[row]) in usable] if len(usable) > 1 else []
