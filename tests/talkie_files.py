"""Builds small data files in the layouts of the two games."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path

from lanser_bench_plugins.datasets import _sky

Conversation = tuple[int, dict[int, str], dict[int, str]]
"""Key, what the hero says and the answers, by number."""
Call = tuple[tuple[int, int], int]
"""Kind and value of who speaks, number of the text."""


def queen(
    path: Path,
    sounds: dict[str, bytes],
    *,
    remarks: Iterable[str] = (),
    people: Iterable[str] = (),
    conversations: dict[str, Conversation] | None = None,
    scenes: dict[str, list[tuple[int, str]]] | None = None,
    kind: int = 1,
) -> None:
    """Writes ``queen.1c``; a line of a scene: 0 (hero) or a number of people, text."""
    remarks, people = list(remarks), list(people)
    texts = [*remarks, *people, "room", *["other"] * 12, *["Answer."] * 40]
    table = struct.pack(">4h", 1, len(people), len(people), len(remarks))
    for number in range(1, len(people) + 1):
        table += struct.pack(">8h", number, 0, 0, 0, 0, 0, 0, -3)
    entries = {"QUEEN2.JAS": "\r\n".join(texts).encode("cp437"), "QUEEN.JAS": bytes(20) + table}
    for name, conversation in (conversations or {}).items():
        entries[f"{name}.DOG"] = bytes(20) + _conversation(*conversation)
    for name, lines in (scenes or {}).items():
        entries[f"{name}.CUT"] = bytes(20) + _scene(lines)
    entries |= {f"{name}.SB": sound for name, sound in sounds.items()}
    head = b"QTBLCEM10\0\0\0" + bytes([kind]) + struct.pack(">H", len(entries))
    at, rows = len(head) + 21 * len(entries), b""
    for name, content in entries.items():
        rows += struct.pack(">12sBII", name.encode(), 0, at, len(content))
        at += len(content)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(head + rows + b"".join(entries.values()))


def _text(text: str, at: int, align: int) -> bytes:
    raw = bytes([len(text)]) + text.encode("cp437")
    return raw + bytes(-(at + len(raw)) % align if text else 0)


def _conversation(key: int, joe: dict[int, str], other: dict[int, str]) -> bytes:
    out = bytearray(32)  # without levels
    places = []
    for said in (joe, other):
        places.append(len(out))
        for number, text in said.items():
            out += struct.pack(">hh", 0, number)
            out += _text(text, len(out), 4)
    places.append(len(out))
    out += bytes(4)
    struct.pack_into(">hhhh", out, 2, 0, key, len(joe), len(other))
    struct.pack_into(">HHH", out, 22, places[1], 0, places[2])
    return bytes(out)


def _scene(lines: list[tuple[int, str]]) -> bytes:
    out = bytearray(12)
    for who, _ in lines:
        out += struct.pack(">18h", who, *[0] * 17)
    ends = len(out) + 2
    out += bytes(2)
    begin = len(out)
    for text in ("", *(text for _, text in lines)):
        out += _text(text, len(out), 2)
    struct.pack_into(">hhHH", out, 2, len(lines), 0, ends, begin)
    return bytes(out)


def sky(
    folder: Path,
    speech: dict[int, bytes],
    texts: dict[int, list[str]],
    calls: Iterable[Call] = (),
    names: Iterable[str] = (),
) -> None:
    """Writes the three files: speech by the file's number, texts by section."""
    files = {number: (bytes(22) + packed([(sound, 0, 0)]), 0) for number, sound in speech.items()}
    files |= {60_400 + module: (_scripts(calls if not module else ()), 2) for module in range(7)}
    files |= {60_600 + n: (_texts(texts.get(n, [])), 2) for n in range(8)}
    directory, data = struct.pack("<I", _sky.FILES), b""
    for number, (content, flags) in files.items():
        data += bytes(-len(data) % 16)
        place = len(data) >> 4 | 1 << 23
        directory += struct.pack("<H", number) + place.to_bytes(3, "little")
        directory += (len(content) | flags << 22).to_bytes(3, "little")
        data += content
    directory += struct.pack("<HHHH", 1, 0, 0, 0) * (_sky.FILES - len(files))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sky.dnr").write_bytes(directory)
    (folder / "sky.dsk").write_bytes(data)
    (folder / "sky.cpt").write_bytes(_names(list(names)))


def _scripts(calls: Iterable[Call]) -> bytes:
    words = [2, 2, *[0] * 6]
    for (kind, who), text in calls:
        words += [kind, who, 2, text, 2, 0, 11, 3, 140]
    return struct.pack(f"<{len(words)}H", *words)


def _names(names: list[str]) -> bytes:
    words = [word for _ in names for word in (2, 0, 0)]
    head = struct.pack(f"<HHHII{len(words)}HI", 0, 1, len(names), 0, len(words), *words, 0)
    return head + b"".join(name.encode() + b"\0" for name in names)


def _texts(texts: list[str]) -> bytes:
    codes, code = {}, 0
    for leaf, digit in zip(_sky._LEAVES, _sky._DEPTHS, strict=True):
        depth = int(digit, 17)
        codes.setdefault(leaf, f"{code >> (16 - depth):0{depth}b}")
        code += 1 << (16 - depth)
    bits, units = "", []
    for text in texts:
        begin = len(bits)
        bits += "".join(codes[letter] for letter in text + "\0")
        # Lengths of 128 units and more are written in eights.
        step = 2 if len(bits) - begin <= 2 * 127 else 16
        bits += "0" * (-(len(bits) - begin) % step)
        length = (len(bits) - begin) // 2
        units.append(length if step == 2 else 128 | length >> 3)
    whole = [(u & 127) << 3 if u > 127 else u for u in units]
    blocks = [sum(whole[at : at + 32]) for at in range(0, len(whole), 32)]
    first = 4 + 2 * len(blocks)
    head = struct.pack(f"<HH{len(blocks)}H", first, first + len(units), *blocks)
    bits += "0" * (-len(bits) % 8)
    return head + bytes(units) + bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits), 8))


def packed(chunks: list[tuple[bytes, int, int]], *, checked: bool = True) -> bytes:
    """Packs literals, each but the last followed by a copy: its distance and length."""
    out = bytearray()
    state = {"at": 0, "free": 0}

    def put(value: int, bits: int) -> None:
        for position in range(bits):
            if not state["free"]:
                state["at"], state["free"] = len(out), 16
                out.extend(b"\0\0")
            if value >> position & 1:
                bit = 16 - state["free"]
                out[state["at"] + bit // 8] |= 1 << bit % 8
            state["free"] -= 1

    def number(value: int) -> None:
        symbol = value.bit_length()
        put(int(f"{symbol:05b}"[::-1], 2), 5)  # a code's bits come highest first
        put(value & ~(1 << symbol - 1) if symbol > 1 else 0, max(symbol - 1, 0))

    put(0, 2)
    for _ in range(3):
        put(17, 5)
        for _ in range(17):
            put(5, 4)
    put(len(chunks), 16)
    content = bytearray()
    for place, (literals, distance, length) in enumerate(chunks, 1):
        number(len(literals))
        out += literals
        content += literals
        if place < len(chunks):
            number(distance - 1)
            number(length - 2)
            for _ in range(length):
                content.append(content[-distance] if checked else 0)
    return b"RNC\x01" + struct.pack(">II", len(content), len(out)) + bytes([0] * 5 + [1]) + out
