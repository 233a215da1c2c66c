"""The leaderboard: records in, one table per labelled set and split out, controls visibly apart."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ..evaluation.results import BudgetResult, EvaluationResult, Interval, Metric
from .records import DatasetResult, ResultRecord

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class CurvePoint:
    """One label budget of a row's curve."""

    budget: str
    fraction: float | None
    n_labels: float
    uar: Metric


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
    """Mean R² over the targets of all regression probes, raw scale; None without a probe."""
    targets: dict[str, Metric]
    """``probe.target (scale)`` → R²."""
    curve: list[CurvePoint]


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
    main: list[Row] = field(default_factory=list)
    """By UAR, best first."""
    controls: list[Row] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def rank(records: Iterable[ResultRecord]) -> list[Board]:
    """Groups records into boards and sorts their rows by UAR at the largest budget.

    Only what was measured alike stands in one board: the same labelled set, split, labels, budgets
    and control of the evaluation.
    """
    boards: dict[tuple[object, ...], list[tuple[ResultRecord, DatasetResult]]] = {}
    for record in records:
        for result in record.datasets:
            found = result.evaluation
            place = (
                result.dataset, found.protocol, found.split_hash, tuple(found.labels),
                largest(found).budget, found.area_axis, found.control,
            )  # fmt: skip
            boards.setdefault(place, []).append((record, result))
    return [_board(members) for members in boards.values()]


def _board(members: Sequence[tuple[ResultRecord, DatasetResult]]) -> Board:
    _, first = members[0]
    evaluation = first.evaluation
    groups: dict[str, dict[int | None, tuple[ResultRecord, DatasetResult]]] = {}
    for record, result in members:
        # A seed counts once, however many records of the same numbers there are.
        groups.setdefault(record.recipe, {})[record.seed] = record, result
    rows = sorted((_row(list(group.values())) for group in groups.values()), key=_by_uar)
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
        main=[row for row in rows if row.role == "main"],
        controls=[row for row in rows if row.role != "main"],
        warnings=sorted({w for _, result in members for w in result.evaluation.warnings}),
    )


def _by_uar(row: Row) -> tuple[float, str]:
    return -row.uar.value, row.name


def largest(evaluation: EvaluationResult) -> BudgetResult:
    """Returns the budget with the most labels."""
    return max(evaluation.budgets, key=lambda budget: budget.n_labels)


def _row(group: Sequence[tuple[ResultRecord, DatasetResult]]) -> Row:
    record, _ = group[0]
    evaluations = [result.evaluation for _, result in group]
    top = [largest(evaluation) for evaluation in evaluations]
    targets = _targets([result for _, result in group])
    raw = [metric for name, metric in targets.items() if name.endswith("(raw)")]
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
        uar=over_seeds([budget.uar for budget in top]),
        area=over_seeds([evaluation.area for evaluation in evaluations]),
        wa=over_seeds([budget.wa for budget in top]),
        macro_f1=over_seeds([budget.macro_f1 for budget in top]),
        r2=_mean_r2(raw),
        targets=targets,
        curve=_curve(evaluations),
    )


def _curve(evaluations: Sequence[EvaluationResult]) -> list[CurvePoint]:
    found = []
    for budget in evaluations[0].budgets:
        same = [b for e in evaluations for b in e.budgets if b.budget == budget.budget]
        found.append(
            CurvePoint(
                budget.budget,
                budget.fraction,
                float(np.mean([b.n_labels for b in same])),
                over_seeds([b.uar for b in same]),
            )
        )
    return found


def _targets(results: Sequence[DatasetResult]) -> dict[str, Metric]:
    scores: dict[str, list[Metric]] = {}
    for result in results:
        for probe in result.probes:
            for target in probe.targets:
                name = f"{probe.probe}.{target.target} ({target.scale})"
                scores.setdefault(name, []).append(target.r2)
    return {name: over_seeds(metrics) for name, metrics in scores.items()}


def _mean_r2(metrics: Sequence[Metric]) -> Metric | None:
    """Mean over targets; without an interval, because targets of one embedding go together."""
    return Metric(value=float(np.mean([m.value for m in metrics]))) if metrics else None


