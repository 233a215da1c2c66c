"""Sheets as tables of a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING

from .layout import PADDING, fitted, notes_of, wrapped
from .table import NBSP, Sheet, set_off

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions
    from rich.segment import Segment

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


@dataclass(frozen=True)
class Drawing:
    """Lines for a console of rich: its own tables take far longer, as they measure every cell."""

    lines: Sequence[Sequence[tuple[str, str]]]
    """Each in pieces: text and style."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        """Yields the pieces."""
        from rich.segment import Segment

        for line in self.lines:
            for text, style in line:
                yield Segment(text.replace(NBSP, " "), console.get_style(style) if style else None)
            yield Segment.line()


def terminal(sheet: Sheet, width: int | None = None, *, notes: bool = False) -> Drawing:
    """Returns a terminal table; user text is never read as markup.

    Columns that do not fit into `width` characters are left out and named. Without `notes`, as
    many notes are shown as fit into two lines.
    """
    sheet, widths, hidden = fitted(sheet, width)
    line = max(sum(widths) + PADDING * len(widths) + 1, min(width or PROSE, PROSE))
    above = [text for part in (sheet.title, sheet.shared) for text in wrapped(part, line) if part]
    lines = [[(text, "italic")] for text in above]
    lines += [_rule(widths, (*"┏━┳┓",)), *_row(sheet, sheet.heads, widths, "┃", "bold")]
    lines.append(_rule(widths, (*"┡━╇┩",)))
    for number, entry in enumerate(sheet.rows):
        if number and set_off(sheet.rows[number - 1], entry):
            lines.append(_rule(widths, (*"├─┼┤",)))
        styles = STYLES.get(entry.role, ""), STYLES.get(entry.verdict, "")
        lines += _row(sheet, sheet.texts(entry), widths, "│", *styles)
    lines.append(_rule(widths, (*"└─┴┘",)))
    below = notes_of(sheet, hidden, line, every=notes)
    lines += [[(text, "dim italic")] for text in below if any(below)]
    return Drawing(lines)


def _rule(widths: Sequence[int], marks: Sequence[str]) -> list[tuple[str, str]]:
    left, line, cross, right = marks
    return [(left + cross.join(line * (wide + 2) for wide in widths) + right, "")]


def _row(
    sheet: Sheet,
    texts: Sequence[str],
    widths: Sequence[int],
    edge: str,
    style: str,
    judged: str = "",
) -> Iterator[list[tuple[str, str]]]:
    """Yields the lines of a row; cells that hold its verdict have the style `judged`."""
    from rich.cells import cell_len

    cells = [wrapped(text, wide) for text, wide in zip(texts, widths, strict=True)]
    for pieces in zip_longest(*cells, fillvalue=""):
        line = [(edge, "")]
        for column, piece, wide in zip(sheet.shown, pieces, widths, strict=True):
            blank = " " * (wide - cell_len(piece))
            text = f" {blank}{piece} " if column.right else f" {piece}{blank} "
            line += [(text, (judged if column.judged else "") or style), (edge, "")]
        plain = "".join(text for text, _ in line)
        yield line if any(own for _, own in line) else [(plain, "")]
