"""Which columns of a table fit a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def packed(needs: Sequence[int], always: set[int], wanted: Iterable[int], width: int) -> list[int]:
    """Returns the columns that are shown always, and of those wanted, in order, what fits.

    Args:
        needs: characters of each column, its border counted.
        always: columns that are shown whether or not they fit.
        wanted: the others, the most wanted first.
        width: characters of a line.
    """
    kept = set(always)
    room = width - 1 - sum(needs[i] for i in kept)
    for i in wanted:
        if i not in kept and needs[i] <= room:
            kept.add(i)
            room -= needs[i]
    return sorted(kept)


def no_room(away: Sequence[str], command: str) -> str:
    """Says which columns are left out, and which command shows them."""
    return f"no room for {'; '.join(away)}: a wider window or `{command}` shows them"
