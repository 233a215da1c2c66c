"""The leaderboard: boards as tables for terminals, as Markdown and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ...evaluation.contrast import QUADRATURE, SEEDED
from ...evaluation.results import Metric
from ...numbers import decimal, percent
from ..tables.width import no_room, packed
from .boards import Board, rank
from .ranking import Standing
from .rows import CurvePoint, Gap, Row, regression_probes
from .targets import TARGET_NOTE, target_cells, target_table

if TYPE_CHECKING:
    from rich.table import Table

__all__ = [
    "Board",
    "CurvePoint",
    "Row",
    "as_json",
    "cells",
    "columns",
    "decimal",
    "header",
    "leaderboard_markdown",
    "majority_cells",
    "notes",
    "percent",
    "place",
    "rank",
    "ranked",
    "tables",
    "to_best_text",
]


METRIC_HEADS = {"uar": "UAR", "wa": "WA", "macro_f1": "F1", "area": "area"}
HEADS = set(METRIC_HEADS.values())
MORE_HEADS = {
    "finetune": "UAR fine-tuned",
    "drop_f0": "drop, F0 flat",
    "drop_energy": "drop, energy flat",
    "zero_shot": "UAR zero-shot",
    "text_only": "UAR text-only",
}
"""Columns that stand there where a row has them."""


def header(board: Board) -> str:
    """Returns a board's title."""
    return (
        f"{board.title}: {board.n_utterances} utterances, {board.n_speakers} speakers, "
        f"{len(board.labels)} labels, {board.n_folds} speaker-disjoint folds, {board.protocol}"
        f"{f', control: {board.control}' if board.control else ''}"
    )


def columns(board: Board) -> list[str]:
    """Returns the headings of a board's table."""
    to_best = [f"{METRIC_HEADS[board.metric]} to best"] if ranked(board) else []
    heads = ["#", "row", *_identity(board), "seeds", f"UAR {board.budget}", "area", "WA", "F1"]
    more = [*(MORE_HEADS[name] for name in _more(board)), *_needed(board)]
    return [*heads, *to_best, "R²", *more]


def ranked(board: Board) -> bool:
    """Whether the rows of a board have ranks with intervals."""
    return any(row.standing is not None for row in board.main)


def place(row: Row, position: int) -> str:
    """Returns a main row's rank as it is printed: with its interval where there is one."""
    return str(position) if row.standing is None else row.standing.text


def to_best_text(standing: Standing | None) -> str:
    """Returns how far a row is from the best, such as ``-3.1 [-5.0, -1.2], p .004``."""
    if standing is None or standing.behind is None:
        return "–"
    text = percent(standing.behind)
    if standing.p_value is None:
        return text
    p = f"{standing.p_value:.3f}".lstrip("0") if standing.p_value >= 0.001 else "< .001"
    return f"{text}, p {p}" + ("" if standing.seeds_known else " *")


def _more(board: Board) -> list[str]:
    rows = board.main + board.controls
    return [name for name in MORE_HEADS if any(getattr(row, name) is not None for row in rows)]


def _needed(board: Board) -> list[str]:
    rows = board.main + board.controls
    return list(dict.fromkeys(head for row in rows for head in row.needed))


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
        *([to_best_text(row.standing)] if ranked(board) else []),
        decimal(row.r2),
        *(percent(getattr(row, name)) for name in _more(board)),
        *(row.needed.get(head, "–") for head in _needed(board)),
    ]


def majority_cells(board: Board) -> list[str]:
    """Returns the texts of the majority row."""
    scores = [percent(board.majority.get(name)) for name in ("uar", "wa", "macro_f1")]
    uar, wa, f1 = scores
    more = ["–"] * ranked(board)
    return [
        "",
        "majority",
        *("–" for _ in _identity(board)),
        "–",
        uar,
        "–",
        wa,
        f1,
        *more,
        "–",
        *("–" for _ in (*_more(board), *_needed(board))),
    ]


def tables(
    boards: Sequence[Board], *, targets: bool = False, width: int | None = None
) -> list[Table]:
    """Returns one terminal table per board, and one of probe targets if `targets`.

    Args:
        boards: what is shown.
        targets: whether probe targets are shown too.
        width: characters of a line; columns that do not fit are left out and named. None: all.
    """
    found = []
    for board in boards:
        found.append(_table(board, width))
        if targets:
            found.append(target_table(board, width))
    return found


def _table(board: Board, width: int | None) -> Table:
    from rich.markup import escape
    from rich.table import Table

    main = [cells(board, row, place(row, i)) for i, row in enumerate(board.main, start=1)]
    controls = [*(cells(board, row, "") for row in board.controls), majority_cells(board)]
    heads = columns(board)
    kept = _fitting(board, [heads, *main, *controls], width)
    said = notes(board)
    if len(kept) < len(heads):
        away = [head for i, head in enumerate(heads) if i not in kept]
        said.append(no_room(away, "leaderboard --format md"))
    table = Table(
        title=escape(header(board)),
        caption=escape(" · ".join(said)),
        title_justify="left",
        caption_justify="left",
    )
    for name in (heads[i] for i in kept):
        numeric = name in ("#", "seeds", "R²") or name.split()[0] in HEADS
        table.add_column(escape(name), justify="right" if numeric else "left", overflow="fold")
    for number, line in enumerate(main):
        table.add_row(*(escape(line[i]) for i in kept), style="" if number else "bold")
    table.add_section()
    for line in controls:
        table.add_row(*(escape(line[i]) for i in kept), style="dim")
    return table


