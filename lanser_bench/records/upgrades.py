"""Brings records of older schema versions up to the present one, step by step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Content = dict[str, Any]


def upgraded(content: Mapping[str, Any]) -> Content:
    """Returns a record's content in the present schema; what an old one did not hold stays empty.

    Args:
        content: a record as it was written, with its ``schema_version``.
    """
    found = dict(content)
    while found["schema_version"] in _STEPS:
        found = _STEPS[found["schema_version"]](found)
    return found


def _to_2(content: Content) -> Content:
    """Adds what 2 brought, as far as it follows from what 1 held: the taxonomy's hash."""
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


def _to_3(content: Content) -> Content:
    """What 3 brought, classes and layers of probes, an older record does not hold."""
    return {**content, "schema_version": 3}


_STEPS: dict[int, Callable[[Content], Content]] = {1: _to_2, 2: _to_3}
"""Version → what makes it the next one."""
