"""Weak labels by several labelers together: weighted mean, majority vote, or Dawid–Skene."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

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

from ._dawid_skene import settled_votes
from ._members import Member, answer, stacked_values, truncated_by_any

Floats = npt.NDArray[np.float64]
EQUAL = 1e-9
"""Sums of weights that differ by less are a tie."""


class EnsembleOptions(PluginOptions):
    """Options of `ensemble`."""

    members: tuple[Member, ...] = Field(min_length=2)
    """Labelers, each a name or ``{name: …, weight: …, option: …}``, that read neither gold nor
    ids."""
    combine: Literal["mean", "vote", "dawid-skene"] = "mean"
    """``mean``: weighted mean of scores. ``vote``: each member gives its weight to its best label,
    and scores are shares of the votes. ``dawid-skene``: estimates each member's reliability for
    each label from the members' agreement over the corpus; weights are ignored, and the result of a
    plain vote is reported too."""
    ties: Literal["mean", "abstain"] = "mean"
    """What to do with a tied vote: the tied labels share their votes by the members' mean scores,
    or there is no label."""
    quorum: float = Field(default=0.5, ge=0, le=1)
    """No label if the members that do not abstain have less than this share of all weight.
    Abstaining members do not count otherwise; if all abstain, there is never a label."""


class Ensemble(SettlingLabeler[EnsembleOptions]):
    """Combines the scores of its members.

    Independent scores are normalised to a sum of 1, unless those of all members are independent and
    their mean is taken.
    """

    Options = EnsembleOptions
    version = "2"

    def __init__(self, options: EnsembleOptions) -> None:
        super().__init__(options)
        self._plugins = [create_plugin("labeler", m.name, m.options) for m in options.members]
        self.settles = options.combine == "dawid-skene"
        languages = [plugin.languages for plugin in self._plugins if plugin.languages]
        self.languages = frozenset.intersection(*languages) if languages else frozenset()
        self.reads = frozenset({"text"}).union(*map(_read, options.members, self._plugins))

    def fingerprint(self) -> str:
        """Digests of all that can change a member's numbers, in order."""
        return ",".join(
            member_identity("labeler", member.name, plugin)
            for member, plugin in zip(self.options.members, self._plugins, strict=True)
        )

    def describe(self) -> dict[str, Any]:
        """The members with their own descriptions, and all their licences."""
        pairs = zip(self.options.members, self._plugins, strict=True)
        members = [{"name": m.name, "weight": m.weight} | p.describe() for m, p in pairs]
        licences = [str(m["licence"]) for m in members if m.get("licence")]
        return {"members": members, "licence": "; ".join(dict.fromkeys(licences))}

    def score(self, records: Sequence[TextRecord], taxonomy: Taxonomy) -> Scores:
        """Scores records by all members; raises `PluginError` if a member breaks its contract."""
        n, k = len(records), len(taxonomy.labels)
        answers = [
            answer("ensemble", member, plugin, records, taxonomy)
            for member, plugin in zip(self.options.members, self._plugins, strict=True)
        ]
        weights = np.array([[member.weight] for member in self.options.members])
        present = weights * np.stack([~answer.abstained for answer in answers])
        total = present.sum(axis=0)
        abstained = (total <= 0) | (total / weights.sum() < self.options.quorum - EQUAL)
        independent = all(answer.kind == "independent" for answer in answers)
        keep = independent and self.options.combine == "mean"
        values = [np.asarray(a.values, np.float64) if keep else _shares(a) for a in answers]
        shares = present / np.where(total > 0, total, 1)
        scores = np.zeros((n, k))
        for of_member, share in zip(values, shares, strict=True):
            scores += share[:, None] * of_member
        if self.options.combine != "mean":
            scores, tied = _vote(values, shares, scores)
            if self.options.ties == "abstain":
                abstained |= tied
        scores[abstained] = 0 if keep else 1 / k
        return Scores(
            scores.astype(np.float32),
            "independent" if keep else "distribution",
            abstained,
            stacked_values(answers),
            truncated_by_any(answers),
        )

    def settle(self, votes: npt.NDArray[np.int16], taxonomy: Taxonomy) -> Settled:
        """Combines the members' votes by Dawid & Skene's method; also returns the plain vote."""
        names = [member.name for member in self.options.members]
        return settled_votes(votes, len(taxonomy.labels), names)


def _read(member: Member, plugin: Any) -> frozenset[str]:
    """What a member reads; members that need more than the text of one record are refused."""
    extra = sorted(plugin.reads & {"gold", "id"})
    if extra or (isinstance(plugin, SettlingLabeler) and plugin.settles):
        raise PluginError(
            f"labeler 'ensemble': its member '{member.name}' "
            f"{'reads ' + ', '.join(extra) if extra else 'needs the whole corpus'}, but members "
            "must judge each text separately. Remove it."
        )
    reads: frozenset[str] = plugin.reads
    return reads


def _shares(answer: Scores) -> Floats:
    """A member's scores as rows that add up to 1; equal shares if all scores are zero."""
    values = np.asarray(answer.values, dtype=np.float64)
    total = values.sum(axis=1, keepdims=True)
    shares = np.full_like(values, 1 / values.shape[1])
    np.divide(values, total, out=shares, where=total > 0)
    return shares


def _vote(
    values: Sequence[Floats], shares: Floats, mean: Floats
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Shares of the votes, with ties split by the mean scores, and which rows are tied."""
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
