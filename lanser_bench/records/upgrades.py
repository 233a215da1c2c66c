"""Upgrades records of older schema versions to the current one, step by step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Content = dict[str, Any]


def upgraded(content: Mapping[str, Any]) -> Content:
    """Returns a record's content in the current schema; fields that are newer stay empty.

    Args:
        content: a record as it was written, with its ``schema_version``.
    """
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


def _to_3(content: Content) -> Content:
    """Older records have no classes and layers of probes, which version 3 added."""
    return {**content, "schema_version": 3}


def _to_4(content: Content) -> Content:
    """Older records lack the measurements that version 4 added."""
    return {**content, "schema_version": 4}


def _to_5(content: Content) -> Content:
    """Older records have no file of weak labels, which version 5 added."""
    return {**content, "schema_version": 5}


_STEPS: dict[int, Callable[[Content], Content]] = {1: _to_2, 2: _to_3, 3: _to_4, 4: _to_5}
"""Version → step to the next version."""
