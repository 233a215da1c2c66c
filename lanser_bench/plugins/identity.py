"""Identity of plugins: source hashes and library versions."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import os
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.machinery import EXTENSION_SUFFIXES, ModuleSpec
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ..errors import PluginError, plugin_boundary
from ..kinds.base import Plugin
from ..store.hashes import file_sha256
from ..store.keys import PluginIdentity
from .discovery import OWN_DISTRIBUTION, Registered, Registry

LOOSE = "loose file"
"""Distribution of a plugin file."""


def plugin_identity(
    registry: Registry, kind: str, name: str, plugin: Plugin[Any]
) -> PluginIdentity:
    """Returns everything about a plugin that can change its numbers.

    Raises:
        MissingDependencyError: its weights are not available.
    """
    weights = _fingerprint(registry.entry(kind, name), plugin)
    given = plugin.options.model_dump(mode="json")
    contents = {name: _by_content(value, weights) for name, value in given.items()}
    located = {name: value for name, value in given.items() if contents[name] != value}
    return PluginIdentity(
        kind=kind,
        name=name,
        distribution=_portable(registry.entry(kind, name).distribution),
        version=plugin.version,
        source=source_hash(type(plugin).__module__),
        options=contents,
        located=located,
        weights=weights,
        libraries=library_versions(plugin.libraries),
    )


def check_plugin(kind: str, name: str, plugin: Plugin[Any]) -> None:
    """Lets a plugin refuse its options or its model, before anything is computed."""
    with plugin_boundary(f"{kind} '{name}' cannot check its options"):
        plugin.check()


def check_installed(registry: Registry, used: Iterable[PluginIdentity]) -> None:
    """Refuses to repeat what other plugins made; the `PluginError` names their distribution."""
    for one in used:
        if (one.kind, one.name) in registry.entries or one.distribution == OWN_DISTRIBUTION:
            continue
        advice = f"Run: pip install {one.distribution}"
        if one.distribution == LOOSE:
            advice = "It was a plugin file: name its folder with --plugins-dir"
        raise PluginError(
            f"The {one.kind} '{one.name}' of {one.distribution} is not installed. {advice}."
        )


def _fingerprint(entry: Registered, plugin: Plugin[Any]) -> str:
    whose = f"{entry.kind} '{entry.name}' of {entry.distribution}"
    with plugin_boundary(f"{whose} cannot identify its weights"):
        return plugin.fingerprint()


def _portable(distribution: str) -> str:
    """Replaces the path of a plugin file, which its source hash identifies."""
    return LOOSE if "/" in distribution or "\\" in distribution else distribution


def _by_content(value: Any, weights: str) -> Any:
    """Replaces existing paths (with a separator) by content, also inside lists and mappings."""
    if isinstance(value, list):
        return [_by_content(one, weights) for one in value]
    if isinstance(value, dict):
        return {name: _by_content(one, weights) for name, one in value.items()}
    if isinstance(value, str) and os.sep in value and Path(value).exists():
        return "weights" if weights else _content(Path(value))
    return value


def _content(path: Path) -> str:
    """Returns the hash of a file, or of a folder's files with their relative paths."""
    if path.is_file():
        return f"sha256:{file_sha256(path)}"
    files = sorted(p for p in path.rglob("*") if p.is_file())
    hashes = [(p.relative_to(path).as_posix(), file_sha256(p)) for p in files]
    return f"sha256:{hashlib.sha256(repr(hashes).encode()).hexdigest()}"


def library_versions(names: tuple[str, ...]) -> dict[str, str]:
    """Returns the installed version of each distribution, or ``absent``."""
    return {name: _installed(name) for name in names}


@cache
def _installed(name: str) -> str:
    """Cached: each lookup parses the distribution's metadata."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"


@lru_cache(maxsize=512)
def source_hash(module_name: str) -> str:
    """Hashes a module's code with that of all modules of its own package that it imports.

    Follows import statements in the syntax tree, also those inside functions, because a change of a
    helper may change numbers too. Layout, comments and docstrings do not count, unless one of these
    modules may read them.

    Raises:
        PluginError: a module has no source file, or invalid source.
    """
    package = module_name.partition(".")[0]
    seen: dict[str, _Source] = {}
    todo = [module_name]
    while todo:
        name = todo.pop()
        path = None if name in seen else _module_path(name)
        if path is None:
            continue
        seen[name] = source = _source(path, name)
        is_package = path.name == "__init__.py"
        todo.extend(
            imported
            for imported in _imported(source.imports, name, is_package)
            if imported == package or imported.startswith(package + ".")
        )
    if module_name not in seen:
        raise PluginError(
            f"The source of module '{module_name}' was not found, so changes would go unnoticed. "
            "Put the plugin into a file or an installed package."
        )
    reads_text = any(source.reads_text for source in seen.values())
    hashes = [(n, s.text if reads_text else s.code) for n, s in sorted(seen.items())]
    return hashlib.sha256(repr(hashes).encode()).hexdigest()[:16]


def forget_sources() -> None:
    """Forgets hashes by name: a plugin file may replace another of the same name."""
    source_hash.cache_clear()
    _module_path.cache_clear()


READS_TEXT = re.compile(
    rb"__doc__|getdoc|getsource|getcomments|use_attribute_docstrings|model_json_schema|TypeAdapter"
)
"""Code that reads docstrings or source text at run time, which may be part of a prompt."""
READING_LIBRARIES = frozenset(
    (
        *("docstring_parser", "dspy", "ell", "guidance", "instructor", "langchain"),
        *("langchain_core", "lmql", "magentic", "marvin", "mirascope", "outlines", "pydantic_ai"),
        "smolagents",
    )
)
"""Libraries that put the docstrings of a user's functions and classes into prompts."""


