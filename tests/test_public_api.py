"""The public names of plugins are pinned: `public_api.txt` has them with their signatures.

After an addition, run `python -m tests.test_public_api`. Before a name is removed or renamed, or a
signature changes incompatibly, deprecate it (`deprecated` in `_face.face`); the version of the
plugin API (`plugins.discovery.API`) rises when it goes.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from difflib import unified_diff
from pathlib import Path
from types import ModuleType

import pytest

import lanser_bench
from lanser_bench._face import face
from lanser_bench.plugins.discovery import API
from lanser_bench.plugins.hookspecs import __name__ as hooks

PINNED = Path(__file__).with_name("public_api.txt")


def described() -> Iterator[str]:
    """Yields a line per public name, member of a contract and hook."""
    yield f"plugin API {API}"
    for name in sorted(lanser_bench.__all__):
        value = getattr(lanser_bench, name)
        if name == "__version__":
            continue
        if not inspect.isclass(value):
            yield f"{name}{inspect.signature(value) if inspect.isroutine(value) else ''}"
            continue
        yield f"{name}({', '.join(base.__name__ for base in value.__bases__)})"
        if issubclass(value, Exception):
            continue
        for member, content in sorted(members(value).items()):
            yield f"    {name}.{member}{content}"
    for name, value in sorted(vars(sys.modules[hooks]).items()):
        if name.startswith("register_"):
            yield f"{name}{inspect.signature(value)}"


def members(cls: type) -> dict[str, str]:
    """Returns the public members that a class declares → signature or annotation."""
    found = {name: f": {kind}" for name, kind in inspect.get_annotations(cls).items()}
    for name, value in vars(cls).items():
        function = getattr(value, "fget", None) or getattr(value, "__func__", value)
        if inspect.isfunction(function):
            abstract = " abstract" if getattr(function, "__isabstractmethod__", False) else ""
            found[name] = f"{inspect.signature(function)}{abstract}"
    return {name: text for name, text in found.items() if not name.startswith("_")}


def test_public_names_are_those_that_plugins_were_promised() -> None:
    pinned = PINNED.read_text(encoding="utf-8").splitlines()
    changes = list(unified_diff(pinned, list(described()), "pinned", "now", lineterm="", n=0))
    assert not changes, "\n".join([*changes, __doc__ or ""])


def test_a_deprecated_name_works_and_names_its_replacement() -> None:
    module = ModuleType("lanser_bench.old")
    load, _, public = face("lanser_bench", {"BadData": "DataError"})
    module.__getattr__ = load  # type: ignore[method-assign]
    with pytest.warns(DeprecationWarning, match=r"lanser_bench\.BadData is .* use .*\.DataError"):
        assert module.BadData is lanser_bench.DataError
    assert "DataError" in public
    assert "BadData" not in public


if __name__ == "__main__":
    PINNED.write_text("\n".join(described()) + "\n", encoding="utf-8")
