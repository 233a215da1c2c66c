"""Opens a recording and finds out whether its file was cut off.

libsndfile reads what is left of a cut WAV or Ogg file without a word, so the promise in the
container's header is compared with the bytes that are there.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

import soundfile

READABLE = (
    "wav, flac, ogg and mp3 are read; convert others, for example with `ffmpeg -i IN OUT.flac`"
)
# An MP3's length counts whole frames of 1152 samples; encoder delay may take off one or two.
MP3_SLACK = 2 * 1152
# An MP3 frame borrows bits from frames before it: after a jump the first ones come out wrong.
MP3_LEAD = 32 * 1152
STREAMED = 0xFFFFFFFF
OGG_TAIL = 1 << 17
OGG_HEADER = 27
OGG_LAST_PAGE = 4


class SoundError(Exception):
    """Why a recording cannot be used: the end of a sentence that begins with its path."""


def open_sound(path: Path) -> soundfile.SoundFile:
    """Opens a recording to be read straight on; the caller closes it.

    Raises:
        SoundError: no such file, empty, not audio, without samples, or cut off as its header shows.
    """
    try:
        with path.open("rb") as file:
            head = file.read(12)
            if not head:
                raise SoundError("is empty (0 bytes)")
            _check_complete(file, head, path.stat().st_size)
    except OSError as error:
        raise SoundError(f"cannot be read ({error.strerror})") from None
    try:
        sound = soundfile.SoundFile(path)
    except (soundfile.LibsndfileError, TypeError) as error:
        raise SoundError(f"is not audio that can be read ({reason(error)}): {READABLE}") from None
    if sound.frames == 0:
        sound.close()
        raise SoundError("holds no samples (0 s)")
    if sound.format == "MP3":
        # After every read soundfile would jump to where it is, and garble what follows.
        sound.seekable = lambda: False
    return sound


def reason(error: Exception) -> str:
    """Returns libsndfile's own words without the path that precedes them."""
    text = getattr(error, "error_string", "") or str(error)
    return str(text).removeprefix("Error : ").strip().rstrip(".")


def slack(sound: soundfile.SoundFile) -> int:
    """Returns how many frames fewer than promised a sound file may hold."""
    return MP3_SLACK if sound.format == "MP3" else 0


def lead(sound: soundfile.SoundFile) -> int:
    """Returns how many frames must be decoded before a span for the span to be right."""
    return MP3_LEAD if sound.format == "MP3" else 0


def _check_complete(file: BinaryIO, head: bytes, size: int) -> None:
    if head[:4] == b"RIFF" and head[8:] == b"WAVE":
        _check_wav(file, size)
    elif head[:4] == b"OggS":
        _check_ogg(file, size)


def _check_wav(file: BinaryIO, size: int) -> None:
    """Compares the length of the data chunk with the file's; streamed files promise none."""
    file.seek(12)
    while len(chunk := file.read(8)) == 8:
        name, length = struct.unpack("<4sI", chunk)
        if name == b"data":
            there = size - file.tell()
            if length != STREAMED and there < length:
                raise SoundError(
                    f"is cut off: its header promises {length} bytes of sound, {there} are there"
                )
            return
        file.seek(length + length % 2, 1)
    raise SoundError("is cut off: the file ends before its sound begins")


def _check_ogg(file: BinaryIO, size: int) -> None:
    """Looks for the page that is marked as the last, whole, at the end of the file."""
    file.seek(max(0, size - OGG_TAIL))
    tail = file.read()
    page = tail[tail.rfind(b"OggS") :]
    if len(page) >= OGG_HEADER and page[5] & OGG_LAST_PAGE:
        segments = page[26]
        lengths = page[OGG_HEADER : OGG_HEADER + segments]
        if len(lengths) == segments and len(page) >= OGG_HEADER + segments + sum(lengths):
            return
    raise SoundError("is cut off: the last page of the Ogg stream is missing")
