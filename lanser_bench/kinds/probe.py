"""Probes: what a frozen embedding is asked to predict."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy.typing as npt

from .base import OptionsT, Plugin
from .speech import Speech

HeldOut = Literal["speakers-and-sentences", "speakers", "sentences", "speakers-within-sentence"]
"""What an utterance that is tested does not share with those learnt from."""


class Probe(Plugin[OptionsT]):
    """Measures targets on the sound itself; the harness predicts them from frozen embeddings.

    Targets of one utterance must not depend on the other utterances of the batch. The attributes
    below are of the class, or set on the instance where options decide them.
    """

    task: Literal["regression", "classification"] = "regression"
    """Numbers, predicted by ridge regression; or names of classes, by logistic regression."""
    held_out: HeldOut = "speakers-and-sentences"
    """How folds are made. ``speakers-and-sentences``: other speakers, and other sentences where
    every utterance has a sentence id. ``speakers``: other speakers, sentences may be the same.
    ``sentences``: the same speakers saying other sentences, which measures who is known and carries
    over to nobody else. ``speakers-within-sentence``: learnt and tested inside each sentence, from
    other speakers; scores are averaged over sentences. The last two are for classes only."""
    components: int | None = None
    """None: what is measured are the targets. Else `targets` names one vector of any width, and its
    first so many principal components over all utterances of the set (or as many as there are) are
    predicted, named ``words_pc_01`` and so on."""
    reads: ClassVar[frozenset[str]] = frozenset({"audio"})
    """What can change its targets, among ``audio``, ``language``, ``transcript``, ``extras``,
    ``speaker``, ``sentence_id`` and ``gold``; the rest is not given. Without ``audio`` nothing is
    decoded and `Speech.samples` is empty."""
    targets: tuple[str, ...]
    """Names of the targets with their unit, such as ``f0_mean_st``."""

    @abstractmethod
    def measure(self, batch: Sequence[Speech]) -> npt.NDArray[Any]:
        """Returns the targets, shape (utterances, targets), or the vectors that have `components`.

        Numbers, NaN where one is undefined; or, if `task` is ``classification``, names of classes
        as objects, None where one is undefined.
        """
