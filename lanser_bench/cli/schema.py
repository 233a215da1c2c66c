"""`lanser-bench schema`: the JSON Schema of experiment files."""

from __future__ import annotations

import typer

from ._shared import PluginsDirs


def schema(
    plugins_dir: PluginsDirs = None,
) -> None:
    """Print the JSON Schema of experiment files, with the options of all plugins.

    Editors use it for completion: put `# yaml-language-server: $schema=experiment.schema.json` on
    the first line of an experiment file.
    """
    import json

    from ..experiment.settings.schema import experiment_schema
    from ..plugins.discovery import load_plugins

    found = experiment_schema(load_plugins(plugins_dir or ()))
    typer.echo(json.dumps(found, indent=1, ensure_ascii=False))
