"""Control: the labels of another labeler, reassigned at random."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lanser_bench import Settled, Taxonomy

from ._control import ControlLabeler, ControlOptions


class ShuffledOptions(ControlOptions):
    """Options of `shuffled`."""

    seed: int = 0
    """Determines the permutation."""


class Shuffled(ControlLabeler):
    """Shuffles its member's labels over the utterances that have one.

    Label frequencies stay the same; all information about the utterances is lost. The control
    ``controls.shuffled`` of an experiment does the same in pre-training, with another permutation
    for each pre-training seed. This one also passes through thresholds, reports and comparisons of
    labels, with a confidence of 1.
    """

    Options = ShuffledOptions
    version = "1"

    def settle(self, votes: npt.NDArray[np.int16], taxonomy: Taxonomy) -> Settled:
        """Permutes the existing labels."""
        rows = votes[:, 0].astype(np.int32)
        labelled = np.flatnonzero(rows >= 0)
        rows[labelled] = np.random.default_rng(self.options.seed).permutation(rows[labelled])
        return Settled(rows, np.eye(len(taxonomy.labels)), {"method": "shuffled"})
