"""`lanser-bench plugins`: what there is, and what is broken."""

from __future__ import annotations

from typing import Annotated

import typer

from ._shared import PluginsDirs


def plugins(
    json_output: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    plugins_dir: PluginsDirs = None,
) -> None:
    """List all plugins by kind, and the broken ones with their error.

    Nothing is imported but the modules that register names, so this is quick.
    """
    import json
    from dataclasses import asdict

    from ..plugins.discovery import load_plugins

    found = load_plugins(plugins_dir or ())
    entries = sorted(found.entries.values(), key=lambda entry: (entry.kind, entry.name))
    if json_output:
        content = {
            "plugins": [asdict(entry) for entry in entries],
            "broken": [asdict(broken) for broken in found.broken],
        }
        typer.echo(json.dumps(content, indent=1, ensure_ascii=False))
        return
    widths = [max((len(getattr(e, part)) for e in entries), default=0) for part in ("kind", "name")]
    kind = ""
    for entry in entries:
        shown = entry.kind if entry.kind != kind else ""
        kind = entry.kind
        typer.echo(f"{shown:<{widths[0]}}  {entry.name:<{widths[1]}}  {entry.distribution}")
    for broken in found.broken:
        typer.echo(f"✗ {broken.entry_point} of {broken.distribution}: {broken.error}", err=True)
