"""Keeps dialogues apart whose ids begin again in each table or split."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from lanser_bench import DataError, Utterance

from ._columns import counted

Part = tuple[str, str | None]
"""Table and split."""


def apart(rows: Iterable[tuple[str, Utterance]], notes: list[str]) -> Iterator[Utterance]:
    """Yields utterances whose dialogues have ids of their own.

    A dialogue id with the same turn in two tables or splits names two dialogues: each gets the
    name of its table and split before it.

    Args:
        rows: the name of an utterance's table, if there are several, and the utterance.
        notes: gets a sentence if ids are changed.

    Raises:
        DataError: the turns of a dialogue begin again within a table and split.
    """
    listed = list(rows)
    parts: dict[str, dict[Part, list[tuple[int, Utterance]]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for position, (table, u) in enumerate(listed):
        if u.dialogue_id is not None and u.turn is not None:
            parts[u.dialogue_id][table, u.split].append((position, u))
    shared = set()
    for dialogue, by_part in parts.items():
        turns = [{u.turn for _, u in said} for said in by_part.values()]
        if len(set().union(*turns)) < sum(map(len, turns)):
            shared.add(dialogue)
        for said in by_part.values():
            _check_turns(dialogue, said)
    if shared:
        notes.append(
            f"Dialogue ids such as '{min(shared)}' begin again in another table or split; each "
            f"counts as a dialogue of its own ({counted(len(shared), 'id')})."
        )
    for table, u in listed:
        if u.dialogue_id in shared:
            part = "/".join(dict.fromkeys(name for name in (table, u.split) if name))
            yield replace(u, dialogue_id=f"{part}/{u.dialogue_id}")
        else:
            yield u


def _check_turns(dialogue: str, said: Sequence[tuple[int, Utterance]]) -> None:
    """Refuses a dialogue in which the first turn comes again after others, or in another place."""
    first = min(u.turn or 0 for _, u in said)
    for (before, previous), (position, u) in pairwise(said):
        again = u.turn == first and (previous.turn, position) != (first, before + 1)
        if again and any(other.turn == first for at, other in said if at < position):
            raise DataError(
                f"{u.origin or u.id}: turn {u.turn} of dialogue '{dialogue}' comes again. Give "
                "each dialogue an id of its own, or number its turns on."
            )
