"""The leaderboard: boards as tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ...evaluation.contrast import QUADRATURE, SEEDED
from ...measurements import COLUMNS
from ...numbers import decimal, p_text, percent
from ...records.names import AXES_SHOWN, control_text
from ..tables.sheet import NONE, ONE_SEED, Column, Entry, Sheet, Shown, csv_text, markdown, verdict
from .boards import Board
from .ranking import Standing
from .rows import Row, regression_probes
from .targets import target_sheet

METRIC_HEADS = {"uar": "UAR", "wa": "WA", "macro_f1": "F1", "area": "area"}
ABOUT = {
    "uar": "unweighted average recall of the classes, %",
    "wa": "weighted accuracy: share of utterances recognised, %",
    "macro_f1": "macro-averaged F1, %",
    "area": "area under UAR over the label budgets, %",
}
PARTS = ("experiment", "asr", "labeler", "taxonomy", "encoder")
"""What a row is made of besides the other axes of its grid."""


def header(board: Board) -> str:
    """Returns a board's title."""
    return (
        f"{board.title}: {board.n_utterances} utterances, {board.n_speakers} speakers, "
        f"{len(board.labels)} labels, {board.n_folds} speaker-disjoint folds, {board.protocol}"
        f"{f', control: {board.control}' if board.control else ''}"
    )


def ranked(board: Board) -> bool:
    """Whether the rows of a board have ranks with intervals."""
    return any(row.standing is not None for row in board.main)


def place(row: Row, position: int) -> str:
    """Returns a main row's rank in tables: its plausible ranks, if they were computed."""
    return str(position) if row.standing is None else row.standing.text


def to_best_text(standing: Standing | None) -> str:
    """Returns how far a row is from the best, such as ``-3.1 [-5.0, -1.2], p .004``."""
    if standing is None or standing.behind is None:
        return NONE
    text = percent(standing.behind)
    if standing.p_value is None:
        return text
    p = p_text(standing.p_value).lstrip("0")
    return f"{text}, p {p}" + ("" if standing.seeds_known else " *")


def sheet(board: Board) -> Sheet:
    """Returns a board as a table: main rows best first, then controls and the majority class."""
    rows = [*board.main, *board.controls]
    entries = [_entry(row, place(row, i)) for i, row in enumerate(board.main, start=1)]
    entries[:1] = [replace(entry, role="best") for entry in entries[:1]]
    entries += [_entry(row, "") for row in board.controls]
    majority = {"rank_best": "", "row": "majority", "name": "majority", **board.majority}
    return Sheet(
        title=header(board),
        columns=[*_identity(board, rows), *_scores(board, rows)],
        rows=[*entries, Entry(majority, "majority")],
        shared=shared_text(board),
        faults=board.faults,
        notes=notes(board)[len(board.faults) :],
        facts={"dataset": board.dataset, "split": board.split_hash, "budget": board.budget},
    )


def sheets(boards: Sequence[Board], *, targets: bool = False) -> list[Sheet]:
    """Returns one table per board, each followed by that of its probe targets if `targets`."""
    both = [(sheet(board), target_sheet(board)) for board in boards]
    return [found for pair in both for found in pair[: 1 + targets]]


def _identity(board: Board, rows: Sequence[Row]) -> list[Column]:
    """Columns that identify a row: the axes that vary, or its name if there are many."""
    axes = dict.fromkeys((*PARTS, *(axis for row in rows for axis in row.axes)))
    several = len(board.axes) > AXES_SHOWN
    heads = {} if several else board.axes
    return [
        Column("rank_best", "#", right=True, about="rank, or plausible ranks (95 %)"),
        Column("row", None if several else "row", names="axes"),
        Column("name", "row", names="" if several else "name"),
        *(Column(axis, heads.get(axis), names="axes") for axis in axes),
        Column("role", None),
        Column("control", None),
        Column("seeds", None if _seeds(rows) else "seeds", right=True, about="training seeds"),
    ]


def _seeds(rows: Sequence[Row]) -> str:
    """Returns how many seeds all rows have whose training draws; empty if they differ."""
    numbers = {row.n_seeds for row in rows if row.drawn}
    if len(numbers) > 1:
        return ""
    return f"{n} training seed{'s' * (n > 1)}" if (n := max(numbers, default=0)) else "no seeds"


def shared_text(board: Board) -> str:
    """Returns what all rows of a board share, in words."""
    seeds = _seeds((*board.main, *board.controls))
    shared = board.shared if len(board.shared) == 1 else []
    return "; ".join(text for text in (*shared, seeds) if text != "no seeds")


def _scores(board: Board, rows: Sequence[Row]) -> list[Column]:
    heads: dict[str, str | None] = {**METRIC_HEADS, "uar": f"UAR {board.budget}", "r2": "R²"}
    by = board.metric

    def score(name: str) -> Column:
        return Column(name, heads[name], percent, True, ABOUT[name], None if name == by else 3)

    name = METRIC_HEADS[by]
    to_best = f"{name} to best" if ranked(board) else None
    more = [c for c in COLUMNS.values() if any(row.more.get(c.name) is not None for row in rows)]
    needed = dict.fromkeys(head for row in rows for head in row.needed)
    if all(row.r2 is None for row in rows):
        heads["r2"] = None
    if all(len(row.curve) == 1 for row in rows):
        heads["area"] = None  # it is the score itself
    return [
        *map(score, ("uar", "area", "wa", "macro_f1")),
        Column("rank_worst", None),
        Column(
            "to_best", to_best, right=True, about=f"{name} minus that of the best row", judged=True
        ),
        Column("p", None),
        Column("r2", heads["r2"], decimal, True, "mean over probe targets", 2),
        *(Column(c.name, c.head, percent if c.points else decimal, True, order=1) for c in more),
        *(Column(head, head, right=True, order=3) for head in needed),
    ]


