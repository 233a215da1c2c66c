"""Which columns of a sheet fit into a line, and where their texts may be broken.

A text is broken at blanks and before brackets, and after ``=`` only if it has to be; never inside
a word, a number or an interval.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from rich.cells import cell_len

from .table import NBSP, Sheet

PAGE = 104
"""Characters of a row that GitHub shows without scrolling (about 880 px), or a page of a paper."""
TEXTS = 40
"""Characters to which texts are narrowed for a column of order 0."""
WORD = 24
"""Characters from which a word of a head is broken, too."""
FAULTS = 3
"""Most faults that are shown with a table where not every note is wanted."""
WHOLE = "--format html"
"""Option that shows all columns, named where a terminal is too narrow."""
PADDING = 3
"""Characters between two columns: blanks and a rule."""
_TOGETHER = re.compile(r"[-+<>]?[ \d.]*\d \[[^\[\]]*\]|p (< )?[.\d]+|[<>] [.\d]+|\d+ / \d+")
"""What is one number: a score with its interval, a p-value, a bound."""


def bound(text: str) -> str:
    """Puts no-break spaces into numbers: ``69.1 [57.2, 81.1]`` stays in one line."""
    return _TOGETHER.sub(lambda found: found[0].replace(" ", NBSP), text)


def wrapped(text: str, width: int) -> list[str]:
    """Returns the lines of a text; a part without a break may be longer than `width`."""
    lines = [""]
    for word in bound(text).split(" "):
        for number, piece in enumerate(_pieces(word, width)):
            glue = " " if lines[-1] and not number else ""
            if lines[-1] and cell_len(f"{lines[-1]}{glue}{piece}") > width:
                lines.append(piece)
            else:
                lines[-1] += glue + piece
    return lines


def _pieces(word: str, width: int) -> list[str]:
    return [word] if cell_len(word) <= width else re.split(r"(?<==)(?=.)|(?<=.)(?=\()", word)


def least(texts: Iterable[str]) -> int:
    """Returns the width below which one of the texts would be cut."""
    return max(
        (cell_len(p) for t in texts for w in bound(t).split(" ") for p in _pieces(w, 0)), default=1
    )


def fitted(
    sheet: Sheet, width: int | None, *, wraps: bool = False
) -> tuple[Sheet, list[int], list[str]]:
    """Returns a sheet with the columns that fit, their widths, and the heads of the others.

    Columns without an `order` are always kept; if they need more than the line, the widest are
    narrowed, so that the table has few lines. Axes are columns if these fit side by side, else
    one column has the names of the rows. Without a `width` all columns are wanted. With `wraps`,
    texts may be broken for the sake of any column, as on a page.
    """
    for names in ("axes", "name"):
        columns = [c for c in sheet.columns if c.names in ("", names)]
        found = replace(sheet, columns=columns)
        texts = _texts(found)
        fixed = [i for i, c in enumerate(found.shown) if c.order is None]
        if width is None or _taken(least(texts[i]) for i in fixed) <= width:
            break
    wide = [_width(found.heads[i], texts[i]) for i in range(len(texts))]
    if width is None:
        return found, wide, []
    kept = _kept(found, texts, wide, width, wraps)
    gone = {column.key for i, column in enumerate(found.shown) if i not in kept}
    shown = replace(found, columns=[c for c in found.columns if c.key not in gone])
    cells = [texts[i] for i in kept]
    tried = []
    for numbers_first in (False, True):
        widths = [wide[i] for i in kept]
        _narrow(widths, cells, [c.right is numbers_first for c in shown.shown], width)
        heights = [
            max(len(wrapped(text, wide)) for text, wide in zip(line, widths, strict=True))
            for line in zip(*cells, strict=True)
        ]
        tried.append((sum(heights), widths))
    return shown, min(tried, key=lambda found: found[0])[1], _named(found, kept)


def _narrow(
    widths: list[int], columns: Sequence[Sequence[str]], first: Sequence[bool], width: int
) -> None:
    """Narrows the widest columns, those that come `first` before others, until all fit."""
    bounds = [least(texts) for texts in columns]
    while _taken(widths) > width:
        loose = [i for i, own in enumerate(widths) if own > bounds[i]]
        if not loose:
            break
        widths[max(loose, key=lambda i: (first[i], widths[i]))] -= 1


def _texts(sheet: Sheet) -> list[tuple[str, ...]]:
    """Returns head and texts of each column."""
    lines = [sheet.texts(entry) for entry in sheet.rows]
    return [(head, *(line[i] for line in lines)) for i, head in enumerate(sheet.heads)]


def _width(head: str, texts: Sequence[str]) -> int:
    """A long head widens no column of short texts: it is broken."""
    word = max(map(cell_len, bound(head).split(" ")))
    return max(1, min(word, max(least([head]), WORD)), *map(cell_len, texts[1:]))


def _taken(widths: Iterable[int]) -> int:
    return sum(width + PADDING for width in widths) + 1


def _kept(
    sheet: Sheet, texts: Sequence[Sequence[str]], wide: Sequence[int], width: int, wraps: bool
) -> list[int]:
    """Returns the columns that are always shown, and as many others as fit, by their order.

    For those of order 0, or for all on a page, texts are broken into lines.
    """
    columns = list(enumerate(sheet.shown))
    kept = {i for i, column in columns if column.order is None}
    wanted = [(column.order, i) for i, column in columns if column.order is not None]
    least_text = WORD if wraps else TEXTS
    most = [
        max(least(of), 0 if c.right else least_text)
        for (_, c), of in zip(columns, texts, strict=True)
    ]
    for order, i in sorted(wanted):
        alone = sheet.shown[i].beside and i - 1 not in kept
        needs = [wide[j] if order and not wraps else min(wide[j], most[j]) for j in (*kept, i)]
        if not alone and _taken(needs) <= width:
            kept.add(i)
    return sorted(kept)


def _named(sheet: Sheet, kept: Sequence[int]) -> list[str]:
    """Names the columns that are not shown, except those that belong to a hidden one."""
    hidden = []
    for i, (column, head) in enumerate(zip(sheet.shown, sheet.heads, strict=True)):
        if i not in kept and not column.beside:
            hidden.append(head)
        elif i not in kept and i - 1 in kept:
            hidden.append(f"{sheet.heads[i - 1]} {head}")
    return hidden


def notes_of(sheet: Sheet, hidden: Sequence[str], width: int, *, every: bool) -> list[str]:
    """Returns the lines below a table: faults and at most two others, unless `every` is wanted.

    Hidden columns and the number of notes left out are always named.
    """
    shown_notes, lines = [*sheet.faults[FAULTS:], *sheet.notes], [""]
    shown = [line for note in sheet.faults[:FAULTS] for line in wrapped(f"! {note}", width)]
    away = [f"hidden for width: {', '.join(hidden)} (wider window or {WHOLE})"] * bool(hidden)
    if every:
        return [line for note in (*sheet.remarks, *away) for line in wrapped(f"- {note}", width)]
    more = "s" * (len(hidden) > 1)
    counted = [f"{len(hidden)} column{more} hidden: {WHOLE}"] * bool(hidden)
    fewer = [(n, where) for n in range(len(shown_notes), 0, -1) for where in (away, counted)]
    for n, where in [*sorted(fewer, key=lambda tried: tried[1] == counted), (0, away)]:
        left = len(shown_notes) - n
        rest = [f"{left} {'more ' * (n > 0)}note{'s' * (left > 1)}: --notes"] * bool(left)
        lines = wrapped(" · ".join([*shown_notes[:n], *where, *rest]), width)
        if len(lines) <= 2:
            break
    return [*shown, *filter(None, lines)]
