"""YAML read so that every key and value remembers its line, and no key is there twice."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from .errors import LanserError

# libyaml's parser is ten times as fast; PyYAML's own stands in where it was built without.
_Loader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class MarkedYaml:
    """A YAML file's plain content and where in the file it stands."""

    path: Path
    content: Any
    root: yaml.Node | None

    def line(self, place: Sequence[str | int]) -> int:
        """Returns the line of the deepest part of `place` that is in the file, counted from 1.

        Args:
            place: keys and list positions from the top, such as ``("labels", 2, "name")``.
        """
        node, line = self.root, 1
        for part in place:
            found = _child(node, str(part))
            if found is None:
                break
            line, node = found
        return line


def read_yaml(path: Path, what: str, error: type[LanserError]) -> MarkedYaml:
    """Reads a YAML file with the safe loader.

    Args:
        path: the file.
        what: what it should be, to begin sentences with, such as ``Taxonomy file``.
        error: class of the error to raise.

    Raises:
        LanserError: of the class `error`: the file cannot be read, is not YAML, holds itself, or
            says a key twice (of which a plain loader would quietly keep the last).
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as fault:
        raise error(f"{what} {path} cannot be read: {fault.strerror}.") from None
    except UnicodeDecodeError:
        raise error(f"{what} {path} is not text in UTF-8: save it as UTF-8.") from None
    try:
        root = yaml.compose(text, Loader=_Loader)
        _refuse_faults(root, f"{what} {path}", error)
        return MarkedYaml(path, _content(text), root)
    except yaml.YAMLError as fault:
        mark = getattr(fault, "problem_mark", None) or getattr(fault, "context_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = getattr(fault, "problem", None) or "this is not YAML"
        raise error(f"{what} {path}{line}: {problem}.") from None


def _content(text: str) -> Any:
    loader = _Loader(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


def _child(node: yaml.Node | None, part: str) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value == part:
                return key.start_mark.line + 1, value
    if isinstance(node, yaml.SequenceNode) and part.isdigit() and int(part) < len(node.value):
        child = node.value[int(part)]
        return child.start_mark.line + 1, child
    return None


def _refuse_faults(root: yaml.Node | None, where: str, error: type[LanserError]) -> None:
    """Walks through every node once, however many aliases lead to it."""
    done: set[int] = set()

    def walk(node: yaml.Node | None, above: tuple[int, ...]) -> None:
        if id(node) in above and node is not None:
            line = node.start_mark.line + 1
            raise error(f"{where}, line {line}: what begins here holds itself: remove the alias.")
        if id(node) in done:
            return
        done.add(id(node))
        if isinstance(node, yaml.MappingNode):
            _refuse_doubled(node, where, error)
            children = [value for _, value in node.value]
        else:
            children = node.value if isinstance(node, yaml.SequenceNode) else []
        for child in children:
            walk(child, (*above, id(node)))

    walk(root, ())


def _refuse_doubled(node: yaml.MappingNode, where: str, error: type[LanserError]) -> None:
    seen: set[Hashable] = set()
    for key, _ in node.value:
        if isinstance(key, yaml.ScalarNode):
            if key.value in seen:
                raise error(
                    f"{where}, line {key.start_mark.line + 1}: the key '{key.value}' is there "
                    "twice: remove one."
                )
            seen.add(key.value)
