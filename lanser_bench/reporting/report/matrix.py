"""Matrices of training set × tested set: scores of each row, their means, and the best control.

A mean is over pairs of sets. Its speakers are those of all tested sets; each counts in the recalls
of their own set only, so one interval covers sets of different sizes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ..._face import Tabled
from ...errors import DataError
from ...evaluation.contrast import Contrast, Side, difference, score_of
from ...evaluation.predictions import Classified, classification
from ...evaluation.results import Metric
from ...evaluation.statistics import MIN_SPEAKERS, Statistic, among, combine
from ...measurements.base import Crossed, Measurement
from ...records.attachments import read_attached
from ...records.record import ResultRecord
from ..leaderboard.boards import CEILINGS, PLAIN, Board
from ..leaderboard.rows import Gap, Row
from .data import Records

OTHERS = "all others"
"""Trained on all sets but the tested one."""
Pair = tuple[str, str]
"""Training set or `OTHERS`, and tested set."""
Pairs = Mapping[Pair, Sequence[Crossed]]
"""Pair → its predictions, one per training seed."""


@dataclass(frozen=True)
class MatrixRow:
    """One row of the leaderboard on all pairs of sets, in UAR."""

    name: str
    control: str | None
    seeds: int
    scores: dict[Pair, Metric]
    """Where both sets are the same, of heads trained by its speaker folds."""
    mean: Metric
    """Over all pairs of two sets."""
    others: Metric | None
    """Mean over tested sets of heads trained on all other sets; None with two sets."""
    within: Metric | None
    """Mean over tested sets of heads trained within them; None if one cannot be trained."""
    gap: Gap | None
    """Difference of `mean` to the control that is best at it; None for a control."""
    axes: dict[str, str] = field(default_factory=dict)
    """As in its records."""


@dataclass(frozen=True)
class MatrixBoard(Tabled):
    """Rows of an experiment that were tested on the same pairs of sets with the same labels."""

    experiment: str
    title: str
    note: str
    sets: list[str]
    labels: dict[Pair, tuple[str, ...]]
    """Labels of each pair, which may differ; chance is one over their number."""
    rows: list[MatrixRow]
    notes: list[str]
    shared: str = ""
    """What the rows share, in words."""

    @property
    def trained_on(self) -> list[str]:
        """Lines of the matrix."""
        return [*self.sets, OTHERS] if len(self.sets) > 2 else self.sets


def matrices(records: Records, measurement: Measurement[Any]) -> list[MatrixBoard]:
    """Returns the matrices of a measurement that has one, by experiment, sets and labels."""
    rows: dict[tuple[str, str], tuple[Board, Row]] = {}
    for board in records.boards:
        for row in (*board.main, *board.controls):
            rows.setdefault((row.experiment, row.name), (board, row))
    families: dict[tuple[object, ...], list[tuple[Board, Row, Pairs]]] = {}
    for board, row in rows.values():
        if pairs := _pairs(records, row, measurement):
            like = [(p, of[0].labels, len(of[0].answers.ids)) for p, of in pairs.items()]
            families.setdefault((row.experiment, *like), []).append((board, row, pairs))
    return [_board(records, measurement, of) for of in families.values()]


def _pairs(records: Records, row: Row, measurement: Measurement[Any]) -> Pairs:
    """Reads the predictions of a row; empty if one of its seeds has none, or others."""
    seeds: list[dict[Pair, Crossed]] = []
    for path, record in records.of(row):
        attached = record.measured.get(measurement.name)
        if attached is None or measurement.matrix is None:
            return {}
        try:
            seeds.append(dict(_crossed(record, measurement, read_attached(path, attached))))
            for pair in seeds[0].keys() & seeds[-1].keys():
                first, last = (set(seed[pair].answers.speakers) for seed in (seeds[0], seeds[-1]))
                if first != last:
                    raise DataError(
                        f"{path.with_name(attached.file)} has other speakers of {pair[1]} than the "
                        "file of another seed. Run the experiment again."
                    )
        except DataError as error:
            records.faults[str(error)] = None
            return {}
    same = all(seed.keys() == seeds[0].keys() for seed in seeds)
    return {pair: [seed[pair] for seed in seeds] for pair in seeds[0]} if same else {}


def _crossed(
    record: ResultRecord, measurement: Measurement[Any], table: pa.Table
) -> Iterator[tuple[Pair, Crossed]]:
    assert measurement.matrix is not None
    for target, result in enumerate(record.datasets):
        own = table.filter(pc.equal(table["target"], target))
        for one in result.of(measurement):
            for cell in measurement.matrix.cells(one, own):
                name = cell.trained_on[0] if len(cell.trained_on) == 1 else OTHERS
                yield (name, result.dataset), cell


def _board(
    records: Records, measurement: Measurement[Any], of: Sequence[tuple[Board, Row, Pairs]]
) -> MatrixBoard:
    assert measurement.matrix is not None
    means = {row.name: _Means(row, pairs) for _, row, pairs in of}
    rows = [_row(records, board, row, means) for board, row, _ in of]
    rows.sort(key=lambda row: (row.control is not None, -row.mean.value))
    _, first, pairs = of[0]
    datasets = records.of(first)[0][1].datasets
    results = [(d.dataset, one) for d in datasets for one in d.of(measurement)]
    return MatrixBoard(
        experiment=first.experiment,
        title=measurement.matrix.title,
        note=measurement.matrix.note,
        sets=[d.dataset for d in datasets if any(d.dataset in pair for pair in pairs)],
        labels={pair: cells[0].labels for pair, cells in pairs.items()},
        rows=rows,
        notes=list(dict.fromkeys(n for named in results for n in measurement.matrix.notes(*named))),
        shared="; ".join(of[0][0].shared),
    )


class _Means:
    """Scores of a row on single pairs, and their means over pairs."""

    def __init__(self, row: Row, pairs: Pairs) -> None:
        self.row, self.pairs = row, pairs
        self.single = [pair for pair in pairs if pair[0] != OTHERS]
        self.pooled = [pair for pair in pairs if pair[0] == OTHERS]
        self.drawn = row.n_seeds > 1 or row.labeler is not None
        speakers = {pair: sorted(set(of[0].answers.speakers)) for pair, of in pairs.items()}
        self.speakers, self.few = speakers, min(map(len, speakers.values())) < MIN_SPEAKERS

    def side(self, pair: Pair, own: bool = False) -> Side | None:
        """Returns the UAR of a pair per seed; with `own` that within the tested set."""
        answers = [cell.within if own else cell.answers for cell in self.pairs[pair]]
        known = [_uar(one) for one in answers if one is not None]
        return Side(known, self.drawn) if len(known) == len(answers) else None

    def mean(self, pairs: Sequence[Pair], own: bool = False) -> Side | None:
        """Returns the mean over pairs per seed, over the speakers of all tested sets."""
        sides = [side for pair in pairs if (side := self.side(pair, own)) is not None]
        if len(sides) < len(pairs) or not pairs:
            return None
        every = sorted({speaker for pair in pairs for speaker in self.speakers[pair]})
        wide = [
            [among(seed, self.speakers[pair], every) for seed in side.seeds]
            for pair, side in zip(pairs, sides, strict=True)
        ]
        weights = [1 / len(pairs)] * len(pairs)
        return Side([combine(parts, weights) for parts in zip(*wide, strict=True)], self.drawn)

    def shown(self, contrast: Contrast) -> Metric:
        """Returns a score or difference of means; no interval if a set has few speakers."""
        return Metric(value=contrast.value) if self.few else contrast.metric()

    def score(self, side: Side | None) -> Metric | None:
        """Returns the score of a mean."""
        return None if side is None else self.shown(Contrast([side], [1.0]))


def _uar(data: Classified) -> Statistic:
    return classification(data)["uar"]


def _row(records: Records, board: Board, row: Row, means: Mapping[str, _Means]) -> MatrixRow:
    of = means[row.name]
    last = of.pooled or of.single
    sides = {pair: of.side(pair) for pair in of.pairs}
    sides |= {(pair[1], pair[1]): of.side(pair, own=True) for pair in last}
    mean = of.score(of.mean(of.single))
    assert mean is not None
    return MatrixRow(
        name=row.title,
        control=row.control if row.role != "main" else None,
        seeds=row.n_seeds,
        scores={pair: score_of(side) for pair, side in sides.items() if side is not None},
        mean=mean,
        others=of.score(of.mean(of.pooled)),
        within=of.score(of.mean(last, own=True)),
        gap=_gap(records, board, of, means) if row.role == "main" else None,
        axes={**row.axes, "encoder": row.encoder},
    )


def _gap(records: Records, board: Board, of: _Means, means: Mapping[str, _Means]) -> Gap | None:
    """Returns the difference to the control with the best mean, which is conservative."""
    rivals = {
        PLAIN.get(c.control or "", c.name): side
        for c in records.controls_of(board, of.row)
        if c.control not in CEILINGS
        and c.name in means
        and (side := means[c.name].mean(of.single)) is not None
    }
    own = of.mean(of.single)
    if not rivals or own is None:
        return None
    best = max(rivals, key=lambda name: score_of(rivals[name]).value)
    return Gap(of.shown(difference(own, rivals[best])), best)
