"""Classes that the manifest names: the speaker, and the emotion within a sentence."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from lanser_bench import PluginOptions, Probe, Speech


class EmotionFixedText(Probe[PluginOptions]):
    """Predicts the human label within each scripted sentence, for unseen speakers.

    It is trained and tested within a sentence and averaged over sentences, so words do not help: a
    text encoder is at chance by construction. It needs sentences (sentence ids) that several
    speakers say in several emotions. An utterance with more than one label has no class.
    """

    version = "1"
    task = "classification"
    held_out = "speakers-within-sentence"
    reads = frozenset({"gold"})
    targets = ("emotion",)

    def measure(self, batch: Sequence[Speech]) -> npt.NDArray[np.object_]:
        """Returns the labels, shape (utterances, 1); None unless there is exactly one."""
        golds = [[name for name, weight in speech.gold.items() if weight > 0] for speech in batch]
        return np.array([[gold[0] if len(gold) == 1 else None] for gold in golds], object)


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
