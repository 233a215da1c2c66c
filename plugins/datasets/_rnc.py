"""Unpacks RNC ProPack, method 1: LZ77 with three Huffman tables per block."""

from __future__ import annotations

import struct

MAGIC = b"RNC\x01"
_HEAD = 18
Table = tuple[list[tuple[int, int]], int]
"""By the next bits, lowest first: symbol and length of its code; and the mask of those bits."""


class _Bits:
    """Reads bits, lowest first, from words of 2 bytes; bytes are read between the words."""

    def __init__(self, data: bytes, at: int) -> None:
        self.data, self.at = data + bytes(4), at
        self.buffer = self.held = 0

    def take(self, bits: int) -> int:
        if bits > self.held:
            self._fill()
        value = self.buffer & ((1 << bits) - 1)
        self.buffer >>= bits
        self.held -= bits
        return value

    def _fill(self) -> None:
        self.buffer |= (self.data[self.at] | self.data[self.at + 1] << 8) << self.held
        self.held += 16
        self.at += 2

    def symbol(self, table: Table) -> int:
        """Returns a number: below 2 its symbol, else the symbol counts the bits that follow."""
        entries, mask = table
        data, at = self.data, self.at
        # The next word is taken only if the code needs it: bytes may come before it.
        ahead = self.buffer | (data[at] | data[at + 1] << 8) << self.held
        symbol, length = entries[ahead & mask]
        if length > self.held:
            self._fill()
        self.buffer >>= length
        self.held -= length
        return symbol if symbol < 2 else self.take(symbol - 1) | 1 << (symbol - 1)


def unpacked(data: bytes) -> bytes:
    """Returns the content of packed data; raises `ValueError` for others and damaged ones."""
    if data[:4] != MAGIC:
        raise ValueError("not RNC method 1")
    (size,) = struct.unpack_from(">I", data, 4)
    bits = _Bits(data, _HEAD)
    out = bytearray()
    bits.take(2)
    for _ in range(data[17]):
        literals, distances, lengths = _table(bits), _table(bits), _table(bits)
        for left in reversed(range(bits.take(16))):
            if count := bits.symbol(literals):
                out += data[bits.at : bits.at + count]
                bits.at += count
            if left:
                distance = bits.symbol(distances) + 1
                length = bits.symbol(lengths) + 2
                if distance > len(out):
                    raise ValueError("RNC: a copy from before the start")
                seen = out[-distance:]
                out += (seen * -(-length // distance))[:length]
    if len(out) != size:
        raise ValueError(f"RNC: {len(out)} bytes instead of {size}")
    return bytes(out)


def _table(bits: _Bits) -> Table:
    """Reads the lengths of a canonical Huffman code; its bits come highest first."""
    lengths = [bits.take(4) for _ in range(bits.take(5))]
    longest = max(lengths, default=0)
    entries = [(0, 17)] * (1 << longest)
    code = 0
    for length in range(1, longest + 1):
        for symbol in (s for s, own in enumerate(lengths) if own == length):
            low = int(f"{code:0{length}b}"[::-1], 2)
            for at in range(low, 1 << longest, 1 << length):
                entries[at] = symbol, length
            code += 1
        code <<= 1
    return entries, (1 << longest) - 1
