"""Sheets as tables of a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill
from typing import TYPE_CHECKING

from .sheet import Sheet, set_off

if TYPE_CHECKING:
    from rich.table import Table

STYLES = {
    "best": "bold",
    "mean": "bold",
    "control": "dim",
    "majority": "dim",
    "worse": "bold red",
    "better": "green",
    "undecided": "yellow",
}
"""Role of a row → how it is drawn."""


def terminal(sheet: Sheet, width: int | None = None) -> Table:
    """Returns a terminal table; user text is never read as markup.

    Args:
        sheet: the table.
        width: characters of a line; columns that do not fit are left out and named. None: all.
    """
    from rich.markup import escape
    from rich.table import Table

    lines = [sheet.texts(entry) for entry in sheet.rows]
    heads, kept, notes = sheet.heads, list(range(len(sheet.heads))), list(sheet.notes)
    if width is not None:
        heads = [_broken(head, [line[i] for line in lines]) for i, head in enumerate(heads)]
        kept = _fitting(sheet, heads, lines, width)
        hidden = _hidden(sheet, kept)
        if hidden:
            notes.append(
                f"hidden for width: {', '.join(hidden)} (widen the window or use `{sheet.whole}`)"
            )
    table = Table(
        title=escape("\n".join(filter(None, (sheet.title, sheet.shared)))),
        title_justify="left",
        caption=escape(" · ".join(notes)) if notes else None,
        caption_justify="left",
    )
    for i in kept:
        right = sheet.shown[i].right
        table.add_column(escape(heads[i]), justify="right" if right else "left", overflow="fold")
    for number, (entry, line) in enumerate(zip(sheet.rows, lines, strict=True)):
        if number and set_off(sheet.rows[number - 1], entry):
            table.add_section()
        table.add_row(*(escape(line[i]) for i in kept), style=STYLES.get(entry.role, ""))
    return table


def _broken(head: str, texts: Sequence[str]) -> str:
    """Breaks a head at blanks, so that a long one widens no column of short texts."""
    width = max(map(len, (*head.split(), *texts)), default=1)
    return fill(head, max(width, 1), break_long_words=False, break_on_hyphens=False)


def _fitting(
    sheet: Sheet, heads: Sequence[str], lines: Sequence[Sequence[str]], width: int
) -> list[int]:
    """Returns the columns that are always shown, and as many others as fit, by their order."""
    from rich.cells import cell_len

    columns = list(enumerate(sheet.shown))
    cells = [(*head.split("\n"), *(line[i] for line in lines)) for i, head in enumerate(heads)]
    needs = [max(map(cell_len, texts)) + 3 for texts in cells]
    kept = {i for i, column in columns if column.order is None}
    room = width - 1 - sum(needs[i] for i in kept)
    wanted = [(column.order, i) for i, column in columns if column.order is not None]
    for _, i in sorted(wanted):
        if needs[i] <= room and (not sheet.shown[i].beside or i - 1 in kept):
            kept.add(i)
            room -= needs[i]
    return sorted(kept)


def _hidden(sheet: Sheet, kept: Sequence[int]) -> list[str]:
    """Names the columns that are not shown, except those that belong to a hidden one."""
    hidden = []
    for i, (column, head) in enumerate(zip(sheet.shown, sheet.heads, strict=True)):
        if i not in kept and not column.beside:
            hidden.append(head)
        elif i not in kept and i - 1 in kept:
            hidden.append(f"{sheet.heads[i - 1]} {head}")
    return hidden
