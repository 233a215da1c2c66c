"""The report's hardest clips: those of a labelled set that most of the best rows get wrong."""

from __future__ import annotations

from collections import Counter
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
    others = np.mean([_shares(seeds) for seeds in of_rows], axis=0)
    rows = np.arange(len(first.ids))
    wrong = (1 - others[rows, first.gold]).round(9)
    others[rows, first.gold] = 0
    turns: Counter[tuple[str, float]] = Counter()
    keys = {}
    for i in np.lexsort((rows, -others.max(1).round(9), -wrong)).tolist():
        turns[first.speakers[i], wrong[i]] += 1
        keys[i] = -wrong[i], turns[first.speakers[i], wrong[i]]
    order = [i for i in sorted(keys, key=keys.__getitem__) if wrong[i] > 0][:SHOWN]
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
    always = int((wrong == 1).sum())
    return {"lines": lines, "note": note, "rows": len(of_rows), "always": always, "n": len(rows)}


def _shares(seeds: list[Classified]) -> Floats:
    """Returns the share of a row's predictions that name each label, shape (n, K)."""
    drawn = np.concatenate([seed.predicted for seed in seeds])
    # −1, no label, is the last column.
    counts = np.zeros((drawn.shape[1], seeds[0].n_labels + 1))
    for draw in drawn:
        counts[np.arange(len(draw)), draw] += 1 / len(drawn)
    return counts[:, :-1]
