"""Probes: targets to predict from a frozen embedding."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import numpy.typing as npt

from .base import OptionsT, Plugin
from .speech import Speech

HeldOut = Literal["speakers-and-sentences", "speakers", "sentences", "speakers-within-sentence"]
"""What test utterances do not share with training utterances."""


class Probe(Plugin[OptionsT]):
    """Measures targets on the sound itself; the harness predicts them from frozen embeddings.

    Targets of one utterance must not depend on the other utterances of the batch. Set the
    attributes below on the class, or on the instance if options decide them.
    """

    task: Literal["regression", "classification"] = "regression"
    """Numbers, predicted by ridge regression; or names of classes, by logistic regression."""
    held_out: HeldOut = "speakers-and-sentences"
    """How folds are made. ``speakers-and-sentences``: other speakers, and other sentences if every
    utterance has a sentence id. ``speakers``: other speakers, sentences may be the same.
    ``sentences``: the same speakers saying other sentences; this measures speaker identity and does
    not generalise to other speakers. ``speakers-within-sentence``: learnt and tested within each
    sentence, on different speakers; scores are averaged over sentences. The last two are for
    classes only."""
    components: int | None = None
    """None: the measured values are the targets. Otherwise `targets` names one vector of any width,
    and this many of its first principal components over all utterances of the set (at most its
    rank) are predicted, named ``words_pc_01`` and so on."""
    reads: ClassVar[frozenset[str]] = frozenset({"audio"})
    """Inputs that can change its targets, among ``audio``, ``language``, ``transcript``,
    ``extras``, ``speaker``, ``sentence_id`` and ``gold``; other fields stay empty. Without
    ``audio`` nothing is decoded and `Speech.samples` is empty."""
    targets: tuple[str, ...]
    """Names of the targets with their unit, such as ``f0_mean_st``."""

    @abstractmethod
    def measure(self, batch: Sequence[Speech]) -> npt.NDArray[Any]:
        """Returns the targets, shape (utterances, targets), or the vectors of `components`.

        Numbers, NaN if undefined; or, if `task` is ``classification``, names of classes as objects,
        None if undefined.
        """
