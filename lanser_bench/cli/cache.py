"""`lanser-bench cache`: look into the store."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.tree import Tree

    from ..store import Spec, Store

app = typer.Typer(help="Look into the store: explain a number, list, verify, remove.")
StorePath = Annotated[
    Path, typer.Option("--store", help="The store's folder.", envvar="LANSER_STORE")
]
DEFAULT = Path(".lanser/store")


@app.command()
def explain(
    what: Annotated[
        str,
        typer.Argument(help="A key or its beginning, a result record, or the name of a cell."),
    ],
    store: StorePath = DEFAULT,
) -> None:
    """Print the chain of keys from audio to a number, with what entered each key."""
    from ._console import wide_console

    opened = open_store(store)
    specs = _planned_specs(opened)
    for title, keys in _wanted(opened, what, specs):
        from rich.markup import escape
        from rich.tree import Tree

        root = Tree(escape(title))
        seen: set[str] = set()
        for key in keys:
            _branch(root, opened, key, specs, seen, "")
        wide_console().print(root)


@app.command("ls")
def list_artifacts(store: StorePath = DEFAULT) -> None:
    """List the artifacts, oldest first."""
    from rich.table import Table

    from ._console import wide_console

    table = Table()
    for column in ("key", "stage", "size", "seconds", "written"):
        table.add_column(column, justify="right" if column in ("size", "seconds") else "left")
    opened, total, count = open_store(store), 0, 0
    rows = []
    for key in opened.keys():  # noqa: SIM118 - a store is no mapping
        artifact = opened.get(key)
        if artifact is None:
            continue
        size = sum(file["size"] for file in artifact.meta["files"].values())
        total, count = total + size, count + 1
        rows.append((artifact.meta["written"], key, artifact.meta["spec"]["stage"], size,
                     artifact.meta["seconds"]))  # fmt: skip
    for written, key, stage, size, seconds in sorted(rows):
        table.add_row(key[:12], stage, _size(size), f"{seconds:.1f}", written)
    console = wide_console()
    console.print(table)
    console.print(f"{count} artifacts, {_size(total)} in {opened.root}", soft_wrap=True)


@app.command()
def verify(store: StorePath = DEFAULT) -> None:
    """Compare the bytes of every artifact with its checksums; remove what is damaged.

    Exit code 0: all is well; 1: something was damaged, and will be computed again when needed.
    """
    opened, count, damaged = open_store(store), 0, 0
    for key in list(opened.keys()):
        artifact = opened.get(key)
        if artifact is None:
            typer.echo(f"{key}: of another format, not used", err=True)
            continue
        count += 1
        faults = artifact.faults()
        if faults:
            damaged += 1
            opened.discard(key)
            stage = artifact.meta["spec"]["stage"]
            typer.echo(f"{key} ({stage}): {'; '.join(faults)}. Removed.", err=True)
    typer.echo(f"{count} artifacts verified, {damaged} damaged and removed.")
    if damaged:
        raise typer.Exit(1)


@app.command("rm")
def remove(
    keys: Annotated[list[str], typer.Argument(help="Keys or their beginnings.")],
    store: StorePath = DEFAULT,
) -> None:
    """Remove artifacts; they are computed again when a run needs them."""
    opened = open_store(store)
    for prefix in keys:
        found = _by_prefix(opened, prefix, {})
        opened.discard(found)
        typer.echo(f"Removed {found}.")


def open_store(path: Path) -> Store:
    """Opens a store that is there; `StoreError` if there is none."""
    from ..errors import StoreError
    from ..store import Store

    if not (path / "objects").is_dir():
        raise StoreError(f"There is no store at {path}. Name it with --store or LANSER_STORE.")
    return Store(path)


def _planned_specs(store: Store) -> dict[str, Spec]:
    """Specs of the last plans, so that a stage that has not run can be explained too."""
    from ..store import Spec

    found: dict[str, Spec] = {}
    for content in _plans(store):
        found |= {key: Spec.model_validate(spec) for key, spec in content["specs"].items()}
    return found


def _plans(store: Store) -> Iterator[dict[str, Any]]:
    for path in sorted((store.root / "plans").glob("*.json")):
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue  # an unreadable plan is no plan
        yield content


def _wanted(store: Store, what: str, specs: dict[str, Spec]) -> list[tuple[str, list[str]]]:
    """What the user means: a record's results, a cell's results, or one key."""
    path = Path(what)
    if path.suffix == ".json" and path.is_file():
        from ..reporting.records import load_record

        record = load_record(path)
        stages = {place: use.key for place, use in record.stages.items()}
        return [(f"{record.experiment}: {record.name}", _results(stages))]
    cells = [cell for content in _plans(store) for cell in content["cells"] if cell["name"] == what]
    if cells:
        return [(cell["name"], _results(cell["stages"])) for cell in cells]
    return [(what, [_by_prefix(store, what, specs)])]


def _results(stages: dict[str, str]) -> list[str]:
    return [key for place, key in stages.items() if place.startswith(("evaluate", "probe"))]


def _by_prefix(store: Store, prefix: str, specs: dict[str, Spec]) -> str:
    from ..errors import StoreError

    known = sorted({*store.keys(), *specs})
    found = [key for key in known if key.startswith(prefix)]
    if len(found) == 1:
        return found[0]
    if not found:
        cells = [cell["name"] for content in _plans(store) for cell in content["cells"]]
        raise StoreError(
            f"No artifact or planned stage begins with '{prefix}', and no cell of the last plans "
            f"has that name. Cells: {'; '.join(cells[:12]) or 'none'}."
        )
    shown = ", ".join(key[:12] for key in found[:6])
    raise StoreError(f"{len(found)} keys begin with '{prefix}': {shown}. Give more digits.")


def _branch(
    tree: Tree, store: Store, key: str, specs: dict[str, Spec], seen: set[str], role: str
) -> None:
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
        _branch(node, store, parent, specs, seen, parent_role)


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


def _size(size: float) -> str:
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
