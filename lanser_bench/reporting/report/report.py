"""The report: one self-contained page that starts with the finding and shows its evidence."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from ... import __version__
from ...errors import DataError
from ...measurements import MEASUREMENTS
from ...numbers import decimal, p_text, percent
from ...records.reading import read_records
from ...store import write_atomic
from ..comparing.declared import DeclaredLine, declared_lines
from ..leaderboard.boards import Board
from ..leaderboard.rows import Row
from ..leaderboard.table import header, notes, place
from .charts import board_curves, lines
from .clips import SECONDS, Clips
from .data import RecordFile, Records
from .finding import declared_headline, finding, verdict
from .hardest import hardest
from .matrix import matrices
from .matrix_views import gap_text, heat_lines, label_notes
from .sections import sections
from .weak_labels import label_panels
from .whiskers import ends, whisker

CURVES = 5
"""Main rows whose curves are drawn; more would be indistinguishable. The tables have all rows."""
CONFUSIONS = 3
PAGE = 50
"""Rows of a leaderboard that are shown at first."""


def write_report(
    results: Iterable[str | Path],
    output: str | Path,
    *,
    report: Callable[[str], None] = lambda sentence: None,
    store: str | Path | None = None,
    with_audio: Collection[str] = (),
) -> Path:
    """Writes the report of some results: the Python twin of `lanser-bench report`.

    Args:
        results: folders of result records, or single files.
        output: the page to write.
        report: called with a sentence for each file left out; the page shows it too.
        store: the run's store, for transcripts and sound of single clips.
        with_audio: datasets whose transcripts and sound you may pass on, though their licence does
            not let everybody do so.

    Returns:
        The page's path.

    Raises:
        DataError: no records, or a place that cannot be written.
    """
    page = Path(output)
    reading = read_records(Path(place) for place in results)
    for sentence in reading.left_out:
        report(f"Left out: {sentence}")
    clips = Clips(None if store is None else Path(store), with_audio)
    text = render(reading.records, reading.left_out, clips)
    try:
        write_atomic(page, text)
    except OSError as error:
        raise DataError(f"{page} cannot be written: {error.strerror}.") from None
    return page


def render(
    files: Sequence[RecordFile], unread: Sequence[str] = (), clips: Clips | None = None
) -> str:
    """Returns the page's HTML.

    Every text of users is escaped. The content policy allows only the script of the page itself.
    """
    records, clips = Records(files), clips or Clips(None)
    declared = declared_lines(records.selection)
    boards = [_board(records, board, i, declared, clips) for i, board in enumerate(records.boards)]
    style, script = (part(f"report.{x}") + part(f"clips.{x}") for x in ("css", "js"))
    template = environment().get_template("report.html.j2")
    made: str = template.render(
        boards=boards,
        unread=[*unread, *records.faults],
        experiments=sorted({record.experiment for _, record in records.files}),
        n_records=len(records.files),
        older=records.older,
        costs=_costs(records),
        quality=records.label_quality(),
        label_panels=label_panels(records, clips),
        cut=SECONDS,
        matrices=_matrices(records),
        host=_host(records),
        style=style,
        script=script,
        script_hash=_hash(script),
        page=PAGE,
        version=__version__,
        made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )
    return made


def _board(
    records: Records, board: Board, number: int, declared: Sequence[DeclaredLine], clips: Clips
) -> dict[str, Any]:
    span = _span(board)
    rows = [_row(records, row, span, i) for i, row in enumerate((*board.main, *board.controls), 1)]
    main = board.main[:CURVES]
    matched = {c.name: c for row in main for c in records.controls_of(board, row)}
    controls = list(matched.values()) or _one_of_each(board.controls)
    shown = lines(board, main, controls)
    place = (board.dataset, board.split_hash)
    tested = [one for one in declared if (one.dataset, one.split_hash) == place]
    return {
        "id": number,
        "board": board,
        "header": header(board),
        "notes": notes(board),
        "finding": finding(records, board),
        "declared": [(one, verdict(one.line.difference)) for one in tested],
        "tested": declared_headline(board, tested) if tested else None,
        "rows": rows,
        "axes": sorted({axis for row in (*board.main, *board.controls) for axis in row.axes}),
        "majority": board.majority,
        "chart": board_curves(board, shown, number),
        "curve_rows": [(row.title, row.curve) for row in (*main, *controls)],
        "left_out": len(board.main) - len(main),
        "sections": list(sections(records, board)),
        "confusions": [_confusion(records, board, row) for row in _confused(board)],
        "hardest": hardest(records, board, clips),
        "taxonomies": _by(board, "taxonomy"),
        "labelers": _by(board, "labeler"),
    }


def _matrices(records: Records) -> list[dict[str, Any]]:
    """Returns the heat map and the means of each matrix."""
    return [
        {
            "id": f"{measurement.matrix.anchor}-{number}",
            "board": board,
            "lines": heat_lines(board),
            "notes": [*label_notes(board), *board.notes],
            "gaps": [gap_text(row.gap) for row in board.rows],
        }
        for measurement in MEASUREMENTS
        if measurement.matrix is not None
        for number, board in enumerate(matrices(records, measurement))
    ]


def _row(records: Records, row: Row, span: tuple[float, float], at: int) -> dict[str, Any]:
    return {
        "row": row,
        "name": row.title,
        "place": place(row, at) if row.role == "main" else "",
        "role": "main" if row.role == "main" else row.title,
        "source": records.source(row),
        "r2": decimal(row.r2),
        "whisker": whisker(row.uar, span),
    }


def _one_of_each(controls: Sequence[Row]) -> list[Row]:
    first: dict[str, Row] = {}
    for row in controls:
        first.setdefault(row.control or row.name, row)
    return list(first.values())


def _span(board: Board) -> tuple[float, float]:
    """Returns the ends of the scale for the intervals of a board's rows."""
    places = [ends(row.uar) for row in (*board.main, *board.controls)] or [(0.0, 1.0)]
    return min(1 / len(board.labels), *(low for low, _ in places)), max(high for _, high in places)


