"""Emotion among utterances of one sentence: where words are equal, only the voice can tell."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from lanser_bench import PluginOptions, Probe, Speech


class EmotionFixedText(Probe[PluginOptions]):
    """Decodes the human label within each scripted sentence, from other speakers.

    Learnt and tested inside a sentence and averaged over sentences, so words are no help: a text
    encoder is at chance by construction. It needs sentences (sentence ids) that several speakers
    say in several emotions. An utterance with more than one label has no class.
    """

    version = "1"
    task = "classification"
    held_out = "speakers-within-sentence"
    reads = frozenset({"gold"})
    targets = ("emotion",)

    def measure(self, batch: Sequence[Speech]) -> npt.NDArray[np.object_]:
        """Returns the labels, shape (utterances, 1); None without a single one."""
        golds = [[name for name, weight in speech.gold.items() if weight > 0] for speech in batch]
        return np.array([[found[0] if len(found) == 1 else None] for found in golds], object)
