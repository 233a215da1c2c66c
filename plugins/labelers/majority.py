"""Control: the most frequent label of another labeler, for every text."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lanser_bench import Settled, Taxonomy

from ._control import ControlLabeler, ControlOptions


class Majority(ControlLabeler):
    """Gives every utterance that its member labels the member's most frequent label.

    With `oracle` as member this is the majority class of gold.
    """

    Options = ControlOptions
    version = "1"

    def settle(self, votes: npt.NDArray[np.int16], taxonomy: Taxonomy) -> Settled:
        """Counts the labels; of equally frequent ones the first in the taxonomy wins."""
        k = len(taxonomy.labels)
        labels = votes[:, 0]
        counts = np.bincount(labels[labels >= 0], minlength=k)
        facts = {"method": "majority", "label": taxonomy.names[int(counts.argmax())]}
        rows = np.where(labels >= 0, 0, -1).astype(np.int32)
        return Settled(rows, np.eye(k)[[counts.argmax()]], facts)
