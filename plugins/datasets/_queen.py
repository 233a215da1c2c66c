"""Speech, text and roles in the data file of Flight of the Amazon Queen.

``queen.1c``, all numbers big-endian: ``QTBL``, the version in 6 bytes, 2 bytes, the kind of sound
(1: MP3), the number of entries as 2 bytes at 13, then entries of 21 bytes: name (12), a byte,
offset and size (4 each). ``NAME.SB`` is an MP3 stream. Tables (``.DOG``, ``.CUT``, ``QUEEN.JAS``)
begin after 20 bytes. A text is parted at commands ``*XX``; part k of the text NAME is spoken in
``NAMEk.SB``, k in hexadecimal. Facts from reading the file; no code of a game engine was used.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count

VERSION = b"QTBLCEM10"
_HEAD = 20
_JOE = "joe"
_REMARKS = 40
"""Answers of the hero at the end of his lines; they are numbered before the descriptions."""
_COMMAND = re.compile(r"\*(?:XY.{11}|.{2})", re.DOTALL)
_ENTRY = re.compile(r"[\w.-]+")
_SAME = {
    "and": "anderson", "azura obj": "azura", "bellboy": "laris", "guard dog": "dog",
    "gorilla": "ape", "guardian": "oracle", "jimmy": "jim", "joe king": "joe", "mary-lou": "tam",
    "path": "wedge", "prin": "azura", "princess azura": "azura", "sec": "secretary",
    "showering amazon": "showeram", "trader bob": "bob", "wedgewood": "wedge",
    "witch doctor": "witch", "zombie woman": "zombie",
}  # fmt: skip
"""Other names of a role, as files and objects call it."""
_NOBODY = {
    "buttons", "door", "lily pad", "narrator", "note", "rock", "smoke", "telephone", "torch",
}  # fmt: skip
"""What a line is attached to when the game does not say who speaks."""
ANIMALS = {"ape", "dog", "vicious dinosaur"}


@dataclass(frozen=True)
class Line:
    """One spoken line."""

    name: str
    """Unique in the game; of the speech file."""
    text: str
    """As the game writes it."""
    role: str | None
    """Who says it, in lower case; None if the data do not say."""
    scene: str
    dialogue: str | None
    turn: int | None


class Archive:
    """The entries of ``queen.1c``."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._entries: dict[str, tuple[int, int]] = {}
        for at in range(15, 15 + 21 * struct.unpack_from(">H", data, 13)[0], 21):
            name = data[at : at + 12].partition(b"\0")[0].decode("latin-1")
            offset, size = struct.unpack_from(">II", data, at + 13)
            if offset + size > len(data) or not _ENTRY.fullmatch(name):
                raise ValueError(f"its entry '{name}' is not valid")
            self._entries[name] = (offset, size)

    def __getitem__(self, name: str) -> bytes:
        offset, size = self._entries[name]
        return self._data[offset : offset + size]

    def named(self, suffix: str) -> list[str]:
        """Returns the names of the entries with a suffix, sorted, without it."""
        return sorted(name[: -len(suffix)] for name in self._entries if name.endswith(suffix))


