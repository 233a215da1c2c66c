"""Weak labels by several labelers together: weighted mean of scores, or majority vote.

Methods that learn how far each member can be trusted from their agreement over a corpus (Dawid &
Skene 1979) are not here: a labeler's scores of one text must not depend on the other texts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from lanser_bench import (
    Labeler,
    PluginError,
    PluginOptions,
    Scores,
    Taxonomy,
    TextRecord,
    create_plugin,
    member_identity,
)

Floats = npt.NDArray[np.float64]
EQUAL = 1e-9
"""Sums of weights that differ by less are a tie."""


class Member(PluginOptions):
    """One member: its name, or a mapping of its name, its weight and its own options."""

    name: str
    weight: float = Field(default=1.0, gt=0)
    options: dict[str, Any] = Field(default={})

    @model_validator(mode="before")
    @classmethod
    def _read(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"name": value}
        if isinstance(value, Mapping) and not isinstance(value.get("options"), Mapping):
            known = {key: value[key] for key in ("name", "weight") if key in value}
            own = {key: value[key] for key in value if key not in known}
            return {**known, "options": own}
        return value


class EnsembleOptions(PluginOptions):
    """Options of `ensemble`."""

    members: tuple[Member, ...] = Field(min_length=2)
    """Labelers, each a name or ``{name: …, weight: …, option: …}``. They read the text alone."""
    combine: Literal["mean", "vote"] = "mean"
    """``mean``: weighted mean of scores. ``vote``: each member gives its weight to its best label,
    and scores are shares of the votes."""
    ties: Literal["mean", "abstain"] = "mean"
    """What becomes of a tied vote: the tied labels share their votes by the members' mean scores,
    or there is no label."""
    quorum: float = Field(default=0.5, ge=0, le=1)
    """No label where the members that do not abstain have less than this share of all weight. The
    others decide by themselves; where all abstain there is none in any case."""


class Ensemble(Labeler[EnsembleOptions]):
    """Combines the scores of its members.

    Independent scores are made to add up to 1 first, unless those of all members are independent
    and their mean is taken.
    """

    Options = EnsembleOptions
    version = "1"

    def fingerprint(self) -> str:
        """Digests of all that can change a member's numbers, in order."""
        found = [
            member_identity("labeler", member.name, plugin)
            for member, plugin in zip(self.options.members, self._plugins, strict=True)
        ]
        return ",".join(found)

    def describe(self) -> dict[str, Any]:
        """The members with what they say of themselves."""
        pairs = zip(self.options.members, self._plugins, strict=True)
        return {"members": [{"name": m.name, "weight": m.weight} | p.describe() for m, p in pairs]}

    def score(self, records: Sequence[TextRecord], taxonomy: Taxonomy) -> Scores:
        """Scores records by all members.

        Raises:
            PluginError: a member breaks its contract, or reads more than the text.
        """
        n, k = len(records), len(taxonomy.labels)
        answers = [self._answer(i, records, taxonomy) for i in range(len(self._plugins))]
        weights = np.array([[member.weight] for member in self.options.members])
        present = weights * np.stack([~answer.abstained for answer in answers])
        total = present.sum(axis=0)
        abstained = (total <= 0) | (total / weights.sum() < self.options.quorum - EQUAL)
        independent = all(answer.kind == "independent" for answer in answers)
        keep = independent and self.options.combine == "mean"
        values = [np.asarray(a.values, np.float64) if keep else _shares(a) for a in answers]
        shares = present / np.where(total > 0, total, 1)
        found = _mean(values, shares, (n, k))
        if self.options.combine == "vote":
            found, tied = _vote(values, shares, found)
            if self.options.ties == "abstain":
                abstained |= tied
        found[abstained] = 0 if keep else 1 / k
        return Scores(
            found.astype(np.float32), "independent" if keep else "distribution", abstained
        )

    @cached_property
    def _plugins(self) -> list[Labeler[Any]]:
        found: list[Labeler[Any]] = []
        for member in self.options.members:
            plugin = create_plugin("labeler", member.name, member.options)
            more = sorted(plugin.reads - self.reads)
            if more:
                raise PluginError(
                    f"labeler 'ensemble': its member '{member.name}' reads {', '.join(more)}, and "
                    "members read the text alone. Take it out."
                )
            found.append(plugin)
        return found

    def _answer(self, place: int, records: Sequence[TextRecord], taxonomy: Taxonomy) -> Scores:
        found = self._plugins[place].score(records, taxonomy)
        wanted = (len(records), len(taxonomy.labels))
        if np.shape(found.values) != wanted or not np.isfinite(found.values).all():
            raise PluginError(
                f"labeler 'ensemble': its member '{self.options.members[place].name}' gave scores "
                f"that are not finite numbers of shape {wanted} = (records, labels)."
            )
        return found


def _shares(answer: Scores) -> Floats:
    """A member's scores as rows that add up to 1; even where it has nothing for any label."""
    values = np.asarray(answer.values, dtype=np.float64)
    total = values.sum(axis=1, keepdims=True)
    even = np.full_like(values, 1 / values.shape[1])
    np.divide(values, total, out=even, where=total > 0)
    return even


def _mean(values: Sequence[Floats], shares: Floats, shape: tuple[int, int]) -> Floats:
    """Weighted mean over members; `shares` has shape (members, n)."""
    found = np.zeros(shape)
    for scores, share in zip(values, shares, strict=True):
        found += share[:, None] * scores
    return found


def _vote(
    values: Sequence[Floats], shares: Floats, mean: Floats
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Shares of the votes, tied ones divided by the mean scores, and where there was a tie."""
    votes = np.zeros_like(mean)
    rows = np.arange(len(mean))
    for scores, share in zip(values, shares, strict=True):
        votes[rows, scores.argmax(axis=1)] += share
    best = votes >= votes.max(axis=1, keepdims=True) - EQUAL
    tied = best.sum(axis=1) > 1
    pool = np.where(best, votes, 0).sum(axis=1, keepdims=True)
    among = np.where(best, mean, 0)
    total = among.sum(axis=1, keepdims=True)
    broken = np.where(best, pool * among / np.where(total > 0, total, 1), votes)
    return np.where((tied & (total[:, 0] > 0))[:, None], broken, votes), tied