def over_seeds(metrics: Sequence[Metric]) -> Metric:
    """Returns the mean over pre-training seeds with an interval over speakers and seeds.

    Seeds share their test speakers, so averaging them does not narrow the speakers' part: the mean
    half-width stays, and Student's t interval of the mean over the n seeds is added in quadrature.
    One seed keeps its own interval. No interval where one of the seeds has none.
    """
    if len(metrics) == 1:
        return metrics[0]
    values, n = [metric.value for metric in metrics], len(metrics)
    mean = float(np.mean(values))
    known = [(m.value, m.interval) for m in metrics if m.interval is not None]
    if len(known) < n:
        return Metric(value=mean)
    first = known[0][1]
    of_seeds = _t_quantile(0.5 + first.level / 2, n - 1) * float(np.std(values, ddof=1)) / n**0.5
    low = mean - float(np.hypot(np.mean([v - i.low for v, i in known]), of_seeds))
    high = mean + float(np.hypot(np.mean([i.high - v for v, i in known]), of_seeds))
    method = f"{first.method}, with {n} seeds in quadrature"
    return Metric(
        value=mean, interval=Interval(low=low, high=high, level=first.level, method=method)
    )


@cache
def _t_quantile(share: float, df: int) -> float:
    """Kept, since thousands of metrics ask for the same few."""
    from scipy.stats import t

    return float(t.ppf(share, df))


# -- showing -----------------------------------------------------------------------------------


def percent(metric: Metric | None) -> str:
    """Returns a share in percent with its interval, such as ``41.2 [35.1, 47.3]``."""
    if metric is None:
        return "–"
    text = f"{100 * metric.value:.1f}"
    if metric.interval is None:
        return text
    return f"{text} [{100 * metric.interval.low:.1f}, {100 * metric.interval.high:.1f}]"


def decimal(metric: Metric | None) -> str:
    """Returns an R² with its interval, such as ``0.31 [0.22, 0.40]``."""
    if metric is None:
        return "–"
    text = f"{metric.value:.2f}"
    if metric.interval is None:
        return text
    return f"{text} [{metric.interval.low:.2f}, {metric.interval.high:.2f}]"


def header(board: Board) -> str:
    """Returns a board's title."""
    return (
        f"{board.dataset}: {board.n_utterances} utterances, {board.n_speakers} speakers, "
        f"{len(board.labels)} labels, {board.n_folds} speaker-disjoint folds, {board.protocol}"
        f"{f', control: {board.control}' if board.control else ''}"
    )


def columns(board: Board) -> list[str]:
    """Returns the headings of a board's table."""
    return ["#", "row", *_identity(board), "seeds", f"UAR {board.budget}", "area", "WA", "F1", "R²"]


def _identity(board: Board) -> list[str]:
    """Columns that tell the rows apart; `asr` and the experiment only where they differ."""
    rows = board.main + board.controls
    names = ["labeler", "taxonomy", "encoder"]
    if len({row.asr for row in rows if row.asr}) > 1:
        names.insert(0, "asr")
    if len({row.experiment for row in rows}) > 1:
        names.insert(0, "experiment")
    return names + _other_axes(rows)


def _other_axes(rows: Sequence[Row]) -> list[str]:
    named = {"labeler", "taxonomy", "encoder", "asr"}
    return list(dict.fromkeys(axis for row in rows for axis in row.axes if axis not in named))


def cells(board: Board, row: Row, place: str) -> list[str]:
    """Returns a row's texts under `columns`."""
    known = {
        "experiment": row.experiment,
        "asr": row.asr,
        "labeler": row.axes.get("labeler", row.labeler),
        "taxonomy": row.axes.get("taxonomy", row.taxonomy),
        "encoder": row.axes.get("encoder", row.encoder),
        **row.axes,
    }
    if row.labeler is None:
        known |= {"labeler": None, "taxonomy": None, "encoder": row.encoder}
    return [
        place,
        (row.control or "main").replace("_", " "),
        *(str(known.get(name) or "–") for name in _identity(board)),
        str(row.n_seeds),
        percent(row.uar),
        percent(row.area),
        percent(row.wa),
        percent(row.macro_f1),
        decimal(row.r2),
    ]