class _Reader:
    """Numbers and strings of one table, from its start."""

    def __init__(self, data: bytes) -> None:
        self._data = data[_HEAD:]

    def numbers(self, at: int, how_many: int) -> tuple[int, ...]:
        """Returns signed numbers of 2 bytes."""
        return struct.unpack_from(f">{how_many}h", self._data, at)

    def offset(self, at: int) -> int:
        return int(struct.unpack_from(">H", self._data, at)[0])

    def text(self, at: int, align: int = 2) -> tuple[str, int]:
        """Returns the text at a place (its length in a byte) and the place after it."""
        begin = at + 1
        end = begin + self._data[at]
        if begin == end:
            return "", end
        return self._data[begin:end].decode("cp437"), -(-end // align) * align


def lines(archive: Archive) -> dict[str, Line]:
    """Returns the parts of all texts by the name of their speech file."""
    written = archive["QUEEN2.JAS"].decode("cp437").replace("\r", "").split("\n")
    table = _Reader(archive["QUEEN.JAS"])
    rooms, names, objects, descriptions = table.numbers(0, 4)
    named = {0: _JOE, -2: "narrator", -3: "narrator"}
    people = set()
    for number in range(1, objects + 1):
        row = table.numbers(8 + 16 * (number - 1), 8)
        name = written[descriptions + abs(row[0]) - 1] if row[0] else f"obj{number}"
        named[number] = name.lower()
        if row[7] in (-3, -4):
            people.add(number)
    answers = written[descriptions + names + rooms + 12 :][:_REMARKS]
    spoken: dict[str, Line] = {}
    for number, text in enumerate([*answers, *written[:descriptions]], 1):
        _put(spoken, text, f"JOE{number:04d}", _JOE, "remarks", f"JOE{number:04d}", count(1))
    for file in archive.named(".DOG"):
        _conversation(spoken, file, _Reader(archive[f"{file}.DOG"]))
    for file in archive.named(".CUT"):
        _cut_scene(spoken, file, _Reader(archive[f"{file}.CUT"]), named, people)
    return spoken


def _put(
    spoken: dict[str, Line],
    text: str,
    name: str,
    role: str,
    scene: str,
    dialogue: str,
    turns: Iterator[int],
) -> None:
    """Adds the parts of a text; the first text of a speech file counts."""
    for part, words in enumerate(_COMMAND.split(text), 1):
        file = f"{name}{part:x}".replace(" ", "0").upper()
        if words.strip() and file not in spoken:
            known = _SAME.get(role, role)
            spoken[file] = Line(
                name=file,
                text=words,
                role=None if known in _NOBODY else known,
                scene=scene,
                dialogue=dialogue.replace(" ", "0").upper(),
                turn=next(turns),
            )


def _conversation(spoken: dict[str, Line], file: str, table: _Reader) -> None:
    """Adds what the hero can say and the answers: an equal number means remark and answer."""
    who = file.rstrip("0123456789").lower()
    (levels,) = table.numbers(0, 1)
    key, of_joe, of_other = table.numbers(4, 3)
    joe = 32 + 96 * abs(levels)
    turns: dict[str, Iterator[int]] = {}
    for begin, how_many, letter, role in (
        (joe, of_joe, "J", _JOE),
        (table.offset(22), of_other, "P", who),
    ):
        at = begin
        for _ in range(how_many):
            number = table.offset(at + 2)
            text, at = table.text(at + 4, 4)
            dialogue = f"{key:2d}{number:4x}"
            said = turns.setdefault(dialogue, count(1))
            _put(spoken, text, dialogue + letter, role, file, dialogue, said)
    closing = table.offset(26)
    ends = [("XXXXP", closing, who), ("XXXXJ", table.text(closing)[1], _JOE)]
    if not table.offset(joe + 2):
        ends.insert(0, ("SSSSJ", joe + 4, _JOE))
    for name, at, role in ends:
        name = f"{key:2d}{name}"
        _put(spoken, table.text(at)[0], name, role, file, name, count(1))


def _cut_scene(
    spoken: dict[str, Line],
    file: str,
    table: _Reader,
    named: Mapping[int, str],
    people: set[int],
) -> None:
    """Adds the lines of a cut scene in order: one dialogue."""
    how_many, _, ends, at_text = table.numbers(2, 4)
    at = 12
    _, at_text = table.text(at_text)
    turns = count(1)
    for number in range(1, abs(how_many) + 1):
        row = table.numbers(at, 18)
        at += 36 + 2 * max(0, row[17])
        text, at_text = table.text(at_text)
        who = max(row[0], 0) if row[0] == -1 else row[0]
        person = not row[4] and (who == 0 or who in people)
        moves = not (person or row[12] > 0 or who in (-2, -3, -4)) and row[5]
        while moves and table.numbers(at, 1)[0] != -2:  # the steps of an animation
            at += 20
        at += 2 if moves else 0
        if text and text != "*" and not text.startswith("#"):
            name = f"{file:_<5.5}{number:02d}"
            role = named.get(who, f"obj{who}")
            _put(spoken, text, name, role, file, f"CUT-{file}", turns)
    if ends - at not in (2, 4):
        raise ValueError(f"the records of {file}.CUT do not end where the next table begins")
