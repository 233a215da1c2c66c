"""Upgrades records of older schema versions to the current one, step by step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Content = dict[str, Any]


def upgraded(content: Mapping[str, Any]) -> Content:
    """Returns a record's content in the current schema; fields that are newer stay empty."""
    found = dict(content)
    while found["schema_version"] in _STEPS:
        found = _STEPS[found["schema_version"]](found)
    return found


def _to_2(content: Content) -> Content:
    """Adds the taxonomy's hash, if the labels' reports give it."""
    reports = content.get("labels", {})
    reports = reports.values() if isinstance(reports, dict) else ()
    hashes = {
        str(r["taxonomy_hash"]) for r in reports if isinstance(r, dict) and "taxonomy_hash" in r
    }
    return {
        **content,
        "schema_version": 2,
        "taxonomy_hash": hashes.pop() if len(hashes) == 1 else None,
    }


def _next(content: Content) -> Content:
    """Older records lack what was added: classes of probes (3), measurements (4), labels (5)."""
    return {**content, "schema_version": content["schema_version"] + 1}


_STEPS: dict[int, Callable[[Content], Content]] = {1: _to_2, 2: _next, 3: _next, 4: _next}
"""Version → step to the next version."""