def _entry(row: Row, place: str) -> Entry:
    standing = row.standing
    behind = standing.behind if standing else None
    axes = {**row.axes, **{name: getattr(row, name) for name in PARTS}}
    return Entry(
        {
            **{axis: Shown(value, row.shown.get(axis, NONE)) for axis, value in axes.items()},
            **{name: row.score(name) for name in (*METRIC_HEADS, "r2", *COLUMNS)},
            **row.needed,
            "rank_best": Shown(standing.best if standing else None, place),
            "rank_worst": standing.worst if standing else None,
            "row": Shown(row.name, control_text(row.control)),
            "name": row.title,
            "role": row.role,
            "control": row.control,
            "seeds": row.n_seeds,
            "to_best": Shown(behind.value if behind else None, to_best_text(standing)),
            "p": standing.p_value if standing else None,
        },
        "" if row.role == "main" else "control",
        verdict(standing.behind if standing else None, standing.p_value if standing else None),
    )


def notes(board: Board) -> list[str]:
    """Returns the notes below the table, faults first."""
    made = [r.uar.interval for r in board.main + board.controls if r.uar.interval]
    # Rows of several seeds first: their method also names the seeds.
    method = next((i for i in made if i.method == SEEDED), made[0] if made else None)
    said = []
    if method is not None:
        said.append(f"in brackets: {100 * method.level:g} % intervals, {method.method}")
    else:
        said.append("too few speakers for intervals")
    if ranked(board):
        said.append(
            f"#: plausible ranks by {METRIC_HEADS[board.metric]} (95 %); to best: paired by "
            f"utterance over seeds × speakers, p by Holm over the {len(board.main)} main rows"
        )
        said.append(declared_note(board))
    if any(row.standing and not row.standing.seeds_known for row in board.main):
        said.append(ONE_SEED)
    said += _wide_note(board)
    said.append(f"area: under UAR over {board.area_axis}")
    said += _r2_note(board)
    if board.fixed_sentences:
        said.append("fixed sentences: words carry no emotion here")
    return [*board.faults, *said, *(board.shared if len(board.shared) > 1 else ()), *board.warnings]


def _wide_note(board: Board) -> list[str]:
    """Names the scores that are averaged without predictions: their intervals are not exact."""
    rows = [row for row in (*board.main, *board.controls) if row.n_seeds > 1]
    found: dict[str, list[str]] = {}
    for name, head in {**METRIC_HEADS, **{c.name: c.head for c in COLUMNS.values()}}.items():
        scores = [(row.title, row.score(name)) for row in rows]
        wide = [row for row, m in scores if m and m.interval and QUADRATURE in m.interval.method]
        if wide:
            of = f" of {', '.join(wide)}" if name in METRIC_HEADS and len(wide) < len(rows) else ""
            found.setdefault(of, []).append(head)
    if not found:
        return []
    named = "; ".join(f"{', '.join(heads)}{of}" for of, heads in found.items())
    return [f"seeds averaged without predictions, so intervals are wider than exact ones: {named}"]


def _r2_note(board: Board) -> list[str]:
    """Returns which targets the column R² is the mean of, if there is one."""
    rows = [*board.main, *board.controls]
    probes = dict.fromkeys(p for row in rows for p in regression_probes(row.targets, row.chance))
    if len(probes) < 2:
        return ["R²: mean over probe targets, raw scale"] * len(probes)
    first, *others = probes
    return [f"R²: mean over the targets of {first}, raw scale (not of {', '.join(others)})"]


def declared_note(board: Board) -> str:
    """Returns which comparisons were declared before the runs."""
    if not board.declared:
        return "no comparison was declared in advance; p is corrected over all main rows"
    few = "; ".join(board.declared) if len(board.declared) < 4 else ""
    return (
        f"declared in advance: {few or f'{len(board.declared)} comparisons'} (`lanser-bench "
        "compare` tests them as one family); everything else here is exploratory"
    )


def leaderboard_markdown(boards: Sequence[Board], *, targets: bool = False) -> str:
    """Returns a Markdown page: a section per board, and one of probe targets if `targets`."""
    parts = ["# Leaderboard\n\nGenerated by `lanser-bench leaderboard --markdown`.\n"]
    for board in boards:
        found = sheet(board)
        parts.append(markdown(replace(found, notes=[*found.notes, f"split {board.split_hash}"])))
        if targets:
            parts.append(markdown(target_sheet(board), "### {}"))
    return "\n".join(parts)


def comma_separated(boards: Sequence[Board]) -> str:
    """Returns numbers, not texts: a line per row of every board; scores are shares."""
    sheets = map(sheet, boards)
    return csv_text([replace(found, rows=found.rows[:-1]) for found in sheets])
