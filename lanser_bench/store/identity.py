"""Identity of plugins and of files: source hashes, library versions, memoised content hashes."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import os
import sqlite3
import sys
from contextlib import suppress
from functools import cache, lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ..errors import DataError, StoreError, plugin_boundary
from ..kinds.base import Plugin
from ..plugins import Registered, Registry
from .keys import PluginIdentity


def plugin_identity(
    registry: Registry, kind: str, name: str, plugin: Plugin[Any]
) -> PluginIdentity:
    """Returns all of a plugin that can change its numbers.

    Raises:
        MissingDependencyError: its weights are not at hand.
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


def _fingerprint(entry: Registered, plugin: Plugin[Any]) -> str:
    whose = f"{entry.kind} '{entry.name}' of {entry.distribution}"
    with plugin_boundary(f"{whose} cannot tell the identity of its weights"):
        return plugin.fingerprint()


def _portable(distribution: str) -> str:
    """A loose file's path is no identity; its source hash is."""
    return "loose file" if "/" in distribution or "\\" in distribution else distribution


def _by_content(value: Any, weights: str) -> Any:
    """Puts content in place of what names something on disk, also inside lists and mappings."""
    if isinstance(value, list):
        return [_by_content(one, weights) for one in value]
    if isinstance(value, dict):
        return {name: _by_content(one, weights) for name, one in value.items()}
    if _is_place(value):
        return "weights" if weights else _content(Path(value))
    return value


def _is_place(value: Any) -> bool:
    """Tells whether an option names something on disk: a path with a separator that exists."""
    return isinstance(value, str) and os.sep in value and Path(value).exists()


def _content(path: Path) -> str:
    """Returns the hash of a file, or of all files of a folder with their names in it."""
    if path.is_file():
        return f"sha256:{file_sha256(path)}"
    files = sorted(p for p in path.rglob("*") if p.is_file())
    found = [(p.relative_to(path).as_posix(), file_sha256(p)) for p in files]
    return f"sha256:{hashlib.sha256(repr(found).encode()).hexdigest()}"


def library_versions(names: tuple[str, ...]) -> dict[str, str]:
    """Returns the installed version of each distribution, ``absent`` where there is none."""
    return {name: _installed(name) for name in names}


@cache
def _installed(name: str) -> str:
    """Asks once per process: each answer parses the distribution's metadata."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"


@lru_cache(maxsize=512)
def source_hash(module_name: str) -> str:
    """Hashes a module's source with that of all modules of its own package that it imports.

    Walks import statements in the syntax tree, also those inside functions, because a helper's
    change may move numbers as much as the module's own.
    """
    package = module_name.partition(".")[0]
    seen: dict[str, str] = {}
    todo = [module_name]
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        path = _module_path(name)
        if path is None:
            continue
        text = path.read_text(encoding="utf-8")
        seen[name] = hashlib.sha256(text.encode()).hexdigest()
        is_package = path.name == "__init__.py"
        todo.extend(
            found
            for found in _imported(ast.parse(text), name, is_package)
            if found == package or found.startswith(package + ".")
        )
    return hashlib.sha256(repr(sorted(seen.items())).encode()).hexdigest()[:16]


@lru_cache(maxsize=4096)
def _module_path(name: str) -> Path | None:
    """Finds a module's file without importing anything: its neighbours may load heavy libraries.

    `find_spec` would import the parents of a dotted name, so only the top of it is asked for.
    """
    module = sys.modules.get(name)
    origin = getattr(module, "__file__", None)
    parent, _, last = name.rpartition(".")
    if origin is None and parent:
        package = _module_path(parent)
        if package is None or package.name != "__init__.py":
            return None
        found = (package.parent / f"{last}.py", package.parent / last / "__init__.py")
        return next((path for path in found if path.is_file()), None)
    if origin is None:
        try:
            spec = importlib.util.find_spec(name)
        except (ImportError, ValueError):
            return None
        origin = spec.origin if spec else None
    path = Path(origin) if origin else None
    return path if path is not None and path.suffix == ".py" and path.is_file() else None


def _imported(tree: ast.AST, module: str, is_package: bool) -> list[str]:
    names: list[str] = []
    base = module.split(".") if is_package else module.split(".")[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.extend(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = base[: len(base) - node.level + 1] if node.level else []
            stem = ".".join([*parts, *([node.module] if node.module else [])])
            names.append(stem)
            names.extend(f"{stem}.{alias.name}" for alias in node.names)
    return names


class FileHashes:
    """SHA-256 of files, memoised by (inode, size, mtime) in a small SQLite file."""

    def __init__(self, path: Path) -> None:
        """Opens or makes the memo at `path`."""
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._db = sqlite3.connect(path, timeout=60, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.execute(
                "CREATE TABLE IF NOT EXISTS files (device INT, inode INT, size INT, mtime INT, "
                "sha TEXT, PRIMARY KEY (device, inode))"
            )
        except sqlite3.Error as error:
            raise StoreError(
                f"The hash memo {path} cannot be opened: {error}. It holds nothing that the "
                "recordings do not tell: remove it, and they are read once more."
            ) from error

    def sha256(self, path: Path) -> str:
        """Returns the SHA-256 of a file's bytes, read only if the file is new or has changed."""
        try:
            stat = path.stat()
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror}.") from None
        identity = (stat.st_dev, stat.st_ino)
        row = self._db.execute(
            "SELECT size, mtime, sha FROM files WHERE device=? AND inode=?", identity
        ).fetchone()
        if row is not None and row[:2] == (stat.st_size, stat.st_mtime_ns):
            return str(row[2])
        sha = file_sha256(path)
        # Only a memo: on a full or read-only disk the next look reads the file again.
        with suppress(sqlite3.OperationalError):
            self._db.execute(
                "INSERT OR REPLACE INTO files VALUES (?,?,?,?,?)",
                (*identity, stat.st_size, stat.st_mtime_ns, sha),
            )
        return sha

    def close(self) -> None:
        """Closes the memo."""
        self._db.close()


def file_sha256(path: Path) -> str:
    """Returns the SHA-256 of a file's bytes as hexadecimal digits."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from None
