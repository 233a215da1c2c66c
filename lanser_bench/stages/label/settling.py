"""Labelers that settle labels over a whole corpus, after each record was scored alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from ...errors import PluginError, plugin_boundary
from ...kinds.labeler import Settled, SettlingLabeler
from ...taxonomy import Taxonomy
from .files import ShardScores

Block = tuple[npt.NDArray[np.floating[Any]], npt.NDArray[np.bool_]]
ScorePass = Callable[[], Iterator[Block]]
"""Starts a pass over scores, shape (rows, K), and abstentions, shape (rows,)."""


def settled_blocks(scores: ShardScores, settled: Settled) -> ScorePass:
    """Returns scores after settling, in the blocks of the original scores.

    A labeler that abstained on a record stays abstained.
    """

    def blocks() -> Iterator[Block]:
        begin = 0
        even = np.full((1, settled.table.shape[1]), 1 / settled.table.shape[1])
        # The last row is for utterances without an answer, whose row is −1.
        table = np.concatenate([settled.table, even])
        for _, abstained in scores.blocks():
            rows = np.asarray(settled.rows[begin : begin + len(abstained)])
            begin += len(abstained)
            yield table[rows], abstained | (rows < 0)

    return blocks


def checked_settled(
    labeler: SettlingLabeler[Any], name: str, votes: npt.NDArray[np.int16], taxonomy: Taxonomy
) -> Settled:
    """Lets a labeler settle a corpus, and checks the result.

    Raises:
        PluginError: it failed, or returned wrong shapes or rows that are not distributions.
    """
    with plugin_boundary(f"labeler '{name}' failed to settle {len(votes)} utterances"):
        settled = labeler.settle(votes, taxonomy)
    for method in (settled, *settled.beside.values()):
        fault = _fault(method, len(votes), len(taxonomy.labels))
        if fault:
            raise PluginError(f"labeler '{name}' breaks its contract: settle() returned {fault}.")
    return settled


def _fault(settled: Settled, n: int, k: int) -> str:
    table, rows = np.asarray(settled.table), np.asarray(settled.rows)
    if table.ndim != 2 or table.shape[1] != k:
        return f"a table of shape {table.shape}, not (rows, {k})"
    if rows.shape != (n,) or (n and (rows.min() < -1 or rows.max() >= len(table))):
        return f"rows of shape {rows.shape} that do not all point into its table"
    if not np.isfinite(table).all() or (len(table) and abs(table.sum(axis=1) - 1).max() > 1e-3):
        return "rows that are not distributions"
    return ""
