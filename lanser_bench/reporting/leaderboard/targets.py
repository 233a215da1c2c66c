"""The leaderboard's table of probe targets: each row's score and its difference to the controls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...numbers import decimal, percent
from ..tables.width import no_room, packed
from .boards import Board

if TYPE_CHECKING:
    from rich.table import Table

TARGET_NOTE = (
    "R²: share of variance; UAR: of classes, in percent. To best control: the difference to the "
    "control that is best at the target, paired by speaker; only that supports a claim"
)
TO_CONTROL = "to best control"


def target_table(board: Board, width: int | None) -> Table:
    """Returns a terminal table of the probe targets; columns without room are named below it."""
    from rich.markup import escape
    from rich.table import Table

    heads, rows = target_cells(board)
    shown = heads if width is None else _broken(heads, rows)
    kept = _fitting_targets(shown, rows, width)
    said = [TARGET_NOTE]
    if len(kept) < len(heads):
        away = [
            head if head != TO_CONTROL else f"{heads[i - 1]} {head}"
            for i, head in enumerate(heads)
            if i not in kept and (head != TO_CONTROL or i - 1 in kept)
        ]
        said.append(no_room(away, "leaderboard --targets --format md"))
    table = Table(
        title=f"{escape(board.title)}: probe targets",
        title_justify="left",
        caption=escape(" · ".join(said)),
        caption_justify="left",
    )
    for i in kept:
        numeric = i > 1
        table.add_column(escape(shown[i]), justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(escape(row[i]) for i in kept))
    return table


def _broken(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Breaks heads at blanks, so that a long name widens no column of short scores."""
    from textwrap import fill

    found = []
    for i, head in enumerate(heads):
        width = max(len(part) for part in (*head.split(), *(row[i] for row in rows)))
        found.append(fill(head, width, break_long_words=False, break_on_hyphens=False))
    return found


def _fitting_targets(
    heads: Sequence[str], rows: Sequence[Sequence[str]], width: int | None
) -> list[int]:
    """Returns which columns are shown: the first row's score, and of the others what fits.

    A difference to the controls is shown only beside its score.
    """
    from rich.cells import cell_len

    if width is None:
        return list(range(len(heads)))
    texts = [(*head.split("\n"), *(row[i] for row in rows)) for i, head in enumerate(heads)]
    needs = [max(map(cell_len, column)) + 3 for column in texts]
    kept = packed(needs, {0, 1, 2}, range(3, len(heads)), width)
    return [i for i in kept if heads[i].split() != TO_CONTROL.split() or i - 1 in kept]


def target_cells(board: Board) -> tuple[list[str], list[list[str]]]:
    """Returns headings and rows of the table of probe targets: scores, differences to controls."""
    rows = board.main + board.controls
    heads = ["target", "score"]
    for row in rows:
        heads += [row.name, TO_CONTROL] if row.gaps else [row.name]
    lines = []
    for name in dict.fromkeys(target for row in rows for target in row.targets):
        chance = next((row.chance[name] for row in rows if name in row.chance), None)
        shown = decimal if chance is None else percent
        line = [name, "R²" if chance is None else f"UAR, chance {100 * chance:.1f}"]
        for row in rows:
            gap = row.gaps.get(name)
            line.append(shown(row.targets.get(name)))
            line += [f"{_signed(shown(gap.difference))}, {gap.control}" if gap else "–"][
                : bool(row.gaps)
            ]
        lines.append(line)
    return heads, lines


def _signed(text: str) -> str:
    return text if text.startswith("-") else f"+{text}"
