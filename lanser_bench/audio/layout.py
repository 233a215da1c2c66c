"""Finds the sound in a file, and wrong sizes in its header."""

from __future__ import annotations

import io
import mmap
import os
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_CHUNKS = {
    **dict.fromkeys((b"RIFF", b"RF64", b"BW64"), (12, "<4sI", 2, 0)),
    **dict.fromkeys((b"RIFX", b"FORM"), (12, ">4sI", 2, 0)),
    b"caff": (8, ">4sq", 1, 0),
    b"riff": (40, "<16sq", 8, 24),
}
"""Files of chunks: offset of the first, format of a chunk's header, alignment, bytes of the header
that its size includes."""
_OPEN_32 = (range(0x7FFF0000, 0x80001000), range(0xFFFF0000, 1 << 32))
"""Placeholder sizes of streaming writers (sox, ffmpeg, arecord, speech services), which do not know
the size in advance: close to 2 or 4 GiB. They also write 0, and -1 in 64 bits."""
_SEVERAL = "is several files one after another; only the first would be read. Split it"
_MP3_SYNC = re.compile(rb"\xff[\xe2-\xe7\xf2-\xf7\xfa-\xff]")
_OGG_FIRST, _OGG_LAST = 2, 4
_OGG_HEADER = 27


class SoundError(Exception):
    """Why a recording cannot be used: the end of a sentence that begins with its path."""


@dataclass(frozen=True)
class _Promise:
    """The size of the sound by its header."""

    at: int
    """Position of the size."""
    form: str
    """For `struct`."""
    size: int
    begin: int
    """Position of the sound."""
    counted: int = 0
    """Bytes of the header that the size includes."""


@dataclass(frozen=True)
class Mp3Tag:
    """Facts about an MP3 from its first frame."""

    frame: int
    """Position of the first frame."""
    sync: bytes
    """First bytes of each frame."""
    count_at: int = 0
    """Position of the number of frames; 0 if there is none."""
    whole: bool = False
    """Whether the file has as many bytes as the first frame says."""


class View(io.RawIOBase):
    """A part of a file, with some bytes replaced, that claims to be `claim` times as long."""

    def __init__(
        self, path: Path, begin: int, end: int | None, patches: Mapping[int, bytes], claim: int = 1
    ) -> None:
        """Opens the bytes from `begin` to `end`; `patches` have positions in the file as keys."""
        self._file = path.open("rb")
        self._begin, self._at = begin, 0
        self._length = (end or os.fstat(self._file.fileno()).st_size) - begin
        self._claimed = self._length * claim
        self._patches = {at - begin: value for at, value in patches.items()}
        self.error = ""
        """Why the file could not be read, since a callback of libsndfile must not raise."""

    def seek(self, offset: int, whence: int = 0) -> int:  # noqa: D102 - of io.RawIOBase
        self._at = offset + (0, self._at, self._claimed)[whence]
        return self._at

    def tell(self) -> int:  # noqa: D102
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # noqa: D102
        into = memoryview(buffer)
        if self._at >= max(self._length, self._claimed - 128):  # where an ID3 tag would be
            into[:] = bytes(len(into))
            return len(into) if self._claimed > self._length else 0
        try:
            self._file.seek(self._begin + self._at)
            count = self._file.readinto(into[: max(0, self._length - self._at)])
        except OSError as error:
            self.error = error.strerror or "error"
            return 0
        for at, value in self._patches.items():
            first, last = max(at, self._at), min(at + len(value), self._at + count)
            if first < last:
                into[first - self._at : last - self._at] = value[first - at : last - at]
        self._at += count
        return count

    def rest(self) -> bytes:
        """Returns the bytes not read yet, up to 1 MiB."""
        self._file.seek(self._begin + self._at)
        return self._file.read(min(1 << 20, max(0, self._length - self._at)))

    def close(self) -> None:  # noqa: D102
        self._file.close()
        super().close()


