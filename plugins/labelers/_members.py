"""Members of labelers that are made of others."""

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
            own = {key: value[key] for key in value if key not in known}
            return {**known, "options": own}
        return value


def answer(
    owner: str,
    member: Member,
    plugin: Labeler[Any],
    records: Sequence[TextRecord],
    taxonomy: Taxonomy,
) -> Scores:
    """Returns a member's scores.

    Raises:
        PluginError: they are no finite numbers of the right shape.
    """
    found = plugin.score(records, taxonomy)
    wanted = (len(records), len(taxonomy.labels))
    if np.shape(found.values) != wanted or not np.isfinite(found.values).all():
        raise PluginError(
            f"labeler '{owner}': its member '{member.name}' gave scores that are not finite "
            f"numbers of shape {wanted} = (records, labels)."
        )
    return found


def said(answers: Sequence[Scores]) -> npt.NDArray[np.float32]:
    """What members say, shape (n, K, members); zero where one abstains."""
    return np.stack(
        [np.where(one.abstained[:, None], 0, one.values) for one in answers], axis=2
    ).astype(np.float32)


def truncated_by_any(answers: Sequence[Scores]) -> npt.NDArray[np.bool_] | None:
    """Where a member read a part of its record only, shape (n,); None where none ever does."""
    told = [one.truncated for one in answers if one.truncated is not None]
    return np.logical_or.reduce(told) if told else None
