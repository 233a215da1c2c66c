"""Describes the differences between two versions of the same stage."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from ...store import PluginIdentity, Spec, digest

TAXONOMIES = {"taxonomy": "taxonomy", "gold_taxonomy": "gold taxonomy"}
"""Parameters with the content of a taxonomy → their names."""
SHOWN = 40
"""Longer values are shown by their hashes."""


def differences(
    old: Spec, new: Spec, old_specs: Mapping[str, Spec], new_specs: Mapping[str, Spec]
) -> list[str]:
    """Names the differences in the content of two keys of the same stage.

    Args:
        old: the stage as it was planned before.
        new: the stage now.
        old_specs: key → content of the old plan, to look into changed manifests.
        new_specs: the same of the new plan.

    Returns:
        Phrases such as ``taxonomy ekman-6 changed: 3f2a → 91cc``. Changed parents are named only
        if nothing else differs: their own lines give the reason.
    """
    return [*_own(old, new)] or [*_parents(old, new, old_specs, new_specs)]


def _parents(
    old: Spec, new: Spec, old_specs: Mapping[str, Spec], new_specs: Mapping[str, Spec]
) -> Iterator[str]:
    for role in sorted(old.parents.keys() | new.parents.keys()):
        before, after = old.parents.get(role), new.parents.get(role)
        if before == after:
            continue
        if before is None or after is None:
            yield f"{role} {'is new' if after else 'is gone'}"
            continue
        one, two = old_specs.get(before), new_specs.get(after)
        why = ""
        if one is not None and two is not None and one.stage == two.stage == "manifest":
            why = "; ".join(_own(one, two))
        yield f"{role} changed: {before[:4]} → {after[:4]}{f' ({why})' if why else ''}"


def _own(old: Spec, new: Spec) -> Iterator[str]:
    if old.stage != new.stage:
        yield f"stage {old.stage} → {new.stage}"
        return
    if old.stage_version != new.stage_version:
        yield f"stage version {old.stage_version} → {new.stage_version}"
    for role in sorted(old.plugins.keys() | new.plugins.keys()):
        yield from plugin_differences(role, old.plugins.get(role), new.plugins.get(role))
    yield from _params(old.params, new.params)
    for name in ("seed", "threads"):
        before, after = getattr(old, name), getattr(new, name)
        if before != after:
            yield f"{name} {_short(before)} → {_short(after)}"


def plugin_differences(
    role: str, old: PluginIdentity | None, new: PluginIdentity | None
) -> Iterator[str]:
    """Yields the differences between two identities of the plugin of one role, one phrase each."""
    if old is None or new is None or old.name != new.name:
        yield f"{role} {old.name if old else 'none'} → {new.name if new else 'none'}"
        return
    name = f"{role} {new.name}"
    if old.distribution != new.distribution:
        yield f"{name}: now from {new.distribution}, before from {old.distribution}"
    if old.version != new.version:
        yield f"{name}: version {old.version} → {new.version}"
    elif old.source != new.source:
        yield f"{name}: source changed: {old.source[:4]} → {new.source[:4]}"
    if old.weights != new.weights:
        yield f"{name}: weights {old.weights[:12] or 'none'} → {new.weights[:12] or 'none'}"
    for place, before, after in leaves(old.options, new.options):
        if after.startswith("sha256:") and before.startswith("sha256:"):
            yield f"{name}: content of {place} changed: {before[7:11]} → {after[7:11]}"
        else:
            yield f"{name}: {place} {before} → {after}"
    for place, before, after in leaves(old.libraries, new.libraries):
        yield f"library {place} {before} → {after}"


def _params(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    one, two = dict(old), dict(new)
    for param, called in TAXONOMIES.items():
        before, after = one.pop(param, None), two.pop(param, None)
        if before != after:
            yield _taxonomy(called, before, after)
    if one.get("content") != two.get("content"):  # of a manifest: a digest of all its rows
        rows = [str(params.pop("content", ""))[:4] or "none" for params in (one, two)]
        yield f"rows changed: {' → '.join(rows)}"
    for group in ("libraries", "audio_libraries"):
        for name, was, now in leaves(one.pop(group, {}), two.pop(group, {})):
            yield f"library {name} {was} → {now}"
    for place, was, now in leaves(one, two):
        yield f"{place} {was} → {now}"


def _taxonomy(called: str, old: Any, new: Any) -> str:
    names = [t.get("name", "?") if isinstance(t, Mapping) else _short(t) for t in (old, new)]
    if names[0] != names[1]:
        return f"{called} {names[0]} → {names[1]}"
    return f"{called} {names[1]} changed: {digest(old)[:4]} → {digest(new)[:4]}"


def leaves(old: Any, new: Any, place: str = "") -> Iterator[tuple[str, str, str]]:
    """Yields dotted place, old and new value of each difference of two JSON values."""
    if old == new:
        return
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted(old.keys() | new.keys()):
            inner = f"{place}.{key}" if place else str(key)
            yield from leaves(old.get(key), new.get(key), inner)
        return
    yield place, _short(old), _short(new)


def _short(value: Any) -> str:
    """Returns a value as a file has it; ``none`` for no value, a hash for a long one."""
    if value is None:
        return "none"
    if isinstance(value, str) and value.startswith("sha256:"):
        return value
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN else digest(value)[:8]
