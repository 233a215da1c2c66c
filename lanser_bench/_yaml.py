"""YAML read so that every key and value remembers its line, and no key is there twice."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from .errors import LanserError


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
        LanserError: of the class `error`: the file cannot be read, is not YAML, or says a key
            twice (of which a plain loader would quietly keep the last).
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as fault:
        raise error(f"{what} {path} cannot be read: {fault.strerror}.") from None
    except UnicodeDecodeError:
        raise error(f"{what} {path} is not text in UTF-8: save it as UTF-8.") from None
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        _refuse_doubled(root, f"{what} {path}", error)
        return MarkedYaml(path, yaml.safe_load(text), root)
    except yaml.YAMLError as fault:
        mark = getattr(fault, "problem_mark", None) or getattr(fault, "context_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = getattr(fault, "problem", None) or "this is not YAML"
        raise error(f"{what} {path}{line}: {problem}.") from None


def _child(node: yaml.Node | None, part: str) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value == part:
                return key.start_mark.line + 1, value
    if isinstance(node, yaml.SequenceNode) and part.isdigit() and int(part) < len(node.value):
        child = node.value[int(part)]
        return child.start_mark.line + 1, child
    return None


def _refuse_doubled(node: yaml.Node | None, where: str, error: type[LanserError]) -> None:
    if isinstance(node, yaml.MappingNode):
        seen: set[Hashable] = set()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise error(
                        f"{where}, line {key.start_mark.line + 1}: the key '{key.value}' is there "
                        "twice: remove one."
                    )
                seen.add(key.value)
            _refuse_doubled(value, where, error)
    elif isinstance(node, yaml.SequenceNode):
        for child in node.value:
            _refuse_doubled(child, where, error)
