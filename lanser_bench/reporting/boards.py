"""Boards: records in, one table per labelled set and split out, rows ranked, controls apart."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ..evaluation.contrast import DIFFERENCE, averaged
from ..evaluation.results import EvaluationResult, Metric
from .family import declared_in
from .groups import CellId, Group, MetricName, largest
from .records import DatasetResult, ResultRecord
from .standing import Standing, standings

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
class CurvePoint:
    """One label budget of a row's curve."""

    budget: str
    fraction: float | None
    n_labels: float
    uar: Metric


@dataclass(frozen=True)
class Gap:
    """What a row's embedding tells of a probe target beyond the best control of that target."""

    difference: Metric
    """Of R², or of UAR for classes; paired by speaker where both have their sums."""
    control: str
    """In plain words."""


@dataclass(frozen=True)
class Row:
    """One encoder made in one way: the mean over its pre-training seeds."""

    experiment: str
    name: str
    role: str
    control: str | None
    asr: str | None
    labeler: str | None
    taxonomy: str | None
    encoder: str
    axes: dict[str, str]
    n_seeds: int
    uar: Metric
    area: Metric
    wa: Metric
    macro_f1: Metric
    r2: Metric | None
    """Mean R² over the targets of the first regression probe, raw scale; None without a probe.

    Probes ask for different things: what a voice does and which words it says have no mean."""
    targets: dict[str, Metric]
    """``probe.target (scale)`` → R², or UAR where the target is in `chance`."""
    curve: list[CurvePoint]
    finetune: Metric | None = None
    """UAR of the fine-tuned encoder at its largest budget; None where none was tuned."""
    drop_f0: Metric | None = None
    """UAR lost where F0 is flattened, against the same resynthesis with nothing flattened."""
    drop_energy: Metric | None = None
    """UAR lost where energy is flattened, counted likewise."""
    zero_shot: Metric | None = None
    """UAR of the pre-trained head without any label of the set."""
    text_only: Metric | None = None
    """UAR of the labeler on the transcripts."""
    standing: Standing | None = None
    """Its rank among the main rows and its distance to the best; None for a control, and where a
    row of the board has no predictions beside its records."""
    chance: dict[str, float] = field(default_factory=dict)
    """Targets that are classes, by the same names → UAR of guessing."""
    needed: dict[str, str] = field(default_factory=dict)
    """``labels to 50`` → how many of them bring UAR to 50 %, the median over seeds, or ``> 600``;
    one for each of `evaluate.targets`."""
    gaps: dict[str, Gap] = field(default_factory=dict)
    """Target → difference to its best control, where asked for (`probe_gaps.with_gaps`)."""


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


Member = tuple[Path | None, ResultRecord, int]
"""Path of a record, the record, and the position of a labelled set in it."""


def rank(
    records: Iterable[ResultRecord | tuple[Path, ResultRecord]], *, metric: MetricName = "uar"
) -> list[Board]:
    """Groups records into boards and sorts their rows by a score at the largest budget.

    Only what was measured alike stands in one board: the same labelled set, split, labels, budgets
    and control of the evaluation. Records that come with their paths are compared by the
    predictions beside them; the main rows of a board are the family of Holm's adjustment.

    Raises:
        DataError: the predictions of a record that has some are not there, or damaged.
    """
    boards: dict[tuple[object, ...], list[Member]] = {}
    for given in records:
        path, record = (None, given) if isinstance(given, ResultRecord) else given
        for target, result in enumerate(record.datasets):
            found = result.evaluation
            place = (
                result.dataset, found.protocol, found.split_hash, tuple(found.labels),
                largest(found).budget, found.area_axis, found.control,
            )  # fmt: skip
            boards.setdefault(place, []).append((path, record, target))
    return _told_apart([_board(members, metric) for members in boards.values()])


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


def _board(members: Sequence[Member], metric: MetricName) -> Board:
    results = [record.datasets[target] for _, record, target in members]
    first, evaluation = results[0], results[0].evaluation
    groups: dict[str, dict[int | None, Member]] = {}
    for member in members:
        # A seed counts once, however many records of the same numbers there are.
        groups.setdefault(member[1].recipe, {})[member[1].seed] = member
    rows = [(_row([(m[1], m[1].datasets[m[2]]) for m in g.values()]), g) for g in groups.values()]
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
        warnings=sorted({w for r in results for w in _told(r)}, key=_natural),
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


def _placed(rows: Sequence[tuple[Row, dict[int | None, Member]]], metric: MetricName) -> list[Row]:
    """Gives main rows their ranks, where all of them have predictions."""
    groups = []
    for row, members in rows:
        cell = CellId(row.experiment, row.name, "", next(iter(members.values()))[2])
        known = {s: (path, r) for s, (path, r, _) in members.items() if path and r.predictions}
        if len(known) < len(members):
            return [row for row, _ in rows]
        groups.append(Group(cell, known))
    if len(groups) < 2:
        return [row for row, _ in rows]
    found = standings([[(1.0, group.side(metric))] for group in groups])
    return [replace(row, standing=s) for (row, _), s in zip(rows, found, strict=True)]


