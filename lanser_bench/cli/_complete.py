"""Completion of the shell: names of plugins, experiments, and `KEY=VALUE` with its values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from typing import Any

import typer

COMPLETE = "_LANSER_BENCH_COMPLETE"
"""Environment variable with which the shell asks for completions."""
SCRIPTS = {
    "bash": """\
_lanser_bench() {
  local line=${COMP_LINE:0:COMP_POINT} words cut
  read -ra words <<< "$line"
  [[ $line == *[[:space:]] ]] && words+=("")
  cut=${words[-1]}
  local IFS=$'\\n'
  COMPREPLY=($(COMP_WORDS="${words[*]}" COMP_CWORD=$((${#words[@]} - 1)) \\
    %s=complete_bash lanser-bench 2> /dev/null))
  # Bash replaces only what follows the last = of a word.
  [[ $cut == *=* && $COMP_WORDBREAKS == *=* ]] && COMPREPLY=("${COMPREPLY[@]#"${cut%%=*}="}")
  [[ ${#COMPREPLY[@]} == 1 && $COMPREPLY == *[=.] ]] && compopt -o nospace
}
complete -o default -o bashdefault -F _lanser_bench lanser-bench
""",
    "zsh": """\
#compdef lanser-bench
_lanser_bench() {
  local -a found
  found=("${(@f)$(COMP_WORDS="${(F)words[1,CURRENT]}" COMP_CWORD=$((CURRENT - 1)) \\
    %s=complete_bash lanser-bench 2> /dev/null)}")
  found=(${found:#})
  (( $#found )) || { _files; return }
  compadd -S '' -- ${(M)found:#*[=.]}
  compadd -- ${found:#*[=.]}
  return 0
}
compdef _lanser_bench lanser-bench
""",
}
"""Shell → what its startup file evaluates; both get one completion a line."""

Callback = Callable[[typer.Context, str], list[str]]


def plugin_names(*kinds: str) -> Callback:
    """Completes names of plugins of some kinds; of all if none is given."""

    def complete(ctx: typer.Context, incomplete: str) -> list[str]:
        from ..plugins.discovery import registry

        entries = registry(ctx.params.get("plugins_dir") or ()).entries
        names = {name for kind, name in entries if kind in kinds or not kinds}
        return sorted(name for name in names if name.startswith(incomplete))

    return complete


def labeler_options(ctx: typer.Context, incomplete: str) -> list[str]:
    """Completes an option of the labeler that another option names."""
    return _starting(_Keys({"labeler": ctx.params.get("labeler")}), incomplete, "labeler.")


def setting(incomplete: str) -> list[str]:
    """Completes a setting of any experiment."""
    return _starting(_Keys({}), incomplete)


def dataset_words(ctx: typer.Context, incomplete: str) -> list[str]:
    """Completes a dataset's name, then its options; its folder is left to the shell."""
    words = next((v for v in ctx.params.values() if isinstance(v, list) and v), [])
    known = plugin_names("dataset")(ctx, "")
    name = next((word for word in words if word in known), None)
    if name is None:
        return plugin_names("dataset")(ctx, incomplete)
    return _starting(_Keys({"corpora": [{"dataset": name}]}), incomplete, "corpora.0.")


def experiment_words(ctx: typer.Context, incomplete: str) -> list[str]:
    """Completes an experiment, then settings to change in it."""
    from pathlib import Path

    from ..errors import LanserError
    from ..experiment.settings.files import read_experiment, shipped

    words = ctx.params.get("arguments") or []
    if not words:
        files = [p.as_posix() for end in ("yaml", "yml") for p in Path().glob(f"*.{end}")]
        names = sorted([*shipped(), *files])
        return [name for name in names if name.startswith(incomplete)]
    try:
        settings = read_experiment(words[0], words[1:]).settings
    except LanserError:
        settings = {}
    return _starting(_Keys(settings), incomplete)


def _starting(keys: _Keys, incomplete: str, inside: str = "") -> list[str]:
    """Returns the completions of `inside` + `incomplete`, without `inside`."""
    grid = "grid." if incomplete.startswith("grid.") else ""
    wanted = inside + incomplete.removeprefix(grid)
    found = (grid + word.removeprefix(inside) for word in keys.complete(wanted))
    return [word for word in found if word.startswith(incomplete)]


class _Keys:
    """Keys of experiments and their values, from the schema of the settings."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        """Takes the settings so far, whose plugins have options."""
        from ..experiment.settings.model import Experiment
        from ..experiment.settings.schema import LISTS, SINGLE
        from ..plugins.discovery import registry

        self._settings, self._plugins = settings, registry()
        self._kinds = {**SINGLE, **LISTS, "agree": "labeler"}
        self._root = Experiment.model_json_schema()
        self._root["properties"]["taxonomy"] = {"enum": self._plugins.names("taxonomy")}

    def complete(self, written: str) -> list[str]:
        """Returns ``key=value`` words, or keys that end in ``=`` or, above others, in a dot."""
        key, equals, _ = written.partition("=")
        *parents, last = key.split(".")
        node, given = self._root, self._settings
        for step in parents:
            node, given = self._inside(node, step, given)
        if equals:
            node, _ = self._inside(node, last, given)
            return [f"{key}={value}" for value in _values(self._root, node)]
        found = []
        for name in self._inner(node, given):
            below, own = self._inside(node, name, given)
            path = ".".join([*parents, name])
            section = any("properties" in one for one in _forms(self._root, below))
            found += [] if section and "enum" not in below else [f"{path}="]
            found += [f"{path}."] if any(self._inner(below, own)) else []
        return found

    def _inner(self, node: Mapping[str, Any], given: Any) -> Iterator[str]:
        """Yields the keys inside a node: of a section, or positions of a list."""
        for one in _forms(self._root, node):
            yield from (key for key in one.get("properties", ()) if key != "options")
            if "items" in one and isinstance(given, list):
                yield from map(str, range(len(given)))

    def _inside(self, node: Mapping[str, Any], step: str, given: Any) -> tuple[dict[str, Any], Any]:
        """Returns the node and the present value of a key inside a node."""
        own: Any = given.get(step) if isinstance(given, Mapping) else None
        if isinstance(given, list) and step.isdecimal() and int(step) < len(given):
            own = given[int(step)]
        forms = _forms(self._root, node)
        inner = [one["properties"][step] for one in forms if step in one.get("properties", ())]
        found: dict[str, Any] = next(
            iter([*inner, *(one["items"] for one in forms if "items" in one)]), {}
        )
        kind = self._kinds.get(step)
        if kind is not None and "items" not in found:
            return {"enum": self._plugins.names(kind), "properties": self._options(kind, own)}, own
        if isinstance(own, Mapping) and "dataset" in own:
            (ref,) = _forms(self._root, found)
            return {"properties": {**ref["properties"], **self._options("dataset", own)}}, own
        return found, own

    def _options(self, kind: str, own: Any) -> dict[str, Any]:
        """Returns the options of the plugin that a setting names."""
        from ..errors import LanserError

        name = own.get("name", own.get("dataset")) if isinstance(own, Mapping) else own
        try:
            schema = self._plugins.plugin_class(kind, str(name)).Options.model_json_schema()
        except LanserError:
            return {}
        self._root["$defs"] |= schema.get("$defs", {})
        return dict(schema.get("properties", {}))


def _forms(root: Mapping[str, Any], node: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Returns the forms that a value may have, references resolved."""
    if "$ref" in node:
        return _forms(root, root["$defs"][node["$ref"].rpartition("/")[2]])
    return [*chain(*(_forms(root, one) for one in node["anyOf"]))] if "anyOf" in node else [node]


def _values(root: Mapping[str, Any], node: Mapping[str, Any]) -> Iterator[str]:
    for one in _forms(root, node):
        yield from map(str, [*one.get("enum", ()), *([one["const"]] if "const" in one else [])])
        if one.get("type") == "boolean":
            yield from ("true", "false")
