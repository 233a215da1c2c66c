"""Listen or read: do answers follow the voice or the words, where the two disagree?

The question of LISTEN (Chen et al., EACL 2026) and EMIS (Corrêa et al., ICASSP 2026), asked of any
classifier. Clips are *congruent* if words and voice have the same label, otherwise in *conflict*. A
classifier that is fitted on congruent clips alone may use either cue; its answers on conflict clips
of other speakers show which one it uses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .arrays import Bools, Floats, Ints
from .folds import Fold
from .results import Metric, Result
from .sheets import fitting
from .statistics import Statistic, mean_of, metric

Source = Literal["head", "zero_shot", "labeler", "majority"]


class Following(Result):
    """What answers follow on conflict clips: shares of clips, with intervals over speakers."""

    source: Source
    """``head``: fitted on congruent clips; ``zero_shot``: the head of pre-training; ``labeler``, on
    the transcripts; ``majority``: the largest class of the congruent training clips."""
    budget: str | None = None
    """Share of the training speakers' congruent clips, such as ``10%``; None except for a head."""
    n_labels: float | None = None
    """Congruent clips that a head is fitted on, mean over folds and draws."""
    voice: Metric
    """Share of answers that are the label of the voice."""
    words: Metric
    """Share of answers that are the label of the words."""
    neither: Metric
    """Share of other answers, and of clips without an answer."""
    difference: Metric
    """`voice` minus `words`: above 0 it listens, below 0 it reads."""
    congruent: Metric | None = None
    """Share of right answers on congruent clips of the tested speakers; None without such clips."""
    unanswered: float = 0.0
    """Share of conflict clips without an answer; part of `neither`."""


class ListenResult(Result):
    """Content of `listen.json`."""

    labels: list[str]
    """The K classes that heads are trained on; guessing follows voice and words in 1 / K each."""
    n_conflict: int
    """Conflict clips that are scored."""
    n_congruent: int
    """Congruent clips that heads are fitted or tested on."""
    n_speakers: int
    """Speakers of the scored conflict clips."""
    classes: dict[str, dict[str, int]]
    """Label → ``congruent`` clips, and conflict clips whose ``words`` or ``voice`` have it."""
    answers: list[Following]
    """Empty if there are too few clips (see `warnings`)."""
    left_out: dict[str, int]
    """Reason → clips."""
    warnings: list[str]
    split_hash: str


@dataclass(frozen=True)
class Clips:
    """Clips with a label of the words and one of the voice."""

    ids: list[str]
    speakers: list[str]
    words: Ints
    """Positions in a label set, shape (n,)."""
    voice: Ints
    """Shape (n,)."""

    @property
    def conflict(self) -> Bools:
        """Whether words and voice disagree, shape (n,)."""
        return np.asarray(self.words != self.voice)

    def part(self, rows: Ints) -> Clips:
        """Returns the clips at some positions."""
        ids, speakers = ([column[i] for i in rows] for column in (self.ids, self.speakers))
        return Clips(ids, speakers, self.words[rows], self.voice[rows])

    def classes(self, names: Sequence[str]) -> dict[str, dict[str, int]]:
        """Returns the number of clips of each class that occurs, as `ListenResult.classes`."""
        parts = {
            "congruent": self.voice[~self.conflict],
            "words": self.words[self.conflict],
            "voice": self.voice[self.conflict],
        }
        counts = {k: np.bincount(of, minlength=len(names)).tolist() for k, of in parts.items()}
        found = {name: {k: of[i] for k, of in counts.items()} for i, name in enumerate(names)}
        return {name: count for name, count in found.items() if any(count.values())}


@dataclass(frozen=True)
class Trial:
    """What can be fitted and tested of some clips."""

    folds: list[Fold]
    """They train on congruent clips, and test clips of classes that they train on."""
    classes: Ints
    """Labels that are trained on."""
    untrained: Ints
    """Labels of conflict clips that a fold could not train on."""
    lost: int
    """Conflict clips that are left out for these labels."""

    @property
    def tested(self) -> Ints:
        """Positions of the tested clips, fold after fold."""
        return np.concatenate([np.empty(0, np.int64), *(fold.test for fold in self.folds)])

    @property
    def used(self) -> Ints:
        """Positions of all clips that take part."""
        return np.unique(np.concatenate([self.tested, *(fold.train for fold in self.folds)]))


