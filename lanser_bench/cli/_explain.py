"""The chain of keys from audio to a number, as `lanser-bench cache explain` prints it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.tree import Tree

    from ..store import Spec, Store


def planned_specs(store: Store) -> dict[str, Spec]:
    """Returns the specs of the last plans, so that a stage that has not run is known too."""
    from ..store.plan_history import saved_plans

    return {key: spec for plan in saved_plans(store) for key, spec in plan.specs.items()}


def wanted(store: Store, what: str, specs: dict[str, Spec]) -> list[tuple[str, list[str]]]:
    """Returns what the user means: a record's results, a cell's results, or one key."""
    from ..store.plan_history import saved_plans

    path = Path(what)
    if path.suffix == ".json" and path.is_file():
        from ..records.record import load_record

        record = load_record(path)
        stages = {place: use.key for place, use in record.stages.items()}
        return [(f"{record.experiment}: {record.name}", _results(stages))]
    cells = [cell for plan in saved_plans(store) for cell in plan.cells if cell.name == what]
    if cells:
        return [(cell.name, _results(cell.stages)) for cell in cells]
    return [(what, [by_prefix(store, what, specs)])]


def _results(stages: dict[str, str]) -> list[str]:
    return [key for place, key in stages.items() if place.startswith(("evaluate", "probe"))]


def by_prefix(store: Store, prefix: str, specs: dict[str, Spec]) -> str:
    """Returns the one key that begins with `prefix`; raises `StoreError` if it is not one."""
    from ..errors import StoreError
    from ..store.plan_history import saved_plans

    known = sorted({*store.keys(), *specs})
    found = [key for key in known if key.startswith(prefix)]
    if len(found) == 1:
        return found[0]
    if not found:
        cells = [cell.name for plan in saved_plans(store) for cell in plan.cells]
        raise StoreError(
            f"No artifact or planned stage begins with '{prefix}', and no cell of the last plans "
            f"has that name. Cells: {'; '.join(cells[:12]) or 'none'}."
        )
    shown = ", ".join(key[:12] for key in found[:6])
    raise StoreError(f"{len(found)} keys begin with '{prefix}': {shown}. Give more digits.")


def branch(
    tree: Tree, store: Store, key: str, specs: dict[str, Spec], seen: set[str], role: str
) -> None:
    """Adds a key with its content and its parents to a tree; a key seen before only by name."""
    from rich.markup import escape

    artifact = store.get(key)
    spec = artifact.spec if artifact is not None else specs.get(key)
    label = f"{role}: " if role else ""
    if spec is None:
        tree.add(escape(f"{label}{key[:12]} is not in the store"))
        return
    state = f"{artifact.meta['seconds']:.1f} s" if artifact is not None else "not computed"
    node = tree.add(escape(f"{label}{spec.stage} {key} ({state})"))
    if key in seen:
        node.add("see above")
        return
    seen.add(key)
    for line in _content(spec):
        node.add(escape(line), style="dim")
    for parent_role, parent in spec.parents.items():
        branch(node, store, parent, specs, seen, parent_role)


def _content(spec: Spec) -> Iterator[str]:
    """What entered a key besides its parents, one line each."""
    yield f"stage version {spec.stage_version}"
    for role, plugin in spec.plugins.items():
        libraries = ", ".join(f"{name} {version}" for name, version in plugin.libraries.items())
        parts = [
            f"{role} {plugin.name} {plugin.version} ({plugin.distribution}, "
            f"source {plugin.source})",
            f"weights {plugin.weights[:48]}" if plugin.weights else "",
            libraries,
        ]
        yield " · ".join(part for part in parts if part)
        if plugin.options:
            yield f"  options {_short(plugin.options)}"
    for name, value in spec.params.items():
        yield f"{name} = {_short(value)}"
    if spec.seed is not None:
        yield f"seed {spec.seed}"
    if spec.threads is not None:
        yield f"threads {spec.threads}"


def _short(value: Any) -> str:
    from ..store import digest

    if isinstance(value, dict) and "labels" in value and "name" in value:
        return f"{value['name']} ({len(value['labels'])} labels, content {digest(value)[:8]})"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 200 else f"{text[:180]}… (content {digest(value)[:8]})"
