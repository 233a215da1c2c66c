"""Packages that not every installation has: imports one, or locates its files unimported."""

from __future__ import annotations

import importlib.util
from importlib import import_module
from pathlib import Path
from typing import Any

from lanser_bench import MissingDependencyError


def import_optional(module: str, need: str, install: str) -> Any:
    """Imports a module of an optional package, or raises `MissingDependencyError`.

    Its message is `need`, such as ``The encoder 'egemaps' needs openSMILE``, with the reason, and
    how to install it.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise MissingDependencyError(f"{need} ({error}): {install}") from None


def require(module: str, need: str, install: str) -> None:
    """Raises the same error if a package is not installed, without importing it."""
    if importlib.util.find_spec(module) is None:
        raise MissingDependencyError(f"{need}: {install}")


def package_folder(package: str) -> Path | None:
    """Returns the folder of an installed package; None if it is missing."""
    spec = importlib.util.find_spec(package)
    folders = list(spec.submodule_search_locations or ()) if spec else []
    return Path(folders[0]) if folders else None
