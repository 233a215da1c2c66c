"""Reads a recording to its real end and detects truncated files.

libsndfile trusts headers. It reads a truncated file without a warning, takes the placeholder size
of a streaming writer for a real one, ends an MP3 at an estimate, and an Ogg file after the first of
several streams. This module compares the sizes in the header with the bytes in the file; where the
header is wrong, libsndfile gets the file through a `View` that corrects it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import soundfile

from ..paths import refuse_stream
from . import layout
from .foreign import what_it_is
from .layout import SoundError, View

Result = TypeVar("Result")
Samples = np.ndarray[tuple[int, int], np.dtype[np.float32]]

BLOCK = 1 << 20
MP3_SLACK = 2 * 1152
"""An MP3's length counts whole frames of 1152 samples, minus one or two for encoder delay."""
MP3_LEAD = 32 * 1152
"""An MP3 frame borrows bits from frames before it: after a jump the first ones are wrong."""
MANY = 1 << 26
"""More frames than any MP3 has: three weeks."""
_CONVERT = "Convert it, for example with `ffmpeg -i IN OUT.flac`"


class _LongerError(Exception):
    """The header of an MP3 counts fewer frames than the file has."""


@dataclass
class _Stream:
    """One stream of a file; only Ogg files have several."""

    path: Path
    file: soundfile.SoundFile
    seekable: bool
    format: str
    promised: int = 0
    """Number of frames by the header; 0 if it does not say."""
    view: View | None = None
    sync: bytes = b""
    """First bytes of each frame of an MP3; empty for other formats."""


class Sound:
    """A recording that is open for reading."""

    def __init__(self, streams: list[_Stream], counted: bool) -> None:
        """Takes streams of equal rate and channels; `counted` is that of `open_sound`."""
        self._streams = streams
        self._counted = counted
        first = streams[0].file
        self.rate: int = first.samplerate
        self.channels: int = first.channels
        self.format = streams[0].format

    def blocks(
        self, first: int = 0, count: int | None = None, size: int = BLOCK
    ) -> Iterator[Samples]:
        """Yields arrays of shape (up to `size`, channels) from frame `first` on.

        They have `count` frames, or fewer at the end; None: all.

        Raises:
            SoundError: the sound is damaged or truncated, or has samples that are NaN or infinite.
        """
        for number, stream in enumerate(self._streams, 1):
            if first >= stream.file.frames and number < len(self._streams):
                first -= stream.file.frames
                continue
            for block in self._read(stream, first, count, size):
                count = None if count is None else count - len(block)
                yield block
            if count == 0:
                return
            first = 0

    def seconds(self) -> float:
        """Returns the duration; reads the whole recording if its header does not give it.

        Raises:
            SoundError: as `blocks`.
        """
        if all(stream.promised and not stream.sync for stream in self._streams):
            return sum(stream.promised for stream in self._streams) / self.rate
        return sum(len(block) for block in self.blocks()) / self.rate

    def _read(self, stream: _Stream, first: int, count: int | None, size: int) -> Iterator[Samples]:
        file = stream.file
        lead = MP3_LEAD if stream.sync else 0
        at = max(0, min(first, file.frames) - lead) if stream.seekable else 0
        end = file.frames if count is None else min(first + count, file.frames)
        try:
            if at:
                file.seek(at)
        except soundfile.LibsndfileError as error:
            if not stream.promised:  # a streamed FLAC that ends before
                return
            raise _undecodable(error) from None
        try:
            while at < end:
                block: Samples = file.read(min(size, end - at), dtype="float32", always_2d=True)
                if not len(block):
                    break
                before = max(0, first - at)
                at += len(block)
                if not np.isfinite(block[before:]).all():
                    raise SoundError("contains samples that are NaN or infinite")
                if before < len(block):
                    yield block[before:]
        except soundfile.LibsndfileError as error:
            raise _undecodable(error) from None
        if count is None or at < first + count:
            self._check_end(stream, at)

    def _check_end(self, stream: _Stream, at: int) -> None:
        if stream.view is not None and stream.view.error:
            raise SoundError(f"cannot be read ({stream.view.error})")
        if at < stream.promised:
            raise SoundError(
                f"is cut off: its header promises {stream.promised} frames, but it has {at}"
            )
        if stream.file.format == "FLAC":
            with stream.path.open("rb") as raw:
                layout.check_flac(raw)
        if stream.view is None or not stream.sync:
            return
        if layout.mp3_frames_in(stream.view.rest(), stream.sync):
            if self._counted:
                raise _LongerError
            raise SoundError(
                "changes its rate or channels, or is damaged, after "
                f"{at / self.rate:.3f} s. {_CONVERT}"
            )


