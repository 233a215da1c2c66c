"""`lanser-bench leaderboard`: result records as a table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..reporting.tables.form import Format

if TYPE_CHECKING:
    from ..reporting.leaderboard.boards import Board


def leaderboard(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[DIR]...", help="Folders of result records; default: results."),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(help="Rank the values of an axis: labeler, taxonomy, encoder, asr …"),
    ] = None,
    dataset: Annotated[
        str | None, typer.Option(help="Only what was measured on this labelled set.")
    ] = None,
    metric: Annotated[str, typer.Option(help="Rank by uar, wa, macro_f1 or area.")] = "uar",
    form: Annotated[Format, typer.Option("--format", help="How it is printed.")] = Format.table,
    json_output: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    targets: Annotated[
        bool,
        typer.Option(
            "--targets", help="Also show each probe target, and its difference to the best control."
        ),
    ] = False,
    markdown: Annotated[
        Path | None, typer.Option("--markdown", help="Also write a Markdown page to this file.")
    ] = None,
    everything: Annotated[
        bool,
        typer.Option("--all", help="Also older records of a cell; default: only its newest."),
    ] = False,
) -> None:
    """Show result records as a table: ranks with intervals, tests against the best, controls apart.

    Rows with predictions beside their records are tested utterance by utterance against the best
    of their table; those tests are the family of Holm's adjustment.
    """
    from ..errors import DataError
    from ..records.record import latest, read_records
    from ..reporting.groups import checked_metric
    from ..reporting.leaderboard.boards import rank
    from ..reporting.leaderboard.by_axis import axis_sheet, rank_by
    from ..reporting.leaderboard.table import leaderboard_markdown
    from ..reporting.report.data import Records
    from ..reporting.report.probe_gaps import with_gaps
    from ..store import write_atomic
    from ._console import print_sheets
    from ._shared import note

    name = checked_metric(metric)
    reading = read_records(folders or [Path("results")])
    for sentence in reading.left_out:
        note(f"Left out: {sentence}")
    found = reading.records
    paths = {id(record): path for path, record in found}
    records = [record for _, record in found]
    kept = [(paths[id(r)], r) for r in (records if everything else latest(records))]
    form = Format.json if json_output else form
    if by is not None:
        ranked = [b for b in rank_by(by, kept, metric=name) if dataset in (None, b.dataset)]
        _known(ranked, dataset)
        print_sheets([axis_sheet(board) for board in ranked], form, ranked, "Leaderboard")
        return
    whole = form is Format.json
    every = rank(kept, metric=name, curves=whole, targets=targets or whole)
    boards = [board for board in every if dataset in (None, board.dataset)]
    _known(boards, dataset)
    if targets and not everything:
        newest = Records(found)
        boards = [with_gaps(board, newest) for board in boards]
    if markdown is not None:
        try:
            write_atomic(markdown, leaderboard_markdown(boards, targets=targets))
        except OSError as error:
            raise DataError(f"{markdown} cannot be written: {error.strerror}.") from None
    _show(boards, form, targets)
    if form is Format.table and len(found) > len(kept):
        hidden = len(found) - len(kept)
        typer.echo(f"{hidden} older records of the same cells are not shown (--all shows them).")


def _known(boards: Sequence[object], dataset: str | None) -> None:
    from ..errors import DataError

    if not boards and dataset is not None:
        raise DataError(f"No record was measured on a labelled set named '{dataset}'.")


def _show(boards: Sequence[Board], form: Format, targets: bool) -> None:
    from ..reporting.leaderboard.table import comma_separated, leaderboard_markdown, sheets
    from ._console import print_sheets

    if form is Format.md:
        typer.echo(leaderboard_markdown(boards, targets=targets), nl=False)
    elif form is Format.csv:
        typer.echo(comma_separated(boards), nl=False)
    else:
        print_sheets(sheets(boards, targets=targets), form, boards, "Leaderboard")
