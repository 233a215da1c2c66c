"""Converts sound that libsndfile cannot read, such as M4A, MP4 and WebM, by PyAV (FFmpeg)."""

from __future__ import annotations

import re
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import soundfile

from ..errors import DataError
from ..kinds.speech import READ_SUFFIXES
from ..paths import refuse_stream
from .foreign import FORMATS
from .layout import SoundError

SLACK_S = 0.5
"""Seconds by which the length in a header may exceed the sound: encoders add silence."""


def media_format(path: Path) -> str:
    """Returns such as ``in MPEG-4`` for a file to convert; empty for others, or without PyAV."""
    if path.suffix.lower() in READ_SUFFIXES:
        return ""
    try:
        refuse_stream(path)
        with path.open("rb") as file:
            head = file.read(64)
        name = next((f for start, f in FORMATS.items() if re.match(start, head, re.DOTALL)), "")
        if name:
            import av  # noqa: F401
    except (OSError, ValueError, ImportError):
        return ""
    return name


def convert(path: Path, out: Path) -> None:
    """Writes the first sound stream of a file as FLAC of 24 bits, at its own rate and channels.

    Another process may write the same file at the same time.

    Raises:
        SoundError: the file has no sound, or is damaged or cut off.
    """
    import av

    draft = out.with_name(f".{out.name}-{secrets.token_hex(4)}")
    draft.parent.mkdir(parents=True, exist_ok=True)
    try:
        with av.open(str(path)) as container:
            if not container.streams.audio:
                raise SoundError("contains no sound, only pictures")
            _write(container, draft)
        draft.replace(out)
    except (av.FFmpegError, ValueError) as error:
        reason = str(getattr(error, "strerror", "") or error)
        raise SoundError(
            f"is {media_format(path)} but cannot be decoded ({reason}): it is damaged or cut off"
        ) from None
    finally:
        draft.unlink(missing_ok=True)


def _write(container: Any, draft: Path) -> None:
    import av

    stream = container.streams.audio[0]
    resampler, file, frames = None, None, 0
    try:
        for frame in container.decode(stream):
            if resampler is None or file is None:
                rate, channels = frame.sample_rate, frame.layout.nb_channels
                # Only interleaves the channels: neither rate nor layout changes.
                resampler = av.AudioResampler("flt", frame.layout, rate)
                file = soundfile.SoundFile(draft, "w", rate, channels, "PCM_24", format="FLAC")
            for part in resampler.resample(frame):
                file.write(part.to_ndarray().reshape(-1, channels))
                frames += part.samples
    finally:
        if file is not None:
            file.close()
    if not frames:
        raise SoundError("contains no samples (0 s)")
    seconds = frames / rate
    promised = float(stream.duration * stream.time_base) if stream.duration else 0.0
    if not promised and len(container.streams) == 1:
        promised = (container.duration or 0) / av.time_base
    if seconds < promised - SLACK_S:
        raise SoundError(
            f"is cut off: its header promises {promised:.1f} s, but it has {seconds:.1f} s"
        )


@contextmanager
def readable(path: Path) -> Iterator[Path]:
    """Gives a path that `decode` reads: the file itself, or a temporary conversion.

    Raises:
        DataError: the file cannot be converted.
    """
    if not media_format(path):
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "sound.flac")
        try:
            convert(path, out)
        except SoundError as error:
            raise DataError(f"{path} {error}.") from None
        yield out
