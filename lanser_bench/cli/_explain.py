"""The chain of keys from audio to a number, as `lanser-bench cache explain` prints it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.tree import Tree

from ..errors import StoreError
from ..records.reading import load_record
from ..store import Spec, Store, digest
from ..store.plan_history import saved_plans


def planned_specs(store: Store) -> dict[str, Spec]:
    """Returns the specs of the latest plans, for stages that have not run."""
    return {key: spec for plan in saved_plans(store) for key, spec in plan.specs.items()}


def requested(store: Store, what: str, specs: dict[str, Spec]) -> list[tuple[str, list[str]]]:
    """Returns titles and keys: the results of a record, the results of a cell, or one key."""
    path = Path(what)
    if path.suffix == ".json" and path.is_file():
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
    """Returns the only key that begins with `prefix`; raises `StoreError` if none or several do."""
    matches = sorted(key for key in {*store.keys(), *specs} if key.startswith(prefix))
    if len(matches) == 1:
        return matches[0]
    if not matches:
        cells = [cell.name for plan in saved_plans(store) for cell in plan.cells]
        raise StoreError(
            f"No key of an artifact or planned stage begins with '{prefix}', and no cell of the "
            f"latest plans has that name. Cells: {'; '.join(cells[:12]) or 'none'}."
        )
    shown = ", ".join(key[:12] for key in matches[:6])
    raise StoreError(f"{len(matches)} keys begin with '{prefix}': {shown}. Give more digits.")


def branch(
    tree: Tree, store: Store, key: str, specs: dict[str, Spec], seen: set[str], role: str
) -> None:
    """Adds a key to a tree, with its content and its parents if it was not added before."""
    artifact = store.get(key)
    spec = artifact.spec if artifact is not None else specs.get(key)
    label = f"{role}: " if role else ""
    if spec is None:
        tree.add(escape(f"{label}{key[:12]} is missing from the store"))
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
    """Yields a line for each part of a key other than its parents."""
    yield f"stage version {spec.stage_version}"
    for role, plugin in spec.plugins.items():
        libraries = ", ".join(f"{name} {version}" for name, version in plugin.libraries.items())
        origin = f"({plugin.distribution}, source {plugin.source})"
        weights = f"weights {plugin.weights[:48]}" if plugin.weights else ""
        parts = (f"{role} {plugin.name} {plugin.version} {origin}", weights, libraries)
        yield " · ".join(filter(None, parts))
        if plugin.options:
            yield f"  options {_short(plugin.options)}"
    for name, value in spec.params.items():
        yield f"{name} = {_short(value)}"
    if spec.seed is not None:
        yield f"seed {spec.seed}"
    if spec.threads is not None:
        yield f"threads {spec.threads}"


def _short(value: Any) -> str:
    if isinstance(value, dict) and "labels" in value and "name" in value:
        return f"{value['name']} ({len(value['labels'])} labels, content {digest(value)[:8]})"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 200 else f"{text[:180]}… (content {digest(value)[:8]})"
