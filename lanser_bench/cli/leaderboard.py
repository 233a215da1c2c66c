"""`lanser-bench leaderboard`: show result records as a table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ..errors import DataError, SettingsError
from ..printing import echo, markdown_text
from ..reporting.tables.form import Format
from . import _shared as shared
from ._shared import in_data, in_output, many_small_tables, note, read_results, writing

if TYPE_CHECKING:
    from ..reporting.leaderboard.boards import Board
    from ..reporting.leaderboard.by_axis import AxisBoard
    from ..reporting.selection import Selection

BoardT = TypeVar("BoardT", "Board", "AxisBoard")


def leaderboard(
    folders: list[Path] = shared.FOLDERS,
    by: str | None = in_data(
        None, help="Rank the values of an axis: labeler, taxonomy, encoder, asr …"
    ),
    dataset: str | None = in_data(None, help="Show only scores on this labelled set."),
    metric: str = shared.METRIC,
    everything: bool = in_data(
        False, "--all", help="Also show older records of a cell; default: only its newest."
    ),
    targets: bool = in_data(
        False,
        "--targets",
        help="Also show each probe target and its difference from the best control.",
    ),
    transfer: bool = in_data(False, "--transfer", help="Show heads of one set on the others."),
    form: Format = shared.FORMAT,
    notes: bool = shared.NOTES,
    as_json: bool = shared.AS_JSON_FORM,
    markdown: Path | None = in_output(None, help="Also write a Markdown page to this file."),
) -> None:
    """Show result records as a table: ranks with intervals, tests against the best, controls.

    Rows with predictions next to their records are tested utterance by utterance against the best
    row of their table; those tests are the family of Holm's adjustment. Controls are shown apart.

    Examples:
        lanser-bench leaderboard
        lanser-bench leaderboard results/study --by labeler --metric wa --format md
    """
    many_small_tables()
    from ..reporting.groups import checked_metric
    from ..reporting.leaderboard.boards import rank
    from ..reporting.leaderboard.by_axis import rank_by
    from ..reporting.report.data import Records
    from ..reporting.report.probe_gaps import with_gaps
    from ..store import write_atomic

    name = checked_metric(metric)
    form = Format.json if as_json else form
    selection = read_results(folders)
    shown = selection.every if everything else selection.found
    if transfer:
        _show_transfer(selection, form, by or dataset or markdown, notes=notes)
        return
    if by is not None:
        _show_axis(_on(dataset, rank_by(by, shown, metric=name)), form, notes=notes)
        return
    complete = form is Format.json
    boards = _on(dataset, rank(shown, metric=name, curves=complete, targets=targets or complete))
    if targets and not everything:
        cells = Records(selection.every)
        boards = [with_gaps(board, cells) for board in boards]
    if markdown is not None:
        with writing(markdown):
            write_atomic(markdown, _page(boards, targets, selection))
    _show(boards, form, targets, selection, notes=notes)
    older = len(selection.every) - len(shown)
    if form is Format.table and older:
        echo(f"{older} older records of the same cells are hidden (--all shows them).")


def _page(boards: Sequence[Board], targets: bool, selection: Selection) -> str:
    """Returns a Markdown page; it ends with failed cells and files that were left out."""
    from ..reporting.leaderboard.table import leaderboard_markdown

    lines = [f"- Left out: {markdown_text(sentence)}" for sentence in selection.left_out]
    page = leaderboard_markdown(boards, targets=targets)
    return "\n".join([page, *lines, ""]) if lines else page


def _show_axis(boards: Sequence[AxisBoard], form: Format, *, notes: bool) -> None:
    from ..reporting.leaderboard.by_axis import axis_sheet
    from ._console import print_sheets

    sheets = [axis_sheet(board) for board in boards]
    print_sheets(sheets, form, boards, "Leaderboard", notes=notes)


def _show_transfer(selection: Selection, form: Format, other: object, *, notes: bool) -> None:
    from ..measurements.transfer import TRANSFER
    from ..reporting.report.data import Records
    from ..reporting.report.matrix import matrices
    from ..reporting.report.matrix_views import matrix_sheets
    from ._console import print_sheets

    if other:
        raise SettingsError(
            "--transfer shows all labelled sets in one table: leave out --by, --dataset and "
            "--markdown (`--format md` prints Markdown)."
        )
    records = Records(selection.every)
    boards = matrices(records, TRANSFER)
    for fault in records.faults:
        note(f"Left out: {fault}")
    if not boards:
        raise DataError(
            "No record has scores of heads trained on other labelled sets. Add `transfer: {}` to "
            "an experiment with several targets, and run it again; its embeddings are reused."
        )
    sheets = [sheet for board in boards for sheet in matrix_sheets(board)]
    print_sheets(sheets, form, title="Transfer", notes=notes)


def _on(dataset: str | None, boards: Sequence[BoardT]) -> list[BoardT]:
    """Returns the boards of a labelled set, or all; raises `DataError` if there is none of it."""
    kept = [board for board in boards if dataset in (None, board.dataset)]
    if dataset is not None and not kept:
        raise DataError(f"No record has scores on a labelled set named '{dataset}'.")
    return kept


def _show(
    boards: Sequence[Board], form: Format, targets: bool, selection: Selection, *, notes: bool
) -> None:
    from ..reporting.leaderboard.table import comma_separated, sheets
    from ..reporting.leaderboard.targets import target_rows
    from ..reporting.tables.sheet import csv_text
    from ._console import print_sheets

    if form is Format.md:
        echo(_page(boards, targets, selection), nl=False)
    elif form is Format.csv:
        rows = csv_text([target_rows(board) for board in boards])
        echo(rows if targets else comma_separated(boards), nl=False)
    else:
        tables = sheets(boards, targets=targets)
        print_sheets(tables, form, boards, "Leaderboard", notes=notes)
