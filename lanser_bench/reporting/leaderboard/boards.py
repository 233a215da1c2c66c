"""Boards: records in, one table per labelled set and split out, rows ranked, controls apart."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ...evaluation.families import MetricName
from ...evaluation.results import Metric
from ...records.record import DatasetResult, ResultRecord
from ..groups import CellId, Group, declared_in, largest
from .ranking import standings
from .rows import Member, Row, row_of

PLAIN = {
    "random_init": "random weights",
    "shuffled": "shuffled labels",
    "shuffled_within_speaker": "labels shuffled within speakers",
    "logmel_stats": "log-mel statistics",
    "text": "the words alone",
    "gold": "pre-training on human labels",
    "reads_gold": "a labeler that reads human labels",
}
"""Controls in plain words."""
CEILINGS = ("gold", "reads_gold")
"""Controls that learnt from human labels: what weak labels may reach, not what they must beat."""


@dataclass(frozen=True)
class Board:
    """Rows that may be compared: measured alike on the same split of the same labelled set."""

    dataset: str
    protocol: str
    split_hash: str
    labels: list[str]
    n_utterances: int
    n_speakers: int
    n_folds: int
    budget: str
    """The largest budget: the one the columns show."""
    area_axis: str
    control: str | None
    """Of the evaluation itself, such as ``permuted gold``; None for a true one."""
    fixed_sentences: bool
    majority: dict[str, Metric]
    metric: MetricName = "uar"
    """The score that rows are ranked by."""
    title: str = ""
    """What tells it from the other boards: the labelled set's name, after the title that a user
    gave it, and more where there are several boards of it."""
    main: list[Row] = field(default_factory=list)
    """Best first."""
    controls: list[Row] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    declared: list[str] = field(default_factory=list)
    """Comparisons that the experiments of its records declared before their runs, in words."""


def rank(
    records: Iterable[ResultRecord | tuple[Path, ResultRecord]],
    *,
    metric: MetricName = "uar",
    curves: bool = True,
    targets: bool = True,
) -> list[Board]:
    """Groups records into boards and sorts their rows by a score at the largest budget.

    Only what was measured alike stands in one board: the same labelled set, split, labels, budgets
    and control of the evaluation. Scores of records that come with their paths are computed from
    the predictions beside them, as `compare` and `gate` do, and such rows are compared; the main
    rows of a board are the family of Holm's adjustment. Without predictions the recorded scores of
    the seeds are averaged, with wide intervals; the board's notes name such rows.

    Args:
        records: the records.
        metric: the score that rows are sorted by.
        curves: whether the points of curves have intervals, which take time.
        targets: whether scores of probe targets have.
    """
    boards: dict[tuple[object, ...], list[Member]] = {}
    for given in records:
        path, record = (None, given) if isinstance(given, ResultRecord) else given
        for target, result in enumerate(record.datasets):
            found = result.evaluation
            place = (
                result.dataset,
                found.protocol,
                found.split_hash,
                tuple(found.labels),
                largest(found).budget,
                found.area_axis,
                found.control,
            )
            boards.setdefault(place, []).append((path, record, target))
    return _told_apart([_board(of, metric, curves, targets) for of in boards.values()])


def _told_apart(boards: list[Board]) -> list[Board]:
    """Gives boards of one labelled set titles of their own: its experiments, then a number."""
    titles = [board.title for board in boards]
    for longer in (_of_experiments, _numbered):
        times = Counter(titles)
        titles = [
            longer(board, title, n) if times[title] > 1 else title
            for n, (board, title) in enumerate(zip(boards, titles, strict=True), 1)
        ]
    return [replace(board, title=title) for board, title in zip(boards, titles, strict=True)]


def _of_experiments(board: Board, title: str, number: int) -> str:
    experiments = sorted({row.experiment for row in (*board.main, *board.controls)})
    return f"{title} in {', '.join(experiments)}"


def _numbered(board: Board, title: str, number: int) -> str:
    return f"{title} ({number})"


def _board(members: Sequence[Member], metric: MetricName, curves: bool, targets: bool) -> Board:
    results = [record.datasets[target] for _, record, target in members]
    first, evaluation = results[0], results[0].evaluation
    groups: dict[str, dict[int | None, Member]] = {}
    for member in members:
        # A seed counts once, however many records of the same numbers there are.
        groups.setdefault(member[1].recipe, {})[member[1].seed] = member
    rows, faults = [], []
    for seeds in groups.values():
        exact, fault = _exact(seeds, targets)
        faults += [fault] if fault else []
        rows.append((row_of(list(seeds.values()), exact, curves=curves, targets=targets), exact))
    rows.sort(key=lambda found: (-getattr(found[0], metric).value, found[0].name))
    main = [found for found in rows if found[0].role == "main"]
    return Board(
        dataset=first.dataset,
        protocol=evaluation.protocol,
        split_hash=evaluation.split_hash,
        labels=evaluation.labels,
        n_utterances=evaluation.n_utterances,
        n_speakers=evaluation.n_speakers,
        n_folds=evaluation.n_folds,
        budget=largest(evaluation).budget,
        area_axis=evaluation.area_axis,
        control=evaluation.control,
        fixed_sentences=first.fixed_sentences,
        majority=evaluation.majority,
        metric=metric,
        title=_title(members),
        main=_placed(main, metric),
        controls=[row for row, _ in rows if row.role != "main"],
        warnings=faults + sorted({w for r in results for w in _told(r)}, key=_natural),
        declared=[str(one) for one in declared_in([record for _, record, _ in members])],
    )


def _title(members: Sequence[Member]) -> str:
    """Returns the labelled set's name, after its title where a user gave one in the settings."""
    name, given = members[0][1].datasets[members[0][2]].dataset, set()
    for _, record, target in members:
        refs = record.settings.get("targets", [])
        options = refs[target].get("options", {}) if target < len(refs) else {}
        given.add(options.get("title"))
    title = given.pop() if len(given) == 1 else None
    return f"{title} ({name})" if isinstance(title, str) and title else name


def _told(result: DatasetResult) -> list[str]:
    return [*result.evaluation.warnings, *result.notes]


def _exact(seeds: Mapping[int | None, Member], targets: bool) -> tuple[Group | None, str | None]:
    """Returns a row's records as a group, if its scores follow from files beside them, or why not.

    Records without predictions are no fault.
    """
    _, first, target = next(iter(seeds.values()))
    cell = CellId(first.experiment, first.group, first.datasets[target].dataset, target)
    known = {seed: (path, record) for seed, (path, record, _) in seeds.items() if path}
    group = Group(cell, known)
    if len(known) < len(seeds) or not group.has_predictions:
        return None, None
    fault = group.fault or (group.probe_fault if targets else None)
    return (None, fault) if fault else (group, None)


def _placed(rows: Sequence[tuple[Row, Group | None]], metric: MetricName) -> list[Row]:
    """Gives main rows their ranks, where all of them have predictions."""
    groups = [group for _, group in rows if group is not None]
    if len(groups) < max(len(rows), 2):
        return [row for row, _ in rows]
    found = standings([[(1.0, group.side(metric))] for group in groups])
    return [replace(row, standing=s) for (row, _), s in zip(rows, found, strict=True)]


def _natural(text: str) -> list[tuple[int, str]]:
    """Sorts numbers in a text by their size: budget 5% comes before budget 10%."""
    parts = re.split(r"(\d+)", text)
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]