def patched_sizes(file: BinaryIO) -> dict[int, bytes]:
    """Returns position → bytes that correct the header to the actual size of the sound.

    Raises:
        SoundError: the file is shorter than its header promises.
    """
    base = after_id3(file)
    file.seek(base)
    patches = {base: b"RF64"} if file.read(4) == b"BW64" else {}
    promise = _promise(file, base)
    if promise is None:
        return patches
    there = os.fstat(file.fileno()).st_size - promise.begin
    if _is_open(file, promise, there):
        try:
            return patches | {promise.at: struct.pack(promise.form, there + promise.counted)}
        except struct.error:
            raise SoundError(
                "exceeds the limit of its format (4 GiB). Convert it, for example with "
                "`ffmpeg -i IN OUT.flac`"
            ) from None
    if there < promise.size - 1:
        raise SoundError(
            f"is cut off: its header promises {promise.size} bytes of sound, but it has {there}"
        )
    file.seek(promise.begin + promise.size + promise.size % 2)
    if file.read(4) in (b"RIFF", b"FORM"):
        raise SoundError(_SEVERAL)
    return patches


def check_flac(file: BinaryIO) -> None:
    """Raises `SoundError` if a FLAC file is followed by another: libsndfile reads the first."""
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as raw:
        if re.compile(rb"fLaC[\x00\x80]\0\0\x22").search(raw, 4 + max(0, raw.find(b"fLaC"))):
            raise SoundError(_SEVERAL)


def sound_at(file: BinaryIO) -> int:
    """Returns the position of the sound, after tags and headers of chunks."""
    base = after_id3(file)
    promise = _promise(file, base)
    return base if promise is None else promise.begin


def mp3_tag(file: BinaryIO, begin: int) -> Mp3Tag:
    """Reads the first frame of an MP3, at `begin` or soon after."""
    file.seek(begin)
    head = file.read(1 << 16)
    match = _MP3_SYNC.search(head)
    frame = match.start() if match else 0
    sync, place = head[frame : frame + 2], begin + frame
    tag = re.search(b"Xing|Info|VBRI", head[frame : frame + 64])
    if tag is None:
        return Mp3Tag(place, sync)
    at = frame + tag.start()
    if tag[0] == b"VBRI":
        flags, count_at, size_at = 3, at + 14, at + 10
    else:
        flags, count_at = head[at + 7], at + 8
        size_at = count_at + 4 * (flags & 1)
    size = int.from_bytes(head[size_at : size_at + 4], "big")
    there = os.fstat(file.fileno()).st_size - place
    whole = bool(flags & 2) and there >= size
    return Mp3Tag(place, sync, (begin + count_at) * (flags & 1), whole)


def mp3_frames_in(rest: bytes, sync: bytes) -> bool:
    """Whether bytes after the end of an MP3 are frames, not a tag or junk."""
    begins = re.findall(b"\xff[\xe2\xe3\xf2\xf3\xfa\xfb]|" + re.escape(sync), rest)
    # A frame has at most about 1 kB; junk contains such bytes once in 11 kB by chance.
    return len(begins) > 3 + len(rest) // 3000


def ogg_streams(file: BinaryIO, patches: dict[int, bytes]) -> list[tuple[int, int]]:
    """Returns begin and end of each stream of an Ogg file that has several in sequence.

    A stream without an end mark gets one in `patches`, since libsndfile needs it for Opus.

    Raises:
        SoundError: the last page is incomplete, or other bytes are between pages.
    """
    size = file.seek(0, os.SEEK_END)
    begins: list[int] = []
    first = at = 0
    page = b""
    while at < size:
        file.seek(at)
        head = file.read(_OGG_HEADER)
        if head[:4] != b"OggS":
            if at and b"OggS" in file.read():
                raise SoundError(f"is damaged: no page of Ogg begins at byte {at}")
            break
        segments = head[26] if len(head) == _OGG_HEADER else size
        head += file.read(segments)
        length = len(head) + sum(head[_OGG_HEADER:])
        if len(head) < _OGG_HEADER + segments or at + length > size:
            raise SoundError("is cut off: the last page of the Ogg stream is not whole")
        if head[5] & _OGG_FIRST and not first:
            begins.append(at)
            patches |= _end_mark(page, at - len(page))
        first = head[5] & _OGG_FIRST
        page = head.ljust(length, b"\0")
        at += length
    patches |= _end_mark(page, at - len(page))
    return list(zip(begins, [*begins[1:], at], strict=True)) if begins[1:] else []


