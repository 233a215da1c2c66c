"""What plugins say about themselves, read from their source: no plugin is imported for a list."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import sys
import textwrap
from collections import Counter
from collections.abc import Collection
from pathlib import Path

from pydantic import BaseModel

from .discovery import Registered


def summaries(entries: Collection[Registered]) -> dict[Registered, str]:
    """Returns a sentence on each plugin; empty if its source is not readable.

    It is the first sentence of the module's docstring, or of the class's if the module registers
    several plugins or has no docstring.
    """
    modules = Counter(entry.reference.partition(":")[0] for entry in entries)
    found = {}
    for entry in entries:
        module, _, name = entry.reference.partition(":")
        tree = _source(module)
        classes = (x for x in tree.body if isinstance(x, ast.ClassDef) and x.name == name)
        nodes: list[ast.Module | ast.ClassDef] = [
            *([tree] if modules[module] == 1 else []),
            *classes,
        ]
        text = next((text for node in nodes if (text := ast.get_docstring(node))), "")
        line = first_sentence(text).removeprefix(f"`{entry.name}`: ")
        found[entry] = line[:1].upper() + line[1:]
    return found


def _source(module: str) -> ast.Module:
    try:
        loaded = sys.modules.get(module)
        spec = loaded.__spec__ if loaded else importlib.util.find_spec(module)
        return ast.parse(Path(str(spec and spec.origin)).read_bytes())
    # A module of a third party may raise anything while its package is imported.
    except Exception:  # noqa: BLE001
        return ast.Module([], [])


def first_sentence(text: str) -> str:
    """Returns the first sentence of a docstring, in one line."""
    line = " ".join(text.partition("\n\n")[0].replace("``", "`").split())
    head, stop, _ = line.partition(". ")
    return head + "." if stop else line


def documented(model: type[BaseModel]) -> dict[str, tuple[str, str]]:
    """Returns field → annotation and docstring, from the source of a model and its bases."""
    found: dict[str, tuple[str, str]] = {}
    for cls in reversed(model.__mro__):
        if not (issubclass(cls, BaseModel) and cls is not BaseModel):
            continue
        try:
            source = inspect.getsource(cls)
        except OSError:  # made by `with_fields`; its base has the source
            continue
        body = ast.parse(textwrap.dedent(source)).body[0].body  # type: ignore[attr-defined]
        for node, after in zip(body, [*body[1:], None], strict=True):
            if not (isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)):
                continue
            text = ""
            if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
                text = " ".join(str(after.value.value).replace("``", "`").split())
            found[node.target.id] = ast.unparse(node.annotation), text
    return found
