"""Control: the labels of another labeler, dealt out anew at random."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lanser_bench import Settled, Taxonomy

from ._control import ControlLabeler, ControlOptions


class ShuffledOptions(ControlOptions):
    """Options of `shuffled`."""

    seed: int = 0
    """Another seed, another deal."""


class Shuffled(ControlLabeler):
    """Shuffles its member's labels over the utterances that have one.

    How often each label occurs stays as it was; whatever the labels knew of the utterances is gone.
    The control ``controls.shuffled`` of an experiment does the same in pre-training, with another
    deal for each pre-training seed; this one also goes through thresholds, reports and
    comparisons of labels, with a confidence of 1.
    """

    Options = ShuffledOptions
    version = "1"

    def settle(self, votes: npt.NDArray[np.int16], taxonomy: Taxonomy) -> Settled:
        """Permutes the labels that are there."""
        rows = votes[:, 0].astype(np.int32)
        there = np.flatnonzero(rows >= 0)
        rows[there] = np.random.default_rng(self.options.seed).permutation(rows[there])
        return Settled(rows, np.eye(len(taxonomy.labels)), {"method": "shuffled"})