def _confused(board: Board) -> list[Row]:
    return [*board.main[:CONFUSIONS], *_one_of_each(board.controls)[:1]]


def _confusion(records: Records, board: Board, row: Row) -> dict[str, Any]:
    """Returns counts over all seeds, shaded by the share of each gold label."""
    total = [[0] * len(board.labels) for _ in board.labels]
    for result in records.results(row):
        for i, line in enumerate(result.evaluation.confusion):
            for j, count in enumerate(line):
                total[i][j] += count
    cells = []
    for label, line in zip(board.labels, total, strict=True):
        size = sum(line) or 1
        cells.append((label, [(n, 100 * n / size, round(min(n / size, 1) * 45)) for n in line]))
    return {"name": row.title, "labels": board.labels, "rows": cells, "seeds": row.n_seeds}


def _by(board: Board, what: str) -> list[dict[str, Any]]:
    """Returns the rows of each taxonomy, or labeler, side by side; empty if there is only one."""
    groups: dict[str, list[Row]] = {}
    for row in board.main:
        value = getattr(row, what)
        if value is not None:
            groups.setdefault(str(value), []).append(row)
    if len(groups) < 2:
        return []
    span = _span(board)
    lines = [
        {
            "name": name,
            "n": len(rows),
            "mean": sum(r.uar.value for r in rows) / len(rows),
            "best": percent(rows[0].uar),
            "best_row": rows[0].title,
            "whisker": whisker(rows[0].uar, span),
        }
        for name, rows in groups.items()
    ]
    return sorted(lines, key=lambda g: -float(str(g["mean"])))


def _costs(records: Records) -> list[dict[str, Any]]:
    costs = [(stage, sum(times), len(times)) for stage, times in records.costs().items()]
    most = max((seconds for _, seconds, _ in costs), default=0) or 1
    return [
        {
            "stage": stage,
            "runs": runs,
            "time": _clock(seconds),
            "width": round(100 * seconds / most, 1),
        }
        for stage, seconds, runs in sorted(costs, key=lambda cost: -cost[1])
    ]


def _clock(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def _host(records: Records) -> str:
    hosts = {
        f"{r.host.get('system', '?')} {r.host.get('machine', '')}, {r.host.get('cpus', '?')} cores"
        for _, r in records.files
        if r.host
    }
    return "; ".join(sorted(hosts))


def part(name: str) -> str:
    """Returns the text of a template, style or script."""
    return files(__package__).joinpath("templates", name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


@cache
def environment() -> Any:
    """Returns what fills the templates; every text of users is escaped."""
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    environment = Environment(
        loader=FunctionLoader(part),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["p_text"] = p_text
    return environment
