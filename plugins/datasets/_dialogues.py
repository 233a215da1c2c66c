"""Separates dialogues whose ids start over in each table or split."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from lanser_bench import DataError, Utterance

from ._files import counted

Part = tuple[str, str | None]
"""Table and split."""


def apart(rows: Iterable[tuple[str, Utterance]], notes: list[str]) -> Iterator[Utterance]:
    """Yields utterances with one dialogue id per dialogue, given with the name of their table.

    A dialogue id with the same turn in two tables or splits means two dialogues; the names of table
    and split are put before such an id, with a note.

    Raises:
        DataError: the turns of a dialogue start over within a table and split.
    """
    listed = list(rows)
    dialogues: dict[str, dict[Part, list[tuple[int, Utterance]]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for position, (table, u) in enumerate(listed):
        if u.dialogue_id is not None and u.turn is not None:
            dialogues[u.dialogue_id][table, u.split].append((position, u))
    shared = set()
    for dialogue, parts in dialogues.items():
        turns = [{u.turn for _, u in part} for part in parts.values()]
        if len(set().union(*turns)) < sum(map(len, turns)):
            shared.add(dialogue)
        for part in parts.values():
            _check_turns(dialogue, part)
    if shared:
        notes.append(
            f"Dialogue ids such as '{min(shared)}' start over in another table or split; each "
            f"counts as a separate dialogue ({counted(len(shared), 'id')})."
        )
    for table, u in listed:
        if u.dialogue_id in shared:
            names = "/".join(dict.fromkeys(name for name in (table, u.split) if name))
            u = replace(u, dialogue_id=f"{names}/{u.dialogue_id}")
        yield u


def _check_turns(dialogue: str, rows: Sequence[tuple[int, Utterance]]) -> None:
    """Refuses a dialogue whose first turn occurs again after others, or in another place."""
    first = min(u.turn or 0 for _, u in rows)
    for (before, previous), (position, u) in pairwise(rows):
        again = u.turn == first and (previous.turn, position) != (first, before + 1)
        if again and any(other.turn == first for at, other in rows if at < position):
            raise DataError(
                f"{u.origin or u.id}: turn {u.turn} of dialogue '{dialogue}' occurs again. Give "
                "each dialogue its own id, or continue the numbering of its turns."
            )
