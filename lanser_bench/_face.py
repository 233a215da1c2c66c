"""A package's face: public names that load on first use.

Importing a package then costs nothing, and its modules may import each other without circles.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module


def face(package: str, homes: Mapping[str, str]) -> tuple[Callable[[str], object], list[str]]:
    """Returns a package's ``__getattr__`` (PEP 562) and ``__all__``.

    Args:
        package: the package's ``__name__``.
        homes: public name → its module inside the package, or ``module:name`` where it has another
            name there.
    """

    def load(name: str) -> object:
        if name not in homes:
            raise AttributeError(f"module '{package}' has no attribute {name!r}")
        module, _, inner = homes[name].partition(":")
        return getattr(import_module(f".{module}", package), inner or name)

    return load, sorted(homes)
