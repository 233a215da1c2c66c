"""Sheets as tables of a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .layout import PADDING, fitted, notes_of, wrapped
from .table import NBSP, Entry, Sheet, set_off

if TYPE_CHECKING:
    from rich.console import JustifyMethod
    from rich.table import Table
    from rich.text import Text

PROSE = 120
"""Longest line of titles and notes, unless the table is wider."""
STYLES = {
    "best": "bold",
    "mean": "bold",
    "control": "dim",
    "majority": "dim",
    "worse": "bold red",
    "better": "bold green",
    "undecided": "yellow",
}
"""Role or verdict of a row → how it is drawn."""


def terminal(sheet: Sheet, width: int | None = None, *, notes: bool = False) -> Table:
    """Returns a terminal table; user text is never read as markup.

    Args:
        sheet: the table.
        width: characters of a line; columns that do not fit are left out and named. None: all.
        notes: whether to show all notes; else as many as fit into two lines.
    """
    from rich.table import Table

    sheet, widths, hidden = fitted(sheet, width)
    line = max(sum(widths) + PADDING * len(widths) + 1, min(width or PROSE, PROSE))
    above = [text for part in (sheet.title, sheet.shared) for text in wrapped(part, line) if part]
    below = notes_of(sheet, hidden, line, every=notes)
    table = Table(
        title=_lines(above),
        title_justify="left",
        caption=_lines(below) if any(below) else None,
        caption_justify="left",
    )
    for column, head, wide in zip(sheet.shown, sheet.heads, widths, strict=True):
        text = _drawn(wrapped(head, wide))
        side: JustifyMethod = "right" if column.right else "left"
        table.add_column(text, justify=side, no_wrap=True, width=wide)
    for number, entry in enumerate(sheet.rows):
        if number and set_off(sheet.rows[number - 1], entry):
            table.add_section()
        table.add_row(*_cells(sheet, entry, widths), style=STYLES.get(entry.role, ""))
    return table


def _cells(sheet: Sheet, entry: Entry, widths: list[int]) -> list[Text]:
    """Returns a row's cells; those that hold its verdict are coloured."""
    style = STYLES.get(entry.verdict, "")
    return [
        _drawn(wrapped(text, wide), style if column.judged else "")
        for column, text, wide in zip(sheet.shown, sheet.texts(entry), widths, strict=True)
    ]


def _lines(lines: list[str]) -> Text:
    """Returns lines that may be longer than the table is wide."""
    from rich.text import Text

    text = "\n".join(lines).replace(NBSP, " ")
    return Text(text, no_wrap=True, overflow="ignore", style="italic")


def _drawn(lines: list[str], style: str = "") -> Text:
    from rich.text import Text

    return Text("\n".join(lines).replace(NBSP, " "), style)
