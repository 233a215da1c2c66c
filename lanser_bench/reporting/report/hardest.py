"""The report's hardest clips: those of a labelled set that most of the best rows get wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...evaluation.arrays import Floats
from ...evaluation.predictions import Classified
from ..leaderboard.boards import Board
from .clips import SHOWN, Clips
from .data import RANKED, Records

ROWS = 10
"""Best main rows whose predictions count, each alike."""


def hardest(records: Records, board: Board, clips: Clips) -> dict[str, Any] | None:
    """Returns what the template shows of a board's hardest clips; None without predictions.

    A clip is as hard as the share of predictions that are wrong, the mean over rows of that over
    seeds and draws. Among equally hard clips speakers take turns, and those come first whose wrong
    predictions agree most.
    """
    if len(records.files) > RANKED:
        return None
    groups = [group for row in board.main[:ROWS] if (group := records.exact(row)) is not None]
    of_rows = [list(group.predictions()) for group in groups if group.has_predictions]
    if not of_rows:
        return None
    first = of_rows[0][0]
    shares = np.mean([_shares(seeds, first) for seeds in of_rows], axis=0)
    rows = np.arange(len(first.ids))
    wrong = 1 - shares[rows, first.gold]
    others = shares.copy()
    others[rows, first.gold] = 0
    order = _ordered(wrong.round(9), others.max(1).round(9), first.speakers)
    order = [i for i in order if wrong[i] > 0][:SHOWN]
    record, target = groups[0].first, groups[0].cell.target
    found, note = clips.of(record, f"targets.{target}", [first.ids[i] for i in order])
    lines = [
        {
            "id": first.ids[i],
            "speaker": first.speakers[i],
            "gold": board.labels[first.gold[i]],
            "wrong": wrong[i],
            "predicted": board.labels[others[i].argmax()],
            "share": others[i].max(),
            "alike": 0,
            "clip": found.get(first.ids[i]),
        }
        for i in order
    ]
    always = int((wrong > 1 - 1e-9).sum())
    return {"lines": lines, "note": note, "rows": len(of_rows), "always": always, "n": len(rows)}


def _ordered(wrong: Floats, agreed: Floats, speakers: Sequence[str]) -> list[int]:
    turns: Counter[tuple[str, float]] = Counter()
    keys = {}
    for i in np.lexsort((np.arange(len(wrong)), -agreed, -wrong)).tolist():
        turns[speakers[i], wrong[i]] += 1
        keys[i] = -wrong[i], turns[speakers[i], wrong[i]]
    return sorted(keys, key=keys.__getitem__)


def _shares(seeds: list[Classified], like: Classified) -> Floats:
    """Returns the share of a row's predictions that name each label, shape (n, K)."""
    place = {name: i for i, name in enumerate(like.ids)}
    counts = np.zeros((len(like.ids), like.n_labels))
    for seed in seeds:
        own = np.array([place[name] for name in seed.ids])
        for draw in seed.predicted:
            np.add.at(counts, (own, draw), 1 / len(seed.predicted) / len(seeds))
    return counts
