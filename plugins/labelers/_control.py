"""What the controls `majority` and `shuffled` share: labels of another labeler, spoilt."""

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

from ._members import Member, answer, said


class ControlOptions(PluginOptions):
    """Options of both."""

    member: Member
    """The labeler whose labels are used: a name or ``{name: …, option: …}``; `oracle` for gold."""


class ControlLabeler(SettlingLabeler[Any]):
    """Scores as its member does, and settles otherwise; where the member abstains, so does it."""

    control = True

    def __init__(self, options: ControlOptions) -> None:
        """Makes the member; what it reads is read."""
        super().__init__(options)
        self._member = create_plugin("labeler", options.member.name, options.member.options)
        if isinstance(self._member, SettlingLabeler) and self._member.settles:
            raise PluginError(
                f"The member '{options.member.name}' needs the whole corpus itself. Name a labeler "
                "that judges each text by itself."
            )
        self.reads, self.languages = self._member.reads, self._member.languages

    def fingerprint(self) -> str:
        """Digest of all that can change the member's numbers."""
        return member_identity("labeler", self.options.member.name, self._member)

    def describe(self) -> dict[str, Any]:
        """The member, with what it says of itself, and its licence."""
        member = {"name": self.options.member.name} | self._member.describe()
        return {"member": member, "licence": member.get("licence", "")}

    def score(self, records: Sequence[TextRecord], taxonomy: Taxonomy) -> Scores:
        """The member's scores; logits of shape (n, K, 1) are the same."""
        name = type(self).__name__.lower()
        found = answer(name, self.options.member, self._member, records, taxonomy)
        return replace(found, logits=said([found]))
