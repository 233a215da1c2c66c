"""Keeps the experiment file with its results, so that it can be run again unchanged."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from ..._yaml import write_yaml
from ...store import write_atomic
from ..settings.files import ExperimentFile

NAME = "experiment.yaml"
MARK = "# Kept by lanser-bench"


def keep_experiment(
    file: ExperimentFile,
    folder: Path,
    overrides: Sequence[str] = (),
    plugin_dirs: Iterable[Path] = (),
) -> None:
    """Writes the unchanged file, with comments and order, below the command that runs it again.

    Overrides are part of that command. A taxonomy next to the file is copied too. A folder that
    cannot be written is ignored here: the run itself reports it.
    """
    path = folder / NAME
    text = _text(file)
    if text is None:
        return
    command = ["lanser-bench", "run", path.as_posix(), *overrides]
    for plugins in plugin_dirs:
        command += ["--plugins-dir", os.path.relpath(plugins)]
    head = f"{MARK} as it was run. To run it again:\n#   {shlex.join(command)}\n\n"
    with suppress(OSError):
        _write(path, head + text)
        for name in _beside(file):
            assert file.folder is not None
            if (file.folder / name).resolve() != (folder / name).resolve():
                _write(folder / name, (file.folder / name).read_text(encoding="utf-8"))


def _write(path: Path, text: str) -> None:
    if not path.is_file() or path.read_bytes() != text.encode():
        write_atomic(path, text)


def _text(file: ExperimentFile) -> str | None:
    """Returns the source without the head of an earlier copy; None if it is not YAML."""
    if file.yaml is None:
        if file.source is None:
            return None  # made by a program, such as a rerun of a record
        try:
            return write_yaml(_plain(file.source))
        except yaml.YAMLError:
            return None
    text = file.yaml.path.read_text(encoding="utf-8")
    return text.partition("\n\n")[2] if text.startswith(MARK) else text


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return str(value) if isinstance(value, Path) else value


def _beside(file: ExperimentFile) -> list[str]:
    """Returns taxonomy files that are found only relative to the experiment file."""
    folder = file.folder
    if folder is None:
        return []
    named = [file.settings.get("taxonomy")]
    for grid in file.grids:
        named += grid.axes.get("taxonomy", [])
        named += [entry.get("taxonomy") for entry in grid.include]
    paths = dict.fromkeys(name for name in named if isinstance(name, str))
    return [
        name
        for name in paths
        if name.endswith((".yaml", ".yml"))
        and ".." not in Path(name).parts
        and not Path(name).is_absolute()
        and not Path(name).is_file()
        and (folder / name).is_file()
    ]
