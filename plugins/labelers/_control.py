"""Shared by the controls `majority` and `shuffled`, which change the labels of another labeler."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from lanser_bench import (
    PluginError,
    PluginOptions,
    Scores,
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
        """Makes the member; the control reads what it reads."""
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
