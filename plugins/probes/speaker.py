"""The speaker: how much identity an embedding leaks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from lanser_bench import PluginOptions, Probe, Speech


class Speaker(Probe[PluginOptions]):
    """Identifies speakers; a high score is a leak of identity, not a skill.

    Folds cannot be speaker-disjoint, because a speaker must be in the training data. They separate
    sentences if the manifest has sentence ids, so that words do not help; else utterances.
    """

    version = "1"
    task = "classification"
    held_out = "sentences"
    reads = frozenset({"speaker"})
    targets = ("speaker",)

    def measure(self, batch: Sequence[Speech]) -> npt.NDArray[np.object_]:
        """Returns the speakers' names, shape (utterances, 1)."""
        return np.array([[speech.speaker] for speech in batch], object)