def _fitting(board: Board, lines: Sequence[Sequence[str]], width: int | None) -> list[int]:
    """Returns which columns are shown: what tells rows apart, and of the rest what fits.

    The score that ranks comes first, then how far a row is behind, then R².
    """
    from rich.cells import cell_len

    n = len(lines[0])
    if width is None:
        return list(range(n))
    needs = [max(cell_len(line[i]) for line in lines) + 3 for i in range(n)]
    seeds = 2 + len(_identity(board))
    score = seeds + 1 + ("uar", "area", "wa", "macro_f1").index(board.metric)
    to_best = [seeds + 5] * ranked(board)
    wanted = dict.fromkeys([*to_best, lines[0].index("R²"), *range(seeds, n)])
    return packed(needs, {*range(seeds), score}, wanted, width)


def notes(board: Board) -> list[str]:
    """Returns what a reader of the table must know."""
    made = [r.uar.interval for r in board.main + board.controls if r.uar.interval]
    # Rows of several seeds first: their method says what is beside speakers.
    method = next((i for i in made if i.method == SEEDED), made[0] if made else None)
    said = []
    if method is not None:
        said.append(f"in brackets: {100 * method.level:g} % intervals, {method.method}")
    else:
        said.append("too few speakers for intervals")
    if ranked(board):
        said.append(
            f"#: ranks that a row may have by {METRIC_HEADS[board.metric]}; to best: paired by "
            f"utterance over seeds × speakers, p by Holm over the {len(board.main)} main rows"
        )
        said.append(declared_note(board))
    if any(row.standing and not row.standing.seeds_known for row in board.main):
        said.append("* from one training seed: how much seeds vary is not in it")
    said += _wide_note(board)
    said.append(f"area: under UAR over {board.area_axis}")
    said.append(_r2_note(board))
    if board.fixed_sentences:
        said.append("fixed sentences: words carry no emotion here")
    return [*said, *board.warnings]


def _wide_note(board: Board) -> list[str]:
    """Names the scores that are not computed from predictions: their intervals are not exact."""
    rows = [row for row in (*board.main, *board.controls) if row.n_seeds > 1]
    found: dict[str, list[str]] = {}
    for name, head in {**METRIC_HEADS, **MORE_HEADS}.items():
        scores = [(row.name, getattr(row, name)) for row in rows]
        wide = [row for row, m in scores if m and m.interval and QUADRATURE in m.interval.method]
        if wide:
            of = f" of {', '.join(wide)}" if name in METRIC_HEADS and len(wide) < len(rows) else ""
            found.setdefault(of, []).append(head)
    if not found:
        return []
    named = "; ".join(f"{', '.join(heads)}{of}" for of, heads in found.items())
    return [f"seeds averaged without predictions, so intervals are wider than exact ones: {named}"]


def _r2_note(board: Board) -> str:
    """Returns what the column R² is the mean of."""
    rows = [*board.main, *board.controls]
    probes = dict.fromkeys(p for row in rows for p in regression_probes(row.targets, row.chance))
    first, *others = probes or [""]
    if not others:
        return "R²: mean over probe targets, raw scale"
    return f"R²: mean over the targets of {first}, raw scale (not of {', '.join(others)})"


def declared_note(board: Board) -> str:
    """Returns which comparisons were declared before the runs."""
    if not board.declared:
        return "nothing was declared before the run: all main rows are the family"
    return (
        f"declared before the run: {'; '.join(board.declared)} (`lanser-bench compare` tests them "
        "as one family); all else here is exploratory"
    )


def leaderboard_markdown(boards: Sequence[Board], *, targets: bool = False) -> str:
    """Returns the boards as a Markdown page, with a table of probe targets each if `targets`."""
    lines = ["# Leaderboard", "", "Generated by `lanser-bench leaderboard --markdown`.", ""]
    for board in boards:
        lines += [f"## {_md(header(board))}", ""]
        heads = columns(board)
        lines += ["| " + " | ".join(map(_md, heads)) + " |", "|" + " --- |" * len(heads)]
        rows = [cells(board, row, place(row, i)) for i, row in enumerate(board.main, start=1)]
        rows += [
            [f"*{c}*" if c and c != "–" else c for c in cells(board, row, "")]
            for row in board.controls
        ]
        rows.append(majority_cells(board))
        lines += ["| " + " | ".join(map(_md, row)) + " |" for row in rows]
        lines += [
            "",
            *(f"- {_md(note)}" for note in notes(board)),
            f"- split {board.split_hash}",
            "",
        ]
        if targets:
            heads, rows = target_cells(board)
            lines += ["| " + " | ".join(map(_md, heads)) + " |", "|" + " --- |" * len(heads)]
            lines += ["| " + " | ".join(map(_md, row)) + " |" for row in rows]
            lines += ["", f"- {_md(TARGET_NOTE)}", ""]
    return "\n".join(lines)


def _md(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def as_json(boards: Sequence[Board]) -> list[dict[str, Any]]:
    """Returns the boards as plain JSON values."""
    return [_plain(board) for board in boards]


def _plain(value: Any) -> Any:
    if isinstance(value, Metric):
        return value.model_dump(mode="json")
    if isinstance(value, Board | Row | CurvePoint | Standing | Gap):
        return {name: _plain(getattr(value, name)) for name in value.__dataclass_fields__}
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list) else value
