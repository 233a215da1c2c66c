"""YAML read so that every key and value remembers its line, and no key is there twice.

Plain values follow the core schema of YAML 1.2: only ``true`` and ``false`` are truth values, only
``null``, ``~`` and nothing at all are null, and a number is written as in JSON. Everything else is
text: ``no`` and ``on``, ``1:30``, ``012``, ``1_000``, ``2024-01-01``. Accents are composed
(Unicode's NFC), so that a name is one name however an editor spells it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from .errors import LanserError

# libyaml's parser is ten times as fast; PyYAML's own stands in where it was built without.
_Base: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

DEEPEST = 200
"""Most levels of lists and mappings."""


class _Loader(_Base):  # type: ignore[misc, valid-type]
    """The safe loader without the values that only YAML 1.1 has."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012


for _name, _pattern, _firsts in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?(0|[1-9][0-9]*)", list("-+0123456789")),
    (
        "float",
        r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)"
        r"|\.(nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
    ("merge", r"<<", ["<"]),
):
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_name}", re.compile(rf"(?:{_pattern})\Z"), _firsts
    )


class _Dumper(yaml.SafeDumper):
    """The safe dumper, which also puts in quotes what the loader above takes for a number."""

    yaml_implicit_resolvers = {  # noqa: RUF012
        first: [*own, *_Loader.yaml_implicit_resolvers.get(first, [])]
        for first, own in yaml.SafeDumper.yaml_implicit_resolvers.items()
    }


def write_yaml(content: Any) -> str:
    """Returns plain content as YAML that both versions of the language read alike."""
    return str(yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True))


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
    except ValueError as fault:  # a path with a null byte
        raise error(f"{what} {str(path)!r} cannot be read: {fault}.") from None
    root, content = _parsed(unicodedata.normalize("NFC", text), f"{what} {path}", error)
    return MarkedYaml(path, content, root)


def read_value(written: str, what: str, error: type[LanserError]) -> Any:
    """Reads a value of the command line: ``3``, ``true``, ``a text``, ``[x, y]``, ``{key: value}``.

    A value is YAML where it begins with a bracket, a brace or a quotation mark. Anything else is
    one plain value as a file would have it, in which ``#``, ``:``, ``*``, ``%`` and ``~`` mean
    themselves.

    Args:
        written: what stands behind the ``=``.
        what: what messages call it.
        error: class of the error to raise.

    Raises:
        LanserError: of the class `error`: it begins as YAML and is none.
    """
    text = unicodedata.normalize("NFC", written.strip())
    if text[:1] not in tuple("[{\"'"):
        tag = _Loader("").resolve(yaml.ScalarNode, text, (True, False))
        plain = text == "~" or tag.endswith((":str", ":merge"))
        return text if plain else _parsed(text, what, error)[1]
    root, value = _parsed(text, what, error, f" Quote a text that begins with {text[0]}.")
    if root is not None and text[root.end_mark.index :].strip():
        raise error(f"{what}: text follows after {text[root.end_mark.index - 1]}; quote all of it.")
    return value


def _parsed(
    text: str, where: str, error: type[LanserError], advice: str = ""
) -> tuple[yaml.Node | None, Any]:
    """Returns the nodes and the plain content of a YAML text."""
    line = ""
    try:
        if _too_deep(text):
            raise RecursionError
        root = yaml.compose(text, Loader=_Loader)
        _refuse_faults(root, where, error)
        return root, _content(text)
    except yaml.YAMLError as fault:
        mark = getattr(fault, "problem_mark", None) or getattr(fault, "context_mark", None)
        line = f", line {mark.line + 1}" if mark and "\n" in text.strip() else ""
        problem = getattr(fault, "problem", None) or "this is not YAML"
    except RecursionError:
        problem = "lists and mappings are nested too deeply"
    except ValueError as fault:  # a number that Python does not read
        problem = _first_line(fault)
    raise error(f"{where}{line}: {problem}.{advice}")


def _too_deep(text: str) -> bool:
    """Whether levels exceed `DEEPEST`: libyaml's composer overflows the stack at some thousands."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader) if len(text) > DEEPEST else ():
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            return True
    return False


def _first_line(fault: Exception) -> str:
    return str(fault).partition("\n")[0].partition(";")[0].rstrip(".")


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
    if isinstance(node, yaml.SequenceNode) and part.isdecimal() and int(part) < len(node.value):
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
