"""Reads the fenced blocks of a Markdown page, and the comments that control their tests.

A comment stands directly before its block:

    <!-- not run here: reason -->   a console block that no test runs, and why
    <!-- run: exit 2 -->            exit code of its last command
    <!-- file: NAME -->             the block is a file for later blocks
    <!-- from: PATH -->             the block equals this file of the repository
    <!-- output -->                 the block is the output of the Python blocks before it

Every other ``console`` and ``python`` block is run. In its output, a line ``…`` matches any lines,
and ``…`` inside a line any characters.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
_COMMENT = re.compile(r"<!--\s*(.*?)\s*-->")
_FENCE = re.compile(r"^(`{3,})\s*(\S*)\s*$")


@dataclass(frozen=True)
class Block:
    """One fenced block."""

    page: Path
    line: int
    language: str
    text: str
    notes: tuple[str, ...]

    @property
    def where(self) -> str:
        return f"{self.page.relative_to(ROOT)}, line {self.line}"

    def note(self, name: str) -> str | None:
        """The text after ``name:`` in a comment; empty for a bare ``name``."""
        for note in self.notes:
            head, _, rest = note.partition(":")
            if head.strip() == name:
                return rest.strip()
        return None

    @property
    def commands(self) -> list[tuple[str, list[str]]]:
        """Commands of a console block, each with its expected output."""
        commands: list[tuple[str, list[str]]] = []
        continued = False
        for line in self.text.splitlines():
            if continued:
                commands[-1] = (commands[-1][0] + "\n" + line, [])
            elif line.startswith("$ "):
                commands.append((line[2:], []))
            else:
                assert commands, f"{self.where}: output before the first command"
                commands[-1][1].append(line.rstrip())
            continued = not commands[-1][1] and line.endswith("\\")
        return commands


def blocks(page: Path) -> list[Block]:
    """Returns the blocks of a page in order."""
    result: list[Block] = []
    notes: list[str] = []
    fence, begin, language, body = "", 0, "", list[str]()
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), start=1):
        match = _FENCE.match(line)
        if fence and line.rstrip() == fence:
            result.append(Block(page, begin, language, "\n".join(body) + "\n", tuple(notes)))
            fence, notes = "", []
        elif fence:
            body.append(line)
        elif match:
            fence, begin, language, body = match[1], number, match[2], []
        elif line.strip():
            notes = [*notes, *_COMMENT.findall(line)] if _COMMENT.fullmatch(line.strip()) else []
    assert not fence, f"{page}: the block of line {begin} does not end"
    return result


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    kept, fence = [], ""
    for line in page.read_text(encoding="utf-8").splitlines():
        match = _FENCE.match(line)
        if fence:
            fence = "" if line.rstrip() == fence else fence
        elif match:
            fence = match[1]
        else:
            kept.append(line)
    return "\n".join(kept)


def shown(expected: list[str], printed: str) -> bool:
    """Whether printed text matches the expected lines, with ``…`` as a wildcard."""
    parts = []
    for line in _trimmed(expected):
        if line.strip() == "…":
            parts.append(r"(?:[^\n]*\n)*?")
        else:
            parts.append(r"[^\n]*?".join(map(re.escape, line.split("…"))) + r"[^\S\n]*\n")
    return (
        re.fullmatch("".join(parts), "\n".join(_trimmed(printed.splitlines())) + "\n") is not None
    )


def _trimmed(lines: list[str]) -> list[str]:
    text = "\n".join(lines).strip("\n")
    return text.split("\n") if text else []