def through(path: Path, use: Callable[[Sound], Result]) -> Result:
    """Calls `use` with an open recording, again if its header counts too few frames.

    Raises:
        SoundError: the file is missing, empty, not audio, without samples, damaged or truncated.
    """
    try:
        with open_sound(path) as sound:
            return use(sound)
    except _LongerError:
        with open_sound(path, counted=False) as sound:
            return use(sound)


@contextmanager
def open_sound(path: Path, *, counted: bool = True) -> Iterator[Sound]:
    """Opens a recording; `counted` means to trust the number of frames in an MP3's header.

    Raises:
        SoundError: the file is missing, empty, not audio, without samples, or truncated by its
            header.
    """
    with ExitStack() as stack:
        try:
            streams = _streams(path, counted, stack)
        except OSError as error:
            raise SoundError(f"cannot be read ({error.strerror})") from None
        except ValueError:
            raise SoundError("cannot be read (no file can have this name)") from None
        if not any(stream.file.frames for stream in streams):
            raise SoundError("contains no samples (0 s)")
        if len({(s.file.samplerate, s.file.channels) for s in streams}) > 1:
            raise SoundError(f"has streams of several rates or channels. {_CONVERT}")
        yield Sound(streams, counted)


def _streams(path: Path, counted: bool, stack: ExitStack) -> list[_Stream]:
    refuse_stream(path)
    with path.open("rb") as file:
        if not file.read(1):
            raise SoundError("is empty (0 bytes)")
        patches = layout.patched_sizes(file)
        parts = layout.ogg_streams(file, patches)
        # libsndfile does not find the chunks of a WAV after an ID3 tag.
        begin = layout.after_id3(file) if layout.after_id3(file) < layout.sound_at(file) else 0
    if parts:
        return [_opened(path, View(path, *part, patches), stack) for part in parts]
    view = View(path, begin, None, patches) if patches or begin else None
    stream = _opened(path, view, stack)
    if not stream.file.subtype.startswith("MPEG"):
        return [stream]
    mp3 = _mp3(path, counted, stack)
    mp3.format = stream.format
    return [mp3]


def _opened(path: Path, view: View | None, stack: ExitStack) -> _Stream:
    # Windows needs text; elsewhere a name may contain bytes that are not text.
    name = str(path) if os.name == "nt" else os.fsencode(path)
    if view is not None:
        stack.enter_context(view)
    try:
        file = stack.enter_context(soundfile.SoundFile(name if view is None else view))
    except (soundfile.LibsndfileError, TypeError) as error:
        with path.open("rb") as raw:
            raise SoundError(what_it_is(raw, _reason(error))) from None
    form = f"{file.format} {file.subtype}"
    stream = _Stream(path, file, file.seekable(), form, file.frames, view)
    # After every read soundfile would seek the current frame, which garbles an MP3 and fails at
    # the end of a streamed FLAC.
    file.seekable = lambda: False
    if file.frames > 1 << 60:  # a streamed FLAC
        stream.promised = 0
    if file.format == "NIST":
        with path.open("rb") as raw:
            count = re.search(rb"sample_count -i (\d+)", raw.read(1024))
        stream.promised = int(count[1]) if count else 0
    return stream


def _mp3(path: Path, counted: bool, stack: ExitStack) -> _Stream:
    """Opens an MP3, also one inside a WAV.

    If its first frame counts the frames (Xing, Info, VBRI), libsndfile stops there; else it guesses
    from the first frame's bit rate, and the `View` claims a length above any guess.
    """
    with path.open("rb") as file:
        tag = layout.mp3_tag(file, layout.sound_at(file))
    patches = {} if counted or not tag.count_at else {tag.count_at: MANY.to_bytes(4, "big")}
    view = View(path, tag.frame, None, patches, 1 if tag.count_at else 100)
    stream = _opened(path, view, stack)
    stream.sync = tag.sync
    counts = counted and tag.count_at and not tag.whole
    stream.promised = max(0, stream.file.frames - MP3_SLACK) if counts else 0
    return stream


def _undecodable(error: Exception) -> SoundError:
    return SoundError(f"cannot be decoded ({_reason(error)}): it is damaged or cut off")


def _reason(error: Exception) -> str:
    """Returns libsndfile's message without the path before it."""
    text = getattr(error, "error_string", "") or str(error)
    return str(text).removeprefix("Error : ").strip().rstrip(".")