def majority_cells(board: Board) -> list[str]:
    """Returns the texts of the majority row."""
    scores = [percent(board.majority.get(name)) for name in ("uar", "wa", "macro_f1")]
    uar, wa, f1 = scores
    return ["", "majority", *("–" for _ in _identity(board)), "–", uar, "–", wa, f1, "–"]


def tables(boards: Sequence[Board], *, targets: bool = False) -> list[Table]:
    """Returns one terminal table per board, and one with R² per target if `targets`."""
    from rich.markup import escape
    from rich.table import Table

    found = []
    for board in boards:
        caption = escape(" · ".join(notes(board)))
        table = Table(title=escape(header(board)), caption=caption, title_justify="left",
                      caption_justify="left")  # fmt: skip
        for name in columns(board):
            numeric = name in ("#", "seeds") or name[:3] in ("UAR", "are", "WA", "F1", "R²")
            table.add_column(escape(name), justify="right" if numeric else "left", overflow="fold")
        for place, row in enumerate(board.main, start=1):
            table.add_row(*map(escape, cells(board, row, str(place))), style="bold" * (place == 1))
        table.add_section()
        for row in board.controls:
            table.add_row(*map(escape, cells(board, row, "")), style="dim")
        table.add_row(*map(escape, majority_cells(board)), style="dim")
        found.append(table)
        if targets:
            found.append(_target_table(board))
    return found


def _target_table(board: Board) -> Table:
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=f"{escape(board.dataset)}: R² per target", title_justify="left")
    rows = board.main + board.controls
    table.add_column("target", overflow="fold")
    for row in rows:
        table.add_column(escape(row.name), justify="right", overflow="fold")
    for name in dict.fromkeys(target for row in rows for target in row.targets):
        table.add_row(escape(name), *(decimal(row.targets.get(name)) for row in rows))
    return table


def notes(board: Board) -> list[str]:
    """Returns what a reader of the table must know."""
    method = next((r.uar.interval for r in board.main + board.controls if r.uar.interval), None)
    said = []
    if method is not None:
        said.append(f"in brackets: {100 * method.level:g} % intervals, {method.method}")
    else:
        said.append("too few speakers for intervals")
    said.append(f"area: under UAR over {board.area_axis}")
    said.append("R²: mean over probe targets, raw scale")
    if board.fixed_sentences:
        said.append("fixed sentences: words carry no emotion here")
    return [*said, *board.warnings]


def markdown(boards: Sequence[Board]) -> str:
    """Returns the boards as a Markdown page."""
    lines = ["# Leaderboard", "", "Generated by `lanser-bench leaderboard --markdown`.", ""]
    for board in boards:
        lines += [f"## {_md(header(board))}", ""]
        heads = columns(board)
        lines += ["| " + " | ".join(map(_md, heads)) + " |", "|" + " --- |" * len(heads)]
        rows = [cells(board, row, str(place)) for place, row in enumerate(board.main, start=1)]
        rows += [[f"*{c}*" if c and c != "–" else c for c in cells(board, row, "")]
                 for row in board.controls]  # fmt: skip
        rows.append(majority_cells(board))
        lines += ["| " + " | ".join(map(_md, row)) + " |" for row in rows]
        lines += [
            "",
            *(f"- {_md(note)}" for note in notes(board)),
            f"- split {board.split_hash}",
            "",
        ]
    return "\n".join(lines)


def _md(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def as_json(boards: Sequence[Board]) -> list[dict[str, Any]]:
    """Returns the boards as plain JSON values."""
    return [_plain(board) for board in boards]


def _plain(value: Any) -> Any:
    if isinstance(value, Metric):
        return value.model_dump(mode="json")
    if isinstance(value, Board | Row | CurvePoint):
        return {name: _plain(getattr(value, name)) for name in value.__dataclass_fields__}
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list) else value