def _natural(text: str) -> list[tuple[int, str]]:
    """Sorts numbers in a text by their size: budget 5% comes before budget 10%."""
    parts = re.split(r"(\d+)", text)
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]


def _row(group: Sequence[tuple[ResultRecord, DatasetResult]]) -> Row:
    record, _ = group[0]
    evaluations = [result.evaluation for _, result in group]
    top = [largest(evaluation) for evaluation in evaluations]
    targets = _targets([result for _, result in group])
    chance = _chance([result for _, result in group])
    first = next(iter(regression_probes(targets, chance)), "")
    own = {name: m for name, m in targets.items() if name.startswith(f"{first}.")}
    raw = [m for name, m in own.items() if name.endswith("(raw)") and name not in chance]
    return Row(
        experiment=record.experiment,
        name=record.group,
        role=record.role,
        control=record.control,
        asr=record.asr,
        labeler=record.labeler,
        taxonomy=record.taxonomy,
        encoder=record.encoder,
        axes=record.axes,
        n_seeds=len(group),
        uar=averaged([budget.uar for budget in top]),
        area=averaged([evaluation.area for evaluation in evaluations]),
        wa=averaged([budget.wa for budget in top]),
        macro_f1=averaged([budget.macro_f1 for budget in top]),
        r2=_mean_r2(raw),
        targets=targets,
        chance=chance,
        needed=_needed(evaluations),
        curve=_curve(evaluations),
        finetune=_averaged([largest(r.finetune).uar if r.finetune else None for _, r in group]),
        drop_f0=_averaged([_drop(r, "f0") for _, r in group], DIFFERENCE),
        drop_energy=_averaged([_drop(r, "energy") for _, r in group], DIFFERENCE),
        zero_shot=_averaged([r.zero_shot.uar if r.zero_shot else None for _, r in group]),
        text_only=_averaged([r.text_only.uar if r.text_only else None for _, r in group]),
    )


def regression_probes(targets: Iterable[str], chance: Container[str]) -> list[str]:
    """Returns the names of the probes of numbers, in the experiment's order.

    Args:
        targets: ``probe.target (scale)``.
        chance: those of them that are classes.
    """
    numbers = (name.partition(".")[0] for name in targets if name not in chance)
    return list(dict.fromkeys(numbers))


def _drop(result: DatasetResult, cue: str) -> Metric | None:
    cues = result.flatten.cues if result.flatten is not None else []
    return next((found.drop for found in cues if found.cue == cue), None)


def _averaged(
    scores: Sequence[Metric | None], bounds: tuple[float, float] = (0.0, 1.0)
) -> Metric | None:
    """Mean over seeds; None unless all of them have the score."""
    known = [score for score in scores if score is not None]
    return averaged(known, bounds) if known and len(known) == len(scores) else None


def _curve(evaluations: Sequence[EvaluationResult]) -> list[CurvePoint]:
    found = []
    for budget in evaluations[0].budgets:
        same = [b for e in evaluations for b in e.budgets if b.budget == budget.budget]
        found.append(
            CurvePoint(
                budget.budget,
                budget.fraction,
                float(np.mean([b.n_labels for b in same])),
                averaged([b.uar for b in same]),
            )
        )
    return found


def _needed(evaluations: Sequence[EvaluationResult]) -> dict[str, str]:
    found = {}
    for same in zip(*(evaluation.labels_needed for evaluation in evaluations), strict=False):
        labels = [np.inf if one.n_labels is None else one.n_labels for one in same]
        middle, most = float(np.median(labels)), max(one.censored_at or 0.0 for one in same)
        text = f"{middle:.0f}" if np.isfinite(middle) else f"> {most:.0f}"
        found[f"labels to {100 * same[0].target:g}"] = text
    return found


def _targets(results: Sequence[DatasetResult]) -> dict[str, Metric]:
    scores: dict[str, list[Metric]] = {}
    numbers = set()
    for result in results:
        for probe in result.probes:
            for target in probe.targets:
                name = f"{probe.probe}.{target.target} ({target.scale})"
                scores.setdefault(name, []).append(target.r2)
                numbers.add(name)
            for told in probe.classes:
                name = f"{probe.probe}.{told.target} ({told.scale})"
                scores.setdefault(name, []).append(told.uar)
    r2, share = (-np.inf, 1.0), (0.0, 1.0)
    return {n: averaged(found, r2 if n in numbers else share) for n, found in scores.items()}


def _chance(results: Sequence[DatasetResult]) -> dict[str, float]:
    return {
        f"{probe.probe}.{told.target} ({told.scale})": told.chance
        for result in results
        for probe in result.probes
        for told in probe.classes
    }


def _mean_r2(metrics: Sequence[Metric]) -> Metric | None:
    """Mean over targets; without an interval, because targets of one embedding go together."""
    return Metric(value=float(np.mean([m.value for m in metrics]))) if metrics else None
