"""The console to which tables are printed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich.console import JustifyMethod
from rich.markup import escape
from rich.table import Table

from ..console import Console
from ..printing import echo
from ._shared import echo_json

if TYPE_CHECKING:
    from ..reporting.tables.form import Format
    from ..reporting.tables.sheet import Sheet

WIDE = 150
"""Columns if the output is not a terminal."""


def wide_console() -> Console:
    """Returns a console on stdout that is wide if the output is not a terminal."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=WIDE)


def plain_table(
    columns: Sequence[str], rows: Iterable[Sequence[str]], title: str = "", right: str = ""
) -> Table:
    """Returns a table of texts that contain no markup; columns named in `right` are numbers."""
    table = Table(title=title or None, title_justify="left")
    for column in columns:
        justify: JustifyMethod = "right" if column in right.split() else "left"
        table.add_column(column, justify=justify, overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))
    return table


def print_sheets(
    sheets: Sequence[Sheet],
    form: Format,
    content: object = None,
    title: str = "",
    *,
    notes: bool = False,
) -> None:
    """Prints tables; JSON has `content` if it is given, an HTML page the title.

    With `notes` a terminal shows all notes, not only two lines of them.
    """
    from ..reporting.tables.sheet import plain, rendered
    from ..reporting.tables.terminal import terminal

    if form == "table":
        console = wide_console()
        width = console.width if console.is_terminal else None
        for sheet in sheets:
            console.print(terminal(sheet, width, notes=notes), crop=False)
    elif form == "json":
        values = plain(sheets if content is None else content)
        echo_json(values, indent=1)
    else:
        echo(rendered(sheets, form, title), nl=False)
