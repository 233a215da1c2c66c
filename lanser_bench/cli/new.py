"""`lanser-bench new`: a working plugin to start from, as a file or as a package."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import typer

from ..errors import DataError, PluginError, did_you_mean
from ..printing import echo
from . import _shared as shared

NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
USES = {
    "labeler": 'label text "I was scared." --labeler NAME',
    "asr": "run quickstart asr=NAME",
    "encoder": "run quickstart encoder=NAME",
    "dataset": "data check NAME FOLDER",
    "probe": "run quickstart probes=[NAME]",
    "segmenter": "run quickstart segmenter=NAME",
    "tracker": "run quickstart trackers=[NAME]",
    "executor": "run quickstart executor=NAME",
    "taxonomy": "taxonomy show NAME",
}
"""Kind of plugin → a command that uses one."""


def new(
    kind: str = typer.Argument(
        ..., help=f"Kind of plugin: {', '.join(USES)}.", autocompletion=lambda: list(USES)
    ),
    name: str = typer.Argument(..., help="Its name in experiments, such as shout or my-labels."),
    package: bool = typer.Option(
        False, "--package", help="Write a package for pip, with a test, not a loose file."
    ),
    into: Path | None = typer.Option(
        None, help="Folder to write into. Default: my_plugins; for a package the current folder."
    ),
) -> None:
    """Write a small working plugin to start from, and the commands to check and use it.

    Existing files are not changed.

    Examples:
        lanser-bench new labeler shout
        lanser-bench new encoder my-net --package
    """
    _check(kind, name)
    module = f"lanser_bench_{name.replace('-', '_')}"
    if package:
        folder = (into or Path()) / module.replace("_", "-")
        files = _package(kind, name, module)
        before, option = f"pip install -e {shlex.quote(str(folder))} && ", ""
    else:
        folder = into or Path("my_plugins")
        files = _plugin(kind, name, f"{name.replace('-', '_')}_{kind}.py")
        before, option = "", f" --plugins-dir {shlex.quote(str(folder))}"
    _write(folder, files)
    echo("Next:")
    echo(f"  {before}lanser-bench plugins check {name}{option}")
    echo(f"  lanser-bench {USES[kind].replace('NAME', name)}{option}")


def _check(kind: str, name: str) -> None:
    """Refuses an unknown kind, and a name that cannot be used or is in use."""
    from ..plugins.discovery import registry

    if kind not in USES:
        raise PluginError(f"No kind of plugin is named '{kind}'.{did_you_mean(kind, USES)}")
    if not NAME.fullmatch(name):
        raise PluginError(
            f"'{name}' cannot name a plugin. Use lower-case letters, digits and single hyphens, "
            "beginning with a letter, such as 'my-labels'."
        )
    entry = registry().entries.get((kind, name))
    if entry is not None:
        raise PluginError(f"{entry.distribution} has a {kind} '{name}'. Choose another name.")
    if re.search(rf"\b{_camel(name)}\b", _template(f"{kind}.py").partition("class ")[0]):
        raise PluginError(f"'{name}' would hide a name that the plugin imports. Choose another.")


def _camel(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("-"))


def _template(file: str) -> str:
    from importlib.resources import files

    return files("lanser_bench.templates").joinpath(file).read_text(encoding="utf-8")


def _plugin(kind: str, name: str, file: str) -> dict[str, str]:
    """Returns file → text of the kind's template under another name."""
    text = _template(f"{kind}.py")
    found = re.search(r'register\("([^"]+)"', text)
    assert found is not None
    old = found[1]

    def renamed(text: str) -> str:
        text = re.sub(rf"\b{_camel(old)}(?=\b|Options\b)", _camel(name), text)
        return re.sub(rf'(?<=["`]){old}(?=["`.])|(?<=^name: ){old}', name, text)

    texts = {file: renamed(text)}
    if kind == "taxonomy":
        texts[f"{name}.yaml"] = renamed(_template(f"{old}.yaml"))
    return texts


def _package(kind: str, name: str, module: str) -> dict[str, str]:
    """Returns file → text of a package with the plugin, its metadata and a test."""
    words = {
        "DISTRIBUTION": module.replace("_", "-"),
        "MODULE": module,
        "NAME": name,
        "KIND": kind,
        "CLASS": _camel(name),
        "SUITE": f"{'ASR' if kind == 'asr' else kind.capitalize()}Suite",
    }
    test = kind if kind in ("dataset", "taxonomy") else "plugin"
    texts = {
        "pyproject.toml": _template("package.toml"),
        "README.md": _template("package.md"),
        f"tests/test_{name.replace('-', '_')}.py": _template(f"test_{test}.txt"),
    }
    filled = {
        file: re.sub("|".join(words), lambda found: words[found[0]], text)
        for file, text in texts.items()
    }
    plugin = _plugin(kind, name, "__init__.py")
    return filled | {f"{module}/{file}": text for file, text in plugin.items()}


def _write(folder: Path, files: dict[str, str]) -> None:
    """Writes files, unless one of them exists."""
    existing = [str(folder / file) for file in files if (folder / file).exists()]
    if existing:
        raise DataError(
            f"{', '.join(existing)} exists. Choose another name, or another folder with --into. "
            "Nothing was written."
        )
    for file, text in files.items():
        path = folder / file
        with shared.writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        echo(f"Wrote {path}")