def _end_mark(page: bytes, at: int) -> dict[int, bytes]:
    """Returns the flags and the checksum of the page at `at` with an end mark."""
    if not page or page[5] & _OGG_LAST:
        return {}
    change = _OGG_LAST << 24
    for _ in range(8 * (len(page) - 5)):
        change = change << 1 ^ (0x104C11DB7 if change >> 31 else 0)
    checksum = int.from_bytes(page[22:26], "little") ^ change
    return {at + 5: bytes([page[5] | _OGG_LAST]), at + 22: checksum.to_bytes(4, "little")}


def after_id3(file: BinaryIO) -> int:
    """Returns the end of the ID3v2 tags at the start of a file; 0 if there is none."""
    at = 0
    while True:
        file.seek(at)
        head = file.read(10)
        if head[:3] != b"ID3" or len(head) < 10:
            return at
        at += 10 + sum(byte << 7 * (3 - i) for i, byte in enumerate(head[6:]))
        at += 10 if head[5] & 0x10 else 0


def _promise(file: BinaryIO, base: int) -> _Promise | None:
    """Finds the chunk of the sound; None if the file is not made of known chunks.

    Raises:
        SoundError: the file ends before it.
    """
    file.seek(base)
    head = file.read(12)
    if head[:4] == b".snd" and len(head) == 12:
        begin, size = struct.unpack(">2I", head[4:])
        return _Promise(base + 8, ">I", size, base + begin)
    kinds = {b"FORM": (b"AIFF", b"AIFC"), b"caff": (head[8:],), b"riff": (head[8:],)}
    if head[:4] not in _CHUNKS or head[8:] not in kinds.get(head[:4], (b"WAVE",)):
        return None
    offset, form, align, counted = _CHUNKS[head[:4]]
    at, wide = base + offset, None
    while chunk := _chunk(file, at, form, counted):
        name, size, begin = chunk
        if name == b"ds64":
            file.seek(begin + 8)
            wide = _Promise(begin + 8, "<Q", int.from_bytes(file.read(8), "little"), 0)
        if name in (b"data", b"SSND"):
            if wide is not None:
                return _Promise(wide.at, wide.form, wide.size, begin)
            place = begin - struct.calcsize(form[0] + form[-1])
            return _Promise(place, form[0] + form[-1], size, begin, counted)
        if size < 0:
            return None
        at = begin + size + -size % align
        file.seek(begin + size)
        if size % 2 and align == 2 and file.read(1) not in (b"\0", b""):
            at -= 1  # some writers leave out the padding byte
    raise SoundError("is cut off: the file ends before its sound begins")


def _chunk(file: BinaryIO, at: int, form: str, counted: int) -> tuple[bytes, int, int] | None:
    """Returns name, size and begin of the chunk at `at`; None at the end of the file."""
    length = struct.calcsize(form)
    file.seek(at)
    raw = file.read(length)
    if len(raw) < length:
        return None
    name, size = struct.unpack(form, raw)
    return name[:4], size - counted, at + length


def _is_open(file: BinaryIO, promise: _Promise, there: int) -> bool:
    """Whether a size is a placeholder of a writer that did not know it."""
    if promise.size == 0:
        return there > 0 and not _only_chunks(file, promise.begin)
    if promise.form[1] != "I":
        return not 0 < promise.size < 1 << 62
    return there < promise.size and any(promise.size in sizes for sizes in _OPEN_32)


def _only_chunks(file: BinaryIO, at: int) -> bool:
    """Whether chunks of a WAV fill the file from `at` to its end, so that its sound is empty."""
    while chunk := _chunk(file, at, "<4sI", 0):
        name, size, begin = chunk
        if not (name.isascii() and name.decode().isprintable()):
            return False
        at = begin + size + size % 2
    return at in (end := file.seek(0, os.SEEK_END), end + 1)
