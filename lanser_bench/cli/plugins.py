"""`lanser-bench plugins`: all plugins, and the broken ones."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import typer

from . import _shared as shared
from ._shared import echo_json


def plugins(as_json: bool = shared.AS_JSON, plugins_dir: list[Path] = shared.PLUGINS_DIRS) -> None:
    """List all plugins by kind, and the broken ones with their error.

    Only the modules that register names are imported, so this is quick.

    Examples:
        lanser-bench plugins
        lanser-bench plugins --plugins-dir my_plugins --json
    """
    from ..plugins.discovery import load_plugins

    registry = load_plugins(plugins_dir)
    entries = sorted(registry.entries.values(), key=lambda entry: (entry.kind, entry.name))
    if as_json:
        broken_entries = [asdict(entry) for entry in registry.broken]
        echo_json({"plugins": [asdict(e) for e in entries], "broken": broken_entries}, indent=1)
        return
    widths = [max((len(getattr(e, part)) for e in entries), default=0) for part in ("kind", "name")]
    kind = ""
    for entry in entries:
        shown = entry.kind if entry.kind != kind else ""
        kind = entry.kind
        typer.echo(f"{shown:<{widths[0]}}  {entry.name:<{widths[1]}}  {entry.distribution}")
    for broken in registry.broken:
        typer.echo(f"✗ {broken.entry_point} of {broken.distribution}: {broken.error}", err=True)
