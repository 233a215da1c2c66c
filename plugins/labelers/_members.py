"""Members of labelers that combine or change the labels of others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from lanser_bench import Labeler, PluginError, PluginOptions, Scores, Taxonomy, TextRecord


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
            return {**known, "options": {key: value[key] for key in value if key not in known}}
        return value


def answer(
    owner: str,
    member: Member,
    plugin: Labeler[Any],
    records: Sequence[TextRecord],
    taxonomy: Taxonomy,
) -> Scores:
    """Returns a member's scores; raises `PluginError` if they are not finite or misshapen."""
    scores = plugin.score(records, taxonomy)
    wanted = (len(records), len(taxonomy.labels))
    if np.shape(scores.values) != wanted or not np.isfinite(scores.values).all():
        raise PluginError(
            f"labeler '{owner}': its member '{member.name}' gave scores that are not finite "
            f"numbers of shape {wanted} = (records, labels)."
        )
    return scores


def stacked_values(answers: Sequence[Scores]) -> npt.NDArray[np.float32]:
    """Scores of all members, shape (n, K, members); zero if a member abstains."""
    return np.stack(
        [np.where(one.abstained[:, None], 0, one.values) for one in answers], axis=2
    ).astype(np.float32)


def truncated_by_any(answers: Sequence[Scores]) -> npt.NDArray[np.bool_] | None:
    """Records of which a member read only a part, shape (n,); None if no member reports any."""
    reported = [one.truncated for one in answers if one.truncated is not None]
    return np.logical_or.reduce(reported) if reported else None