def trial_of(clips: Clips, folds: Sequence[Fold]) -> Trial:
    """Returns what speaker-disjoint folds can fit and test.

    Clips whose words or voice have a label without a congruent clip on the training side are left
    out: no answer could follow both. So are folds without two classes to train on.
    """
    conflict, none = clips.conflict, np.empty(0, np.int64)
    usable: list[Fold] = []
    trained, untrained, lost = [none], [none], 0
    for fold in folds:
        train = fold.train[~conflict[fold.train]]
        known, test = np.unique(clips.voice[train]), fold.test
        both = np.stack([clips.words[test], clips.voice[test]])
        fits = np.isin(both, known).all(0) & (len(known) > 1)
        lost += int((~fits & conflict[test]).sum())
        untrained.append(np.setdiff1d(both[:, conflict[test]], known))
        if (fits & conflict[test]).any():
            usable.append(Fold(train, test[fits], none))
            trained.append(known)
    classes, others = (np.unique(np.concatenate(parts)) for parts in (trained, untrained))
    return Trial(usable, classes, others, lost)


def following(
    source: Source,
    clips: Clips,
    predicted: Ints,
    budget: str | None = None,
    n_labels: float | None = None,
) -> Following:
    """Returns what answers follow on conflict clips, and on congruent ones if any.

    `predicted` are labels, −1 for no answer, shape (draws, n); a head has a label budget.
    """
    rows, others = np.flatnonzero(clips.conflict), np.flatnonzero(~clips.conflict)
    shares = statistics(clips, predicted)
    right = predicted[:, others] == clips.voice[others]
    return Following(
        source=source,
        budget=budget,
        n_labels=n_labels,
        **{name: metric(statistic) for name, statistic in shares.items()},
        congruent=metric(_share(right, clips.part(others).speakers)) if len(others) else None,
        unanswered=float((predicted[:, rows] < 0).mean()),
    )


def statistics(clips: Clips, predicted: Ints) -> dict[str, Statistic]:
    """Returns ``voice``, ``words``, ``neither`` and ``difference`` as sums over speakers, sorted.

    Clips in conflict count; draws are averaged.
    """
    rows = np.flatnonzero(clips.conflict)
    clips, predicted = clips.part(rows), predicted[:, rows]
    voice, words = predicted == clips.voice, predicted == clips.words
    difference = _share(voice.astype(np.float64) - words, clips.speakers)
    return {
        "voice": _share(voice, clips.speakers),
        "words": _share(words, clips.speakers),
        "neither": _share(~voice & ~words, clips.speakers),
        "difference": replace(difference, bounds=(-1.0, 1.0)),
    }


ANSWERS = pa.schema(
    [
        *((name, pa.string()) for name in ("id", "speaker", "source", "budget")),
        *((name, pa.int16()) for name in ("draw", "words", "voice", "predicted")),
    ]
)
"""Columns of `answer_table`."""


def answer_table(clips: Clips, found: Sequence[Following], predicted: Sequence[Ints]) -> pa.Table:
    """Returns answers to tested clips as rows: a block of all clips per source, budget and draw.

    Labels are positions in those of the taxonomy; −1 is no answer. `found` gives the name and
    budget of each source, `predicted` its answers, shape (draws, n).
    """
    blocks = [
        (of, draw, row)
        for of, p in zip(found, predicted, strict=True)
        for draw, row in enumerate(p)
    ]
    n, times = len(clips.ids), len(blocks)
    labels = {"words": np.tile(clips.words, times), "voice": np.tile(clips.voice, times)}
    labels |= {"predicted": np.concatenate([np.empty(0, np.int64), *(row for _, _, row in blocks)])}
    columns = {
        "id": clips.ids * times,
        "speaker": clips.speakers * times,
        "source": [of.source for of, _, _ in blocks for _ in range(n)],
        "budget": [of.budget or "" for of, _, _ in blocks for _ in range(n)],
    }
    draws = [draw for _, draw, _ in blocks for _ in range(n)]
    return pa.table({**columns, "draw": draws, **labels}, schema=ANSWERS)


def read_answers(table: pa.Table, source: Source, budget: str | None) -> tuple[Clips, Ints]:
    """Returns clips and answers, shape (draws, n), from rows of `answer_table`."""
    wanted = pc.and_(pc.equal(table["source"], source), pc.equal(table["budget"], budget or ""))
    rows = table.filter(wanted)
    draws = len(pc.unique(rows["draw"]))
    first = rows.slice(0, len(rows) // max(draws, 1))
    words, voice, predicted = (
        of[name].to_numpy().astype(np.int64)
        for of, name in ((first, "words"), (first, "voice"), (rows, "predicted"))
    )
    clips = Clips(first["id"].to_pylist(), first["speaker"].to_pylist(), words, voice)
    with fitting(table):
        return clips, predicted.reshape(draws, len(first))


def _share(hits: Bools | Floats, speakers: Sequence[str]) -> Statistic:
    """Mean of hits of shape (draws, n) over draws and clips, as sums over sorted speakers."""
    return mean_of(hits.mean(0), np.unique(speakers, return_inverse=True)[1])
