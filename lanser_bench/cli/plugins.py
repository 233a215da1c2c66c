"""`lanser-bench plugins`: all plugins and the broken ones, or one with its options."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ..errors import PluginError, did_you_mean
from ..printing import echo
from . import _shared as shared
from ._app import App
from ._complete import plugin_names
from ._shared import echo_json

if TYPE_CHECKING:
    from ..plugins.discovery import Registered, Registry

app = App(no_args_is_help=False)
NAME = typer.Argument(..., help="A plugin's name.", autocompletion=plugin_names())


@app.callback(invoke_without_command=True)
def plugins(
    context: typer.Context,
    as_json: bool = shared.AS_JSON,
    plugins_dir: list[Path] = shared.PLUGINS_DIRS,
) -> None:
    """List all plugins with a description, and the broken ones with their error.

    Only the modules that register names are imported, so this is quick.

    Examples:
        lanser-bench plugins
        lanser-bench plugins show entailment
        lanser-bench plugins --plugins-dir my_plugins --json
    """
    if context.invoked_subcommand is not None:
        return
    from ..plugins.describe import summaries
    from ..plugins.discovery import load_plugins

    registry = load_plugins(plugins_dir)
    entries = sorted(registry.entries.values(), key=lambda entry: (entry.kind, entry.name))
    about = summaries([entry for entry in entries if entry.kind != "taxonomy"])
    if as_json:
        listed = [asdict(entry) | {"summary": about.get(entry, "")} for entry in entries]
        broken_entries = [asdict(entry) for entry in registry.broken]
        echo_json({"plugins": listed, "broken": broken_entries}, indent=1)
        return
    for kind in dict.fromkeys(entry.kind for entry in entries):
        echo(kind, bold=True)
        rows = [(e.name, about.get(e, ""), _foreign(e)) for e in entries if e.kind == kind]
        if kind == "taxonomy":
            names = ", ".join(name + foreign for name, _, foreign in rows)
            rows = [(names, "lanser-bench taxonomy list describes them.", "")]
        _print_pairs([(name, text + foreign) for name, text, foreign in rows])
    for broken in registry.broken:
        echo(f"✗ {broken.entry_point} of {broken.distribution}: {broken.error}", err=True)


@app.command()
def show(
    name: str = NAME,
    kind: str | None = typer.Option(None, help="Its kind, if several have the name."),
    plugins_dir: list[Path] = shared.PLUGINS_DIRS,
) -> None:
    """Show what a plugin does, its options, and the contract of its kind.

    Examples:
        lanser-bench plugins show entailment
        lanser-bench plugins show table --kind labeler
    """
    from ..plugins.discovery import load_plugins

    registry = load_plugins(plugins_dir)
    kinds = _kinds(registry, name, kind)
    if kinds == ["taxonomy"]:
        raise PluginError(
            f"'{name}' is a taxonomy: `lanser-bench taxonomy show {name}` describes it."
        )
    for one in kinds:
        _show(registry, registry.entry(one, name))


@app.command()
def check(
    name: str = NAME,
    kind: str | None = typer.Option(None, help="Its kind, if several have the name."),
    option: list[str] = typer.Option(
        [], "--option", metavar="KEY=VALUE", help="Option of the plugin; repeatable."
    ),
    root: Path | None = typer.Option(None, help="Folder of a dataset."),
    as_json: bool = shared.AS_JSON,
    plugins_dir: list[Path] = shared.PLUGINS_DIRS,
) -> None:
    """Check a plugin against its contract and in a small experiment.

    Exit code 0: it passes; 1: it does not, and each failure says what to do; 2: it cannot be
    created. The experiment takes a few seconds and leaves nothing behind.

    Examples:
        lanser-bench plugins check shout --plugins-dir my_plugins
        lanser-bench plugins check my-corpus --root /data/my-corpus
    """
    from ._check import check_plugin
    from ._options import parsed_options

    plugins = shared.plugins_in(plugins_dir)
    one, *others = _kinds(plugins, name, kind)
    if others:
        kinds = ", ".join([one, *others])
        raise PluginError(f"'{name}' names plugins of the kinds {kinds}: set --kind.")
    with redirect_stdout(sys.stderr):
        checked = check_plugin(plugins, one, name, parsed_options(option), root)
    if as_json:
        echo_json(asdict(checked), indent=1)
    else:
        echo(f"{one} {name} of {checked.distribution}", bold=True)
        for failure in checked.failures:
            echo(f"✗ {failure}")
        if not checked.failures:
            echo(f"✓ {checked.checks} checks of the contract passed.")
        if checked.seconds is None:
            echo("The experiment runs when all checks of the contract pass.")
        elif not checked.failures:
            echo(f"✓ A small experiment ran in {checked.seconds:.1f} s.")
    if checked.failures:
        raise typer.Exit(1)


def _kinds(registry: Registry, name: str, kind: str | None) -> list[str]:
    """Returns the given kind, or all that have the name; raises `PluginError` if none has."""
    kinds = [kind] if kind else [k for k, other in registry.entries if other == name]
    if kinds:
        return kinds
    known = {other for _, other in registry.entries}
    broken = "".join(f" {b.entry_point} of {b.distribution}: {b.error}." for b in registry.broken)
    raise PluginError(f"No plugin is named '{name}'.{did_you_mean(name, known)}{broken}")


def _show(registry: Registry, entry: Registered) -> None:
    from pydantic_core import PydanticUndefined, to_json

    from ..plugins.describe import documented, first_sentence
    from ..plugins.discovery import CONTRACTS, abstract_names

    cls = registry.plugin_class(entry.kind, entry.name)
    echo(f"{entry.kind} {entry.name}, version {cls.version}", bold=True)
    echo(f"{inspect.getdoc(cls) or ''}\n")
    notes, fields = documented(cls.Options), cls.Options.model_fields
    echo("Options" if fields else "No options", bold=True)
    rows, given = [], dict[str, Any]()
    for name, field in fields.items():
        value = field.get_default(call_default_factory=True, validated_data=given)
        given[name] = value
        default = "required" if value is PydanticUndefined else to_json(value).decode()
        rows.append((f"{name} = {default}", notes.get(name, ("", ""))[1]))
    _print_pairs(rows)
    names = CONTRACTS[entry.kind].split()
    contract = next(base for base in cls.__mro__ if base.__name__ in names)
    echo(f"\nEvery {contract.__name__} has", bold=True)
    about = ((name, inspect.getdoc(getattr(contract, name))) for name in abstract_names(contract))
    _print_pairs([(name, first_sentence(text or "")) for name, text in about])
    echo(f"\n{entry.reference} of {entry.distribution}")


def _foreign(entry: Registered) -> str:
    from ..plugins.discovery import OWN_DISTRIBUTION

    return "" if entry.distribution == OWN_DISTRIBUTION else f" ({entry.distribution})"


def _print_pairs(rows: Sequence[tuple[str, str]]) -> None:
    """Prints names and texts in two columns; long texts continue below themselves."""
    from rich.table import Table

    from ._console import wide_console

    table = Table.grid(padding=(0, 2))
    table.add_column(max_width=40, overflow="fold")
    table.add_column()
    for name, text in rows:
        table.add_row(f"  {name}", text)
    if rows:
        wide_console().print(table, markup=False)
