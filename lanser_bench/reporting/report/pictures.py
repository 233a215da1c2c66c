"""Pictures for papers, at column width and with direct labels, from the content of the page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ...errors import DataError
from ...experiment.settings.axis_names import slug
from ...measurements import MEASUREMENTS
from ...records.reading import read_records
from ..comparing.declared import common, declared_lines
from ..leaderboard.boards import Board
from ..leaderboard.rows import Row
from ..tables.pictures import COLUMN, heat_map, save_picture
from . import charts, costs, forest
from .content import (
    DECLARED_ENDS,
    confused,
    confusion_counts,
    curve_lines,
    declared_differences,
    row_costs,
)
from .data import Records, board_anchor
from .finding import Difference, in_words
from .matrix import MatrixBoard, matrices
from .probe_gaps import ProbeGaps
from .questions import answer

ROWS = 8
"""Main rows in the picture of a run."""
Pictures = Iterator[tuple[str, Callable[[], Any]]]
"""Name of a picture, and what draws it."""


def write_pictures(
    results: Iterable[str | Path],
    folder: str | Path,
    *,
    formats: Sequence[str] = (".pdf", ".svg"),
    report: Callable[[str], None] = lambda sentence: None,
) -> list[Path]:
    """Draws every picture of the report: the twin of `lanser-bench report --pictures`.

    Args:
        results: folders of result records, or single files.
        folder: where to write; pictures of the same names are replaced.
        formats: suffixes of the files, which are returned.
        report: called with a sentence for each file left out.

    Raises:
        DataError: no records, or a place that cannot be written.
    """
    reading = read_records(Path(place) for place in results)
    for sentence in reading.left_out:
        report(f"Left out: {sentence}")
    records = Records(reading.records)
    found = [b for m in MEASUREMENTS if m.matrix is not None for b in matrices(records, m)]
    written = []
    for board in records.boards:
        for name, draw in pictures_of(records, board, found):
            figure = draw()
            for suffix in formats:
                path = Path(folder) / f"{board_anchor(board)}-{name}{suffix}"
                try:
                    save_picture(figure, path)
                except OSError as error:
                    raise DataError(f"{path} cannot be written: {error.strerror}.") from None
                written.append(path)
    return written


def pictures_of(records: Records, board: Board, matrix: Sequence[MatrixBoard] = ()) -> Pictures:
    """Yields the pictures of a board; add others here."""
    lines = declared_lines(records.selection)
    tested = [in_words(one) for one in lines if one.of == (board.dataset, board.split_hash)]
    if tested:
        drawn, title = declared_differences(tested), ", ".join([*common(tested), board.title])
        yield "declared", partial(forest.draw, drawn, DECLARED_ENDS, title=title)
    found = answer(records, board, matrix).finding
    if found.differences:
        yield "finding", partial(forest.draw, found.differences, found.ends)
    curves = curve_lines(records, board)
    if any(len(line.points) > 1 for line in curves):
        yield "label-efficiency", partial(charts.draw, curves, charts.board_axes(board))
    rows = row_costs(records, board)
    if len(rows) > 2:
        yield "cost", partial(costs.draw, rows)
    if best := next((row for row in board.main if row.targets), None):
        gaps = ProbeGaps(records, board).of(best, "speaker")
        dots = [
            Difference(name.partition(".")[2].replace("_", " "), False, gap.difference)
            for name, gap in gaps.items()
            if name not in best.chance
        ]
        if dots:
            ends = "best control better", f"{best.encoder} better"
            yield "prosody", partial(forest.draw, dots, ends, unit="R²")
    for number, row in enumerate(confused(board), 1):
        yield f"confusions-{number}", partial(_confusions, records, board, row)


def _confusions(records: Records, board: Board, row: Row) -> Any:
    counts = confusion_counts(records, board, row)
    axes, _ = heat_map(counts, board.labels, board.labels, top=1)
    axes.set_title(row.title, fontsize=7, loc="left")
    side = max(COLUMN, 0.9 + 0.2 * len(board.labels))
    axes.figure.set_size_inches(side, side)
    return axes.figure


def save_curves(boards: Sequence[Board], folder: Path) -> None:
    """Draws the label-efficiency curves of each board as PNG and SVG into `folder`."""
    for board in boards:
        if not any(len(row.curve) > 1 for row in board.main + board.controls):
            continue
        kinds = {row.control: row for row in reversed(board.controls)}
        rows = [*board.main[:ROWS], *kinds.values()]
        lines = charts.lines([(row, row.title, "") for row in rows], len(rows))
        figure = charts.draw(lines, charts.board_axes(board))
        stem = f"label-efficiency-{slug(board.dataset)}-{board.split_hash[:6]}"
        for suffix in (".png", ".svg"):
            save_picture(figure, folder / f"{stem}{suffix}")
            figure.set_layout_engine("none")  # computing it takes a third of the time
