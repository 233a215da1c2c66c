"""Turns records into boards: one per labelled set and split, with ranked rows and controls."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..._face import Tabled
from ...evaluation.families import MetricName
from ...evaluation.results import Metric
from ...measurements import MEASUREMENTS
from ...records.names import Names
from ...records.record import DatasetResult, ResultRecord
from ..groups import CellId, Group, by_seed, declared_in
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
    "permuted_predictions": "predictions permuted within speakers",
}
"""Control → its name in plain words."""
CEILINGS = ("gold", "reads_gold")
"""Controls that learn from human labels: an upper bound for weak labels, not a baseline."""


@dataclass(frozen=True)
class Board(Tabled):
    """Comparable rows: measured alike on the same split of the same labelled set."""

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
    """Unique among the boards: the labelled set's title and name, with its experiments and a number
    if there are several boards of it."""
    axes: dict[str, str] = field(default_factory=dict)
    """Axis that varies among its rows → its short name."""
    shared: list[str] = field(default_factory=list)
    """What the rows of each experiment share, in words."""
    main: list[Row] = field(default_factory=list)
    """Best first."""
    controls: list[Row] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    """Files beside its records that cannot be used."""
    warnings: list[str] = field(default_factory=list)
    declared: list[str] = field(default_factory=list)
    """Comparisons that its experiments declared before their runs, in words."""


def rank(
    records: Iterable[ResultRecord | tuple[Path, ResultRecord]],
    *,
    metric: MetricName = "uar",
    curves: bool = True,
    targets: bool = True,
) -> list[Board]:
    """Groups records into boards and sorts their rows by a score at the largest budget.

    The rows of a board have the same labelled set, split, labels, budgets and control of the
    evaluation. Boards with the newest records come first. For records with paths, scores are
    computed from the predictions beside them, as in `compare` and `gate`, and rows are tested
    against the best; the main rows of a board are the family of Holm's adjustment. Without
    predictions the recorded scores of the seeds are averaged, with wide intervals; the board's
    notes name such rows.

    Args:
        records: the records.
        metric: the score that rows are sorted by.
        curves: whether to compute intervals of the points of curves, which takes time.
        targets: whether to compute intervals of the scores of probe targets.
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
                found.largest.budget,
                found.area_axis,
                found.control,
            )
            boards.setdefault(place, []).append((path, record, target))
    newest = sorted(boards.values(), key=lambda of: max(r.created for _, r, _ in of), reverse=True)
    return _titled([_board(of, metric, curves, targets) for of in newest])


def _titled(boards: list[Board]) -> list[Board]:
    """Makes titles unique: adds the experiments, then a number."""
    titles = [board.title for board in boards]
    experiments = [sorted({row.experiment for row in b.main + b.controls}) for b in boards]
    additions = (
        [f" in {', '.join(names)}" for names in experiments],
        [f" ({number})" for number in range(1, len(boards) + 1)],
    )
    for added in additions:
        times = Counter(titles)
        pairs = zip(titles, added, strict=True)
        titles = [f"{title}{more}" if times[title] > 1 else title for title, more in pairs]
    return [replace(board, title=title) for board, title in zip(boards, titles, strict=True)]


def _board(members: Sequence[Member], metric: MetricName, curves: bool, targets: bool) -> Board:
    results = [record.datasets[target] for _, record, target in members]
    first, evaluation = results[0], results[0].evaluation
    groups: dict[str, dict[int | None, Member]] = {}
    for member in members:
        # A seed counts once, however many records of the same numbers there are.
        groups.setdefault(member[1].recipe, {})[member[1].seed] = member
    # In the order of seeds, as elsewhere: records of several machines come in another order.
    groups = {recipe: by_seed(seeds) for recipe, seeds in groups.items()}
    names = Names(record for _, record, _ in members)

    def scored(seeds: Mapping[int | None, Member]) -> tuple[Row, Group | None, str | None]:
        exact, fault = _exact(seeds, targets)
        row = row_of(list(seeds.values()), exact, names, curves=curves, targets=targets)
        return row, exact, fault

    scores = list(map(scored, groups.values()))
    rows = [(row, exact) for row, exact, _ in scores]
    faults = [fault for _, _, fault in scores if fault]
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
        budget=evaluation.largest.budget,
        area_axis=evaluation.area_axis,
        control=evaluation.control,
        fixed_sentences=first.fixed_sentences,
        majority=evaluation.majority,
        metric=metric,
        title=_title(members),
        axes=names.heads,
        shared=names.captions,
        main=_placed(main, metric),
        controls=[row for row, _ in rows if row.role != "main"],
        faults=faults,
        warnings=sorted({w for r in results for w in _told(r)}, key=_natural),
        declared=[str(one) for one in declared_in([record for _, record, _ in members])],
    )


def _title(members: Sequence[Member]) -> str:
    """Returns the labelled set's name, preceded by the title in the settings, if any."""
    name, given = members[0][1].datasets[members[0][2]].dataset, set()
    for _, record, target in members:
        refs = record.settings.get("targets", [])
        options = refs[target].get("options", {}) if target < len(refs) else {}
        given.add(options.get("title"))
    title = given.pop() if len(given) == 1 else None
    return f"{title} ({name})" if isinstance(title, str) and title else name


def _told(result: DatasetResult) -> list[str]:
    measured = [note for m in MEASUREMENTS for one in result.of(m) for note in m.notes(one)]
    return [*result.evaluation.warnings, *result.notes, *measured]


def _exact(seeds: Mapping[int | None, Member], targets: bool) -> tuple[Group | None, str | None]:
    """Returns a row's records as a group, if they have predictions, or why these cannot be used.

    Missing predictions are not a fault.
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
    """Ranks the main rows, if all of them have predictions."""
    groups = [group for _, group in rows if group is not None]
    if len(groups) < max(len(rows), 2):
        return [row for row, _ in rows]
    found = standings([[(1.0, group.side(metric))] for group in groups])
    return [replace(row, standing=s) for (row, _), s in zip(rows, found, strict=True)]


def _natural(text: str) -> list[tuple[int, str]]:
    """Sort key that orders numbers in a text by size: budget 5% precedes budget 10%."""
    parts = re.split(r"(\d{1,18})", text)
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]
