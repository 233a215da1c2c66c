"""A package's face: public names that load on first use.

Importing a package then costs nothing, and its modules may import each other without circles.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from warnings import warn

IMPORT = re.compile(r"^    from \.([\w.]+) import (\w+) as \2$", re.MULTILINE)


def face(
    package: str, deprecated: Mapping[str, str] | None = None
) -> tuple[Callable[[str], object], Callable[[], list[str]], list[str]]:
    """Returns a package's ``__getattr__`` and ``__dir__`` (PEP 562), and ``__all__``.

    Its public names are those that it imports for type checkers: ``from .module import X as X``.

    Args:
        package: the package's ``__name__``.
        deprecated: former name → public name that replaces it. It works until the next plugin API,
            with a `DeprecationWarning`, and is not in ``__all__``.
    """
    source: str = sys.modules[package].__loader__.get_source(package)  # type: ignore[union-attr]
    homes = {name: module for module, name in IMPORT.findall(source)}

    def load(name: str) -> object:
        current = (deprecated or {}).get(name)
        if current is not None:
            sentence = f"{package}.{name} is deprecated; use {package}.{current}."
            warn(sentence, DeprecationWarning, stacklevel=2)
            name = current
        if name not in homes:
            raise AttributeError(f"module '{package}' has no attribute {name!r}")
        return getattr(import_module(f".{homes[name]}", package), name)

    names = sorted(homes)
    return load, lambda: [*names, *vars(import_module(package))], names


class Tabled:
    """Is shown in a notebook as the tables that commands print of it."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        # By name, as for a face: the tables of all results are the last things to be known.
        html: str = import_module(f"{__package__}.reporting.frames").html_of(self)
        return html
