"""Controls that replace the labels of another labeler.

`majority` gives its most frequent label to every text, `shuffled` reassigns its labels at random.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from lanser_bench import (
    PluginError,
    PluginOptions,
    Scores,
    Settled,
    SettlingLabeler,
    Taxonomy,
    TextRecord,
    create_plugin,
    member_identity,
)

from ._members import Member, answer, stacked_values


class ControlOptions(PluginOptions):
    """Options of both."""

    member: Member
    """The labeler whose labels are used: a name or ``{name: …, option: …}``; `oracle` for gold."""


class ControlLabeler(SettlingLabeler[Any]):
    """Has its member's scores but settles on other labels; abstains where the member abstains."""

    control = True

    def __init__(self, options: ControlOptions) -> None:
        super().__init__(options)
        self._member = create_plugin("labeler", options.member.name, options.member.options)
        if isinstance(self._member, SettlingLabeler) and self._member.settles:
            raise PluginError(
                f"The member '{options.member.name}' needs the whole corpus itself. Name a labeler "
                "that judges each text separately."
            )
        self.reads, self.languages = self._member.reads, self._member.languages

    def fingerprint(self) -> str:
        """Digest of all that can change the member's numbers."""
        return member_identity("labeler", self.options.member.name, self._member)

    def describe(self) -> dict[str, Any]:
        """The member with its own description, and its licence."""
        member = {"name": self.options.member.name} | self._member.describe()
        return {"member": member, "licence": member.get("licence", "")}

    def score(self, records: Sequence[TextRecord], taxonomy: Taxonomy) -> Scores:
        """The member's scores, also as logits of shape (n, K, 1)."""
        name = type(self).__name__.lower()
        scores = answer(name, self.options.member, self._member, records, taxonomy)
        return replace(scores, logits=stacked_values([scores]))


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
