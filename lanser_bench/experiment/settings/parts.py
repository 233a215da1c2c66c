"""A corpus in parts: several datasets in its place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MOST_PARTS = 1000


def in_parts(corpora: Any) -> Any:
    """Lists each corpus with `parts` as so many datasets, its shares.

    Raises:
        ValueError: not a whole number of parts, or a share beside it.
    """
    if not isinstance(corpora, list | tuple):
        return corpora
    listed: list[Any] = []
    for corpus in corpora:
        if not isinstance(corpus, Mapping) or "parts" not in corpus:
            listed.append(corpus)
            continue
        parts, rest = corpus["parts"], {k: v for k, v in corpus.items() if k != "parts"}
        if type(parts) is not int or not 1 <= parts <= MOST_PARTS or "share" in rest:
            raise ValueError(
                f"expected a whole number from 1 to {MOST_PARTS} for 'parts', and no 'share' beside"
            )
        listed += [{**rest, "share": f"{i}/{parts}"} for i in range(1, parts + 1)]
    return listed
