"""Reads experiment files: YAML with its lines, and `key=value` overrides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..._yaml import MarkedYaml, read_value, read_yaml
from ...errors import SettingsError, did_you_mean
from ...paths import user_path
from .axes import Grid, axes_of, override_path, take_grids

PLUGIN_KEYS = {
    "segmenter": "none",
    "asr": "reference",
    "labeler": None,
    "encoder": None,
    "executor": "local",
}
"""Keys whose value may be the name of a plugin → their default."""


@dataclass(frozen=True)
class ExperimentFile:
    """An experiment as written, with unresolved interpolations."""

    label: str
    """Its name in messages: its path, or ``settings`` for a mapping."""
    settings: dict[str, Any]
    grids: list[Grid]
    """Its grids; one grid of one point without any axis."""
    folder: Path | None = None
    """Folder of the file; a taxonomy's path may be relative to it."""
    yaml: MarkedYaml | None = None
    """The file with its lines, for messages."""
    source: Mapping[str, Any] | None = None
    """The mapping, if the experiment is not a file."""
    overrides: Mapping[tuple[str, ...], str] = field(default_factory=dict)
    """Place that an override sets → the override."""

    @property
    def written(self) -> dict[tuple[str, ...], str]:
        """Place that an override sets → the text after its ``=``."""
        return {path: text.partition("=")[2].strip() for path, text in self.overrides.items()}

    def where(self, place: Sequence[str | int]) -> str:
        """Returns a place in the settings for messages: file and line, or the override that set it.

        A place that an axis has set has no line.
        """
        for path, text in reversed([*self.overrides.items()]):
            if tuple(map(str, place[: len(path)])) == path:
                return f"Override '{text}'"
        top = self.yaml.content if self.yaml is not None else {}
        if tuple(place[:2]) == ("pretrain", "seeds") and "seeds" in top:
            place = ("seeds", *place[2:])
        if self.yaml is None or not place or place[0] not in top:
            return self.label
        return f"{self.label}, line {self.yaml.line(place)}"


def shipped() -> dict[str, Path]:
    """Returns the shipped experiments: name → file."""
    folder = Path(__file__).parents[2] / "experiments"
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def read_experiment(
    source: str | Path | Mapping[str, Any], overrides: Sequence[str] = (), label: str = "settings"
) -> ExperimentFile:
    """Reads an experiment file, the name of a shipped one, or a mapping.

    Args:
        source: path, name such as ``quickstart``, or the content itself.
        overrides: ``key=value`` with dotted keys, values as `read_value` reads them.
        label: what messages call a mapping.

    Raises:
        SettingsError: missing file, invalid YAML, or an override that does not fit.
    """
    if isinstance(source, Mapping):
        folder, content, file = None, deepcopy(dict(source)), None
    else:
        path = find_file(source)
        file = _read_yaml(path)
        label, folder = f"Experiment file {source}", path.parent
        content = {str(key): value for key, value in file.content.items()}
    content = _overridden(_seeds_in_place(content, label), overrides, label)
    set_by = {tuple(override_path(text.partition("=")[0])): text for text in overrides}
    grids = take_grids(content, label)
    given = deepcopy(dict(source)) if isinstance(source, Mapping) else None
    return ExperimentFile(label, content, grids, folder, file, given, set_by)


def find_file(source: str | Path) -> Path:
    """Returns the file of a path or of the name of a shipped experiment.

    Raises:
        SettingsError: there is none.
    """
    try:
        path = user_path(source)
    except ValueError as error:
        raise SettingsError(
            f"The experiment file '{str(source)[:100]}' cannot be read: {error}."
        ) from None
    if path.exists() and not path.is_dir():
        return path
    known = shipped()
    if str(source) in known:
        return known[str(source)]
    hint = did_you_mean(str(source), known) if path.suffix == "" and len(path.parts) == 1 else ""
    what = "is a folder, not an experiment file" if path.is_dir() else "does not exist"
    raise SettingsError(f"Experiment file {source} {what}.{hint}")


def _read_yaml(path: Path) -> MarkedYaml:
    file = read_yaml(path, "Experiment file", SettingsError)
    if not isinstance(file.content, dict) or not file.content:
        raise SettingsError(f"Experiment file {path}: expected keys and values, such as `name: …`.")
    return file


def _seeds_in_place(content: dict[str, Any], label: str) -> dict[str, Any]:
    """Moves `seeds`, which is short for `pretrain.seeds`."""
    if "seeds" not in content:
        return content
    rest = {key: value for key, value in content.items() if key != "seeds"}
    pretrain = content.get("pretrain")
    if isinstance(pretrain, Mapping) and "seeds" in pretrain:
        raise SettingsError(
            f"{label}: 'seeds' and 'pretrain.seeds' are both set and mean the same: remove one."
        )
    return assigned(rest, ["pretrain", "seeds"], content["seeds"], f"{label}: 'seeds'")


def _overridden(content: dict[str, Any], overrides: Sequence[str], label: str) -> dict[str, Any]:
    """Applies ``key=value`` pairs in order; lists are reached as ``corpora.0.root``."""
    if not overrides:
        return content
    axes = axes_of(content)
    for text in overrides:
        key, equals, written = text.partition("=")
        if not equals or not key.strip():
            raise SettingsError(f"Override '{text}' is not of the form key=value.")
        if key in axes:
            raise SettingsError(
                f"Override '{text}': '{key}' is an axis of the grid of {label}; "
                f"change it with grid.{key}=[…]."
            )
        value = read_value(written, f"Override '{text}'", SettingsError) if written.strip() else ""
        content = assigned(content, override_path(key), value, f"Override '{text}'")
    return content


def assigned(
    settings: Mapping[str, Any], path: list[str], value: Any, where: str
) -> dict[str, Any]:
    """Returns a copy with one dotted key set; only the containers on its path are copied.

    Raises:
        SettingsError: the path leads through a plain value or past the end of a list.
    """
    head, *rest = path
    if not rest:
        return {**settings, head: value}
    inner = settings.get(head)
    if inner is None:
        inner = PLUGIN_KEYS.get(head)
    if isinstance(inner, str) and head in PLUGIN_KEYS:
        inner = {"name": inner}  # an option of a plugin that was written as a name
    if isinstance(inner, list):
        return {**settings, head: _assigned_item(inner, rest, value, where)}
    if inner is not None and not isinstance(inner, Mapping):
        raise SettingsError(f"{where}: '{head}' is {inner!r}, which has no key '{rest[0]}'.")
    return {**settings, head: assigned(inner or {}, rest, value, where)}


def _assigned_item(items: list[Any], path: list[str], value: Any, where: str) -> list[Any]:
    position, *rest = path
    if not position.isdecimal() or len(position) > 9 or int(position) >= len(items):
        raise SettingsError(f"{where}: no entry '{position[:40]}' in a list of {len(items)}.")
    changed, index = list(items), int(position)
    if not rest:
        changed[index] = value
        return changed
    item = {"name": items[index]} if isinstance(items[index], str) else items[index]
    if not isinstance(item, Mapping):
        raise SettingsError(f"{where}: entry {position} is {item!r}, which has no keys.")
    changed[index] = assigned(item, rest, value, where)
    return changed
