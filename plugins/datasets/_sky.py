"""Speech, text and roles in the data files of Beneath a Steel Sky, version 0.0372.

All numbers are little-endian. ``sky.dnr``: the number of files, then 8 bytes each: number (2),
offset (3; with the top bit in units of 16), size and flags (3; bit 23: not packed, bit 22: packed
without its head). ``sky.dsk``: the files; packed ones have a head of 22 bytes and RNC method 1.
Speech is in the files from 50,000, 8-bit unsigned. Texts are in the files from 60,600, one per
section, as bits of a prefix code. Scripts are in the files from 60,400; ``sky.cpt`` names the
numbers in them. Facts from reading the files; no code of a game engine was used.
"""

from __future__ import annotations

import re
import struct
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

from ._queen import Line
from ._rnc import unpacked

FILES = 5097
"""Files of version 0.0372."""
RATE = 11_025
_HEAD = 22
_SPEECH = range(50_000, 59_000)
_SCRIPTS = range(60_400, 60_407)
_TEXTS = 60_600
_STARTS = (0, 600, 1100, 2430, 3380, 4530, 5080, 5230)
"""First speech file of each section, after 50,000."""
_CALL, _ARGUMENTS, _SPEAK = 11, 3, (140, 144, 148, 152)
"""A script's call that speaks, after pairs of kind and value for who, text and animation."""
_CONSTANT = 2
_WHO = {(0, 48): "foster", (0, 480): "?"}
"""Variables for who speaks: the object that runs the script, in these calls nearly always the hero;
his partner, whom the call does not name."""
_THING = re.compile(r"$|\?|sc\d|window|poster|squirm|monitor|holo")
_IN_SCENE = re.compile(r"sc\d+_(?=(guard|prosecution|clerk|jobsworth|gallagher)$)")

_LEAVES = (
    " eaostn.ir\0EumAlIdRNSTOhcDgLCpU!yMPvH?b'f,GBVkFqwK-WJ*zYj+Q\x85)Z\x8b<\x95~\x8a\x87:\x7f]#xX"
    '\x91\x88`20\x831/(=\x86^39\x984}8\\"\x90&\x8d56\x92\x8f\x8e\x93\x8c7\x80\x81\x99$@[\x9a_>\x96'
    "\x82%\t\x9c\x97{\x94!"
)
_DEPTHS = (
    "3445555554665556666665776667777776887778877799888998889999aa9aa9bbaaabbabbaccbccbccbbbccccddccc"
    "ddddddddeedeeeeffeeeffefffgg"
)
"""The prefix code of the texts, which is not in the data files: characters in the order of their
codes, and the codes' lengths in base 17. Character 0 ends a text."""


class Archive:
    """The files in ``sky.dsk``, by number."""

    def __init__(self, directory: bytes, data: bytes) -> None:
        self._data = data
        self._files = {}
        for at in range(4, 4 + 8 * FILES, 8):
            place, size = (int.from_bytes(directory[at + k : at + k + 3], "little") for k in (2, 5))
            offset = (place & 0x7FFFFF) << (4 if place >> 23 else 0)
            number = int.from_bytes(directory[at : at + 2], "little")
            self._files[number] = offset, size & 0x3FFFFF, size >> 22

    def __getitem__(self, number: int) -> bytes:
        """Returns a file, unpacked and without its head if it was packed."""
        offset, size, flags = self._files[number]
        data = self._data[offset : offset + size]
        if len(data) < size:
            raise ValueError(f"file {number} ends after sky.dsk")
        return data if flags & 2 else unpacked(data[_HEAD:])

    def speech(self) -> list[int]:
        """Returns the numbers of the files with speech, sorted."""
        return sorted(number for number in self._files if number in _SPEECH)


