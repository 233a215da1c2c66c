"""What is printed or written for people: texts of files are made harmless.

A name, a transcript or a message of a library may contain escape sequences. A terminal would obey
them: hide lines, change its title, or answer as if the user had typed.
"""

from __future__ import annotations

import json
import re
from typing import Any

import typer

_PICTURES = {code: 0x2400 + code for code in range(32) if chr(code) not in "\n\t"}
_SWITCHES = (*range(0x202A, 0x202F), *range(0x2066, 0x206A))
_OTHERS = (*range(0x80, 0xA0), *_SWITCHES, *range(0xD800, 0xE000))
VISIBLE = {**_PICTURES, 0x7F: 0x2421, **dict.fromkeys(_OTHERS, 0xFFFD)}
"""Code of a character that is not printed → of that shown for it.

After the ASCII ones: C1, switches of the direction of text, and lone surrogates.
"""
ESCAPES = {code: f"\\u{code:04x}" for code in VISIBLE if code >= ord(" ")}
"""Such characters that `json` leaves as they are → their escapes."""
_COMMAND = re.compile(r"^(\s*)(?=::|##\[)", re.MULTILINE)
"""The beginning of a line that a runner of CI would obey."""

FORMULAS = ("=", "+", "-", "@", "\t", "\r")
"""Beginnings of a text that a spreadsheet would run."""
_SIGNED_NAME = re.compile(r"[-+][\w.-]*")
"""A name such as an id of YouTube, which calls nothing."""


def visible(text: str) -> str:
    """Returns a text with pictures of its control characters, except line ends and tabs.

    Lines that a runner of CI would take for a command begin with a point.
    """
    if not (text.isascii() and text.isprintable()):
        text = text.translate(VISIBLE)
    return _COMMAND.sub(r"\1·", text) if "::" in text or "##[" in text else text


def echo(text: object = "", *, err: bool = False, nl: bool = True, bold: bool = False) -> None:
    """Prints a text to stdout or stderr, with visible control characters.

    Args:
        text: the text.
        err: whether it goes to stderr.
        nl: whether a line end follows.
        bold: whether a terminal shows it in bold.
    """
    shown = visible(str(text))
    typer.echo(typer.style(shown, bold=True) if bold else shown, nl=nl, err=err)


def json_text(content: Any, indent: int | None = None) -> str:
    """Returns content as JSON; what is not printed is escaped."""
    return json.dumps(content, ensure_ascii=False, indent=indent).translate(ESCAPES)


def cell(value: Any) -> Any:
    """Returns a value for a CSV file; an apostrophe keeps spreadsheets from running a text.

    They take a text for a formula if it begins with ``=``, ``+``, ``-`` or ``@``. Numbers, and
    names after a sign, are left as they are.
    """
    if not isinstance(value, str):
        return value
    if value.startswith(FORMULAS) and not _SIGNED_NAME.fullmatch(value):
        try:
            float(value)
        except ValueError:
            value = f"'{value}"
    return visible(value)


def markdown_text(text: str) -> str:
    """Escapes a text for a line or a table's cell of Markdown."""
    text = visible(text).replace("|", "\\|").replace("<", "&lt;").replace("](", "]\\(")
    return text.replace("\n", " ")
