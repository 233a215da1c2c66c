"""`lanser-bench schema`: the JSON Schema of experiment files."""

from __future__ import annotations

from pathlib import Path

from . import _shared as shared
from ._shared import echo_json


def schema(plugins_dir: list[Path] = shared.PLUGINS_DIRS) -> None:
    """Print the JSON Schema of experiment files, with the options of all plugins.

    Editors use it for completion: put `# yaml-language-server: $schema=experiment.schema.json` on
    the first line of an experiment file.

    Examples:
        lanser-bench schema > experiment.schema.json
    """
    from ..experiment.settings.schema import experiment_schema
    from ..plugins.discovery import load_plugins

    echo_json(experiment_schema(load_plugins(plugins_dir)), indent=1)