@dataclass(frozen=True)
class _Source:
    """One module: hashes of its text and of its code, and what it imports."""

    text: str
    code: str
    imports: tuple[ast.Import | ast.ImportFrom, ...]
    reads_text: bool


def _source(path: Path, name: str) -> _Source:
    try:
        return _analysed(path.read_bytes(), path.suffix == ".py")
    except OSError as error:
        raise PluginError(f"{path} cannot be read: {error.strerror}.") from None
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line, message = getattr(error, "lineno", None), getattr(error, "msg", error)
        where = f"{path}, line {line}" if line else path
        raise PluginError(f"{where}: module '{name}' is not valid Python: {message}.") from None


@lru_cache(maxsize=1024)
def _analysed(content: bytes, is_python: bool) -> _Source:
    """Analyses a module's content; cached, because many plugins share their helpers."""
    text = hashlib.sha256(content).hexdigest()
    if not is_python:  # a compiled extension
        return _Source(text, text, (), False)
    tree = ast.parse(content)
    imports = tuple(n for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom))
    roots = {name.partition(".")[0] for name in _imported(imports, "", True)}
    reads_text = READS_TEXT.search(content) is not None or bool(roots & READING_LIBRARIES)
    code = hashlib.sha256(_code_text(tree).encode()).hexdigest()
    return _Source(text, code, imports, reads_text)


class _Mark(str):
    """A delimiter in `_code_text`, as opposed to a string of the program."""

    __slots__ = ()


def _code_text(tree: ast.Module) -> str:
    """Returns a syntax tree as text, without docstrings, `pass` and positions in the file.

    `ast.dump` and `ast.unparse` write the same tree differently in different versions of Python,
    which add fields and change quoting. Here empty fields are left out, so that new ones have no
    effect, and `ascii` does not depend on Unicode tables. A stack replaces recursion, because a
    long `elif` ladder or sum exceeds Python's recursion limit.
    """
    parts: list[str] = []
    stack: list[Any] = [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, _Mark):
            parts.append(node)
        elif isinstance(node, ast.AST):
            parts.append(f"{type(node).__name__}(")
            stack.append(_Mark(")"))
            for name in reversed(node._fields):
                value = getattr(node, name, None)
                if isinstance(node, ast.JoinedStr):  # Python 3.12.1 ends some with an empty string
                    value = [one for one in node.values if getattr(one, "value", None) != ""]
                if not (value is None or value == [] or name in ("kind", "type_comment")):
                    stack += (value, _Mark(f" {name}="))
        elif isinstance(node, list):
            parts.append("[")
            stack.append(_Mark("]"))
            stack += [one for one in reversed(node) if not _does_nothing(one)]
        else:
            parts.append(f"{node!a},")
    return "".join(parts)


def _does_nothing(node: object) -> bool:
    """Returns whether a statement is `pass` or a docstring, also of an attribute."""
    if not isinstance(node, ast.Expr):
        return isinstance(node, ast.Pass)
    return isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


@lru_cache(maxsize=4096)
def _module_path(name: str) -> Path | None:
    """Finds a module's file without importing anything, since packages may load heavy libraries.

    `find_spec` would import the parents of a dotted name, so it is used for top-level names only.
    """
    origin = getattr(sys.modules.get(name), "__file__", None)
    parent, _, last = name.rpartition(".")
    if origin is None and parent:
        endings = (".py", f"{os.sep}__init__.py", *EXTENSION_SUFFIXES)
        places = (folder / f"{last}{end}" for folder in _folders(parent) for end in endings)
        return next((path for path in places if path.is_file()), None)
    if origin is None:
        spec = _top_spec(name)
        origin = spec.origin if spec else None
    path = Path(origin) if origin else None
    return path if path is not None and path.is_file() else None


@lru_cache(maxsize=1024)
def _folders(package: str) -> tuple[Path, ...]:
    """Returns the folders of a package; a package without ``__init__.py`` may have several."""
    loaded = getattr(sys.modules.get(package), "__path__", None)
    parent, _, last = package.rpartition(".")
    if loaded is None and parent:
        return tuple(folder / last for folder in _folders(parent) if (folder / last).is_dir())
    if loaded is None:
        spec = _top_spec(package)
        loaded = spec.submodule_search_locations if spec else None
    return tuple(map(Path, loaded or ()))


def _top_spec(name: str) -> ModuleSpec | None:
    try:
        return importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None


def _imported(
    imports: Iterable[ast.Import | ast.ImportFrom], module: str, is_package: bool
) -> list[str]:
    names: list[str] = []
    base = module.split(".") if is_package else module.split(".")[:-1]
    for node in imports:
        if isinstance(node, ast.Import):
            names.extend(alias.name for alias in node.names)
        else:
            parts = base[: len(base) - node.level + 1] if node.level else []
            stem = ".".join([*parts, *([node.module] if node.module else [])])
            names.append(stem)
            names.extend(f"{stem}.{alias.name}" for alias in node.names)
    return names
