"""YAML with the line of every key and value, and without duplicate keys.

Plain values follow the core schema of YAML 1.2: only ``true`` and ``false`` are booleans, only
``null``, ``~`` and an empty value are null, and numbers are written as in JSON. Everything else is
text: ``no`` and ``on``, ``1:30``, ``012``, ``1_000``, ``2024-01-01``. Accents are composed
(Unicode's NFC), so that a name does not depend on the editor.
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
from .paths import refuse_stream

# libyaml's parser is ten times as fast as PyYAML's own, but not every build of PyYAML has it.
_Base: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

DEEPEST = 200
"""Maximum levels of lists and mappings."""


class _Loader(_Base):  # type: ignore[misc, valid-type]
    """The safe loader without the plain values of YAML 1.1."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012


_DECIMAL = r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?"
for _name, _pattern, _firsts in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?(0|[1-9][0-9]*)", list("-+0123456789")),
    ("float", _DECIMAL + r"|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", list("-+.0123456789")),
    ("merge", r"<<", ["<"]),
):
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_name}", re.compile(rf"(?:{_pattern})\Z"), _firsts
    )


class _Dumper(yaml.SafeDumper):
    """The safe dumper, which also quotes text that the loader above would read as a number."""

    yaml_implicit_resolvers = {  # noqa: RUF012
        first: [*own, *_Loader.yaml_implicit_resolvers.get(first, [])]
        for first, own in yaml.SafeDumper.yaml_implicit_resolvers.items()
    }


def write_yaml(content: Any) -> str:
    """Returns plain content as YAML with the same meaning in versions 1.1 and 1.2."""
    return str(yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True))


@dataclass(frozen=True, slots=True)
class MarkedYaml:
    """A YAML file's plain content and its lines."""

    path: Path
    content: Any
    root: yaml.Node | None

    def line(self, place: Sequence[str | int]) -> int:
        """Returns the line, counted from 1, of the deepest part of `place` in the file.

        `place` has keys and list positions from the top, such as ``("labels", 2, "name")``.
        """
        node, line = self.root, 1
        for part in place:
            child = _child(node, str(part))
            if child is None:
                break
            line, node = child
        return line


def read_yaml(path: Path, what: str, error: type[LanserError]) -> MarkedYaml:
    """Reads a YAML file with the safe loader.

    Args:
        path: the file.
        what: its kind, to start messages with, such as ``Taxonomy file``.
        error: class of the error to raise.

    Raises:
        LanserError: of the class `error`: the file is unreadable, is not YAML, contains itself, or
            has a duplicate key (of which a plain loader would silently keep the last).
    """
    try:
        refuse_stream(path)
        text = path.read_text(encoding="utf-8")
    except OSError as fault:
        raise error(f"{what} {path} cannot be read: {fault.strerror}.") from None
    except UnicodeDecodeError:
        raise error(f"{what} {path} is not UTF-8 text. Save it as UTF-8.") from None
    except ValueError as fault:  # a path with a null byte
        raise error(f"{what} {str(path)!r} cannot be read: {fault}.") from None
    root, content = _parsed(unicodedata.normalize("NFC", text), f"{what} {path}", error)
    return MarkedYaml(path, content, root)


def read_value(written: str, what: str, error: type[LanserError]) -> Any:
    """Reads a value of the command line: ``3``, ``true``, ``a text``, ``[x, y]``, ``{key: value}``.

    A value that starts with a bracket, a brace or a quotation mark is YAML. Anything else is one
    plain value as in a file, in which ``#``, ``:``, ``*``, ``%`` and ``~`` have no special meaning.

    Args:
        written: the text after the ``=``.
        what: name of the value in messages.
        error: class of the error to raise.

    Raises:
        LanserError: of the class `error`: it starts like YAML but is invalid.
    """
    text = unicodedata.normalize("NFC", written.strip())
    if text[:1] not in tuple("[{\"'"):
        tag = _Loader("").resolve(yaml.ScalarNode, text, (True, False))
        plain = text == "~" or tag.endswith((":str", ":merge"))
        return text if plain else _parsed(text, what, error)[1]
    root, value = _parsed(text, what, error, f" Quote a text that starts with {text[0]}.")
    if root is not None and text[root.end_mark.index :].strip():
        raise error(f"{what}: text follows after {text[root.end_mark.index - 1]}. Quote all of it.")
    return value


def _parsed(
    text: str, where: str, error: type[LanserError], advice: str = ""
) -> tuple[yaml.Node | None, Any]:
    """Returns the root node and the plain content of a YAML text."""
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
    except (AttributeError, LookupError, TypeError):  # of PyYAML's constructors
        problem = "a value does not fit its tag, such as !!timestamp; remove the tag"
    except ValueError as fault:  # a number that Python does not read
        problem = str(fault).partition("\n")[0].partition(";")[0].rstrip(".")
    raise error(f"{where}{line}: {problem}.{advice}")


def _too_deep(text: str) -> bool:
    """Checks for more than `DEEPEST` levels: thousands would overflow the stack of libyaml."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader) if len(text) > DEEPEST else ():
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            return True
    return False


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
    inside = isinstance(node, yaml.SequenceNode) and part.isdecimal() and len(part) < 10
    if node is not None and inside and int(part) < len(node.value):
        child = node.value[int(part)]
        return child.start_mark.line + 1, child
    return None


def _refuse_faults(root: yaml.Node | None, where: str, error: type[LanserError]) -> None:
    """Refuses nodes that contain themselves and duplicate keys; visits every node once."""
    done: set[int] = set()

    def walk(node: yaml.Node | None, above: tuple[int, ...]) -> None:
        if id(node) in above and node is not None:
            line = node.start_mark.line + 1
            raise error(
                f"{where}, line {line}: this node contains itself through an alias. Remove the "
                "alias."
            )
        if id(node) in done:
            return
        done.add(id(node))
        if isinstance(node, yaml.MappingNode):
            _refuse_duplicates(node, where, error)
            children = [value for _, value in node.value]
        else:
            children = node.value if isinstance(node, yaml.SequenceNode) else []
        for child in children:
            walk(child, (*above, id(node)))

    walk(root, ())


def _refuse_duplicates(node: yaml.MappingNode, where: str, error: type[LanserError]) -> None:
    seen: set[Hashable] = set()
    for key, _ in node.value:
        if isinstance(key, yaml.ScalarNode):
            if key.value in seen:
                line = key.start_mark.line + 1
                raise error(f"{where}, line {line}: duplicate key '{key.value}'. Remove one.")
            seen.add(key.value)
