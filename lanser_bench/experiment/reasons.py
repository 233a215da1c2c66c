"""Says in words what differs between two versions of the same stage."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..store import PluginIdentity, Spec, digest


def differences(
    old: Spec, new: Spec, old_specs: Mapping[str, Spec], new_specs: Mapping[str, Spec]
) -> list[str]:
    """Names what differs in the content of two keys of the same stage.

    Args:
        old: the stage as it was planned before.
        new: the stage now.
        old_specs: key → content of the old plan, to look into changed manifests.
        new_specs: the same of the new plan.

    Returns:
        Phrases such as ``taxonomy ekman-6 changed: 3f2a → 91cc``. Changed parents are named only
        where nothing of the stage's own differs: their own lines give the reason.
    """
    found = [*_own(old, new)]
    if found:
        return found
    for role in sorted(old.parents.keys() | new.parents.keys()):
        before, after = old.parents.get(role), new.parents.get(role)
        if before == after:
            continue
        inner: list[str] = []
        one, two = old_specs.get(before or ""), new_specs.get(after or "")
        if one is not None and two is not None and one.stage == two.stage == "manifest":
            inner = [*_own(one, two)]
        verb = "changed" if before and after else "is new" if after else "is gone"
        found.append(f"{role} {verb}" + (f" ({'; '.join(inner)})" if inner else ""))
    return found


def _own(old: Spec, new: Spec) -> Iterator[str]:
    if old.stage_version != new.stage_version:
        yield f"stage version {old.stage_version} → {new.stage_version}"
    for role in sorted(old.plugins.keys() | new.plugins.keys()):
        yield from _plugin(role, old.plugins.get(role), new.plugins.get(role))
    yield from _params(old.params, new.params)
    if old.seed != new.seed:
        yield f"seed {old.seed} → {new.seed}"
    if old.threads != new.threads:
        yield f"threads {old.threads} → {new.threads}"


def _plugin(role: str, old: PluginIdentity | None, new: PluginIdentity | None) -> Iterator[str]:
    if old is None or new is None:
        yield f"{role} {old.name if old else 'none'} → {new.name if new else 'none'}"
        return
    if old.name != new.name:
        yield f"{role} {old.name} → {new.name}"
        return
    if old.version != new.version:
        yield f"{role} {new.name} version {old.version} → {new.version}"
    elif old.source != new.source:
        yield f"{role} {new.name}: source changed: {old.source[:4]} → {new.source[:4]}"
    if old.weights != new.weights:
        yield f"{role} {new.name}: weights {old.weights[:12]} → {new.weights[:12]}"
    for place, before, after in _leaves(old.options, new.options):
        yield f"{role} {new.name}: {place} {before} → {after}"
    for place, before, after in _leaves(old.libraries, new.libraries):
        yield f"{place} {before} → {after}"


def _params(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    one, two = old.get("taxonomy"), new.get("taxonomy")
    if one != two:
        yield _taxonomy(one, two)
    rest_old = {k: v for k, v in old.items() if k != "taxonomy"}
    rest_new = {k: v for k, v in new.items() if k != "taxonomy"}
    for place, before, after in _leaves(rest_old, rest_new):
        yield f"{place} {before} → {after}"


def _taxonomy(old: Any, new: Any) -> str:
    names = [t.get("name", "?") if isinstance(t, Mapping) else str(t)[:12] for t in (old, new)]
    if names[0] != names[1]:
        return f"taxonomy {names[0]} → {names[1]}"
    return f"taxonomy {names[1]} changed: {digest(old)[:4]} → {digest(new)[:4]}"


def _leaves(old: Any, new: Any, place: str = "") -> Iterator[tuple[str, str, str]]:
    """Yields dotted place, old and new value of what differs."""
    if old == new:
        return
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted(old.keys() | new.keys()):
            inner = f"{place}.{key}" if place else str(key)
            yield from _leaves(old.get(key), new.get(key), inner)
        return
    yield place, _short(old), _short(new)


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else digest(value)[:8]