def lines(archive: Archive, names: bytes) -> dict[int, Line]:
    """Returns the lines by the number of their speech file."""
    numbers = {_text_number(file): file for file in archive.speech()}
    texts = _texts(archive, numbers)
    votes: dict[int, Counter[str]] = defaultdict(Counter)
    turns: dict[int, tuple[str, int]] = {}
    lengths: Counter[str] = Counter()
    for script, who, number in _calls(archive, _names(names)):
        if number in numbers:
            votes[number][who] += 1
            if number not in turns:
                lengths[script] += 1
                turns[number] = script, lengths[script]
    spoken = {}
    for number, file in numbers.items():
        role = _IN_SCENE.sub("", (votes[number].most_common(1) or [("", 0)])[0][0])
        dialogue, turn = turns.get(number, (None, None))
        spoken[file] = Line(
            name=f"{number >> 12}_{number & 0xFFF:04d}",
            text=texts[number],
            role=None if _THING.match(role) else role,
            scene=f"section {number >> 12}",
            dialogue=dialogue,
            turn=turn,
        )
    return spoken


def _text_number(file: int) -> int:
    """Returns section × 4096 + number of the text that a speech file says."""
    within = file - _SPEECH.start
    section = bisect_right(_STARTS, within) - 1
    return section << 12 | within - _STARTS[section]


def _texts(archive: Archive, numbers: Iterable[int]) -> dict[int, str]:
    """Returns texts by their number.

    A file of texts begins with the places of the lengths and of the bits. The lengths, in units of
    two bits, are a byte per text; a number of 2 bytes after each 32 texts gives their sum.
    """
    code, letters = 0, {}
    for leaf, depth in zip(_LEAVES, (int(digit, 17) for digit in _DEPTHS), strict=True):
        letters[f"{code >> (16 - depth):0{depth}b}"] = leaf
        code += 1 << (16 - depth)
    found = {}
    for section in range(len(_STARTS)):
        data = archive[_TEXTS + section]
        first, bits_at = struct.unpack_from("<2H", data)
        blocks = struct.unpack_from(f"<{(first - 4) // 2}H", data, 4)
        bits = "".join(f"{byte:08b}" for byte in data[bits_at:])
        for number in (n for n in numbers if n >> 12 == section):
            text = number & 0xFFF
            block = text & ~31
            before = data[first + block : first + text]
            units = sum(blocks[: block // 32]) + sum(
                (b & 127) << 3 if b > 127 else b for b in before
            )
            found[number] = _decoded(bits, 2 * units, letters)
    return found


def _decoded(bits: str, begin: int, letters: dict[str, str]) -> str:
    out: list[str] = []
    for end in range(begin + 1, len(bits) + 1):
        letter = letters.get(bits[begin:end])
        if letter == "\0":
            return "".join(out)
        if letter is not None:
            out.append(letter)
            begin = end
    raise ValueError("a text without an end")


def _names(data: bytes) -> dict[int, str]:
    """Returns the names in ``sky.cpt`` by number: list × 4096 + place in the list."""
    (lists,) = struct.unpack_from("<H", data, 2)
    lengths = struct.unpack_from(f"<{lists}H", data, 4)
    at = 4 + 2 * lists + 4
    (size,) = struct.unpack_from("<I", data, at)
    words = struct.unpack_from(f"<{size}H", data, at + 4)
    texts = data[at + 4 + 2 * size + 4 :].split(b"\0")[::-1]
    names, at = {}, 0
    for number, length in enumerate(lengths):
        for entry in range(length):
            if words[at]:
                names[number << 12 | entry] = texts.pop().decode("latin-1")
                at += 1 + words[at]
            at += 1
    return names


def _calls(archive: Archive, names: dict[int, str]) -> Iterator[tuple[str, str, int]]:
    """Yields script, who speaks (empty if unknown) and text number of each call that speaks."""
    for module in _SCRIPTS:
        data = archive[module]
        words = struct.unpack(f"<{len(data) // 2}H", data[: len(data) // 2 * 2])
        starts = sorted(set(words[: words[0]]))
        for at in range(8, len(words) - 2):
            if words[at] == _CALL and words[at + 1] == _ARGUMENTS and words[at + 2] in _SPEAK:
                kind, who, of_text, text = words[at - 6 : at - 2]
                if of_text == _CONSTANT:
                    role = names.get(who, "") if kind == _CONSTANT else _WHO.get((kind, who), "")
                    yield f"{module - _SCRIPTS.start}-{bisect_right(starts, at)}", role, text
