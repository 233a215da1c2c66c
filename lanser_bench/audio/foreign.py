"""Says what a file is that cannot be read as sound, and what to do about it."""

from __future__ import annotations

from typing import BinaryIO

_CONVERT = "Convert it: `ffmpeg -i IN OUT.flac`"
_OTHERS = (
    "wav, flac, ogg and mp3 are read; convert others, for example with `ffmpeg -i IN OUT.flac`"
)
_UNPACK = "Unpack it and name the folder with the recordings"
_AGAIN = "Download the recording again; its site may ask for an account or a licence first"
_KINDS: tuple[tuple[int, bytes, str, str], ...] = (
    (
        0,
        b"version https://git-lfs",
        "is a Git LFS pointer, not the recording itself",
        "Run `git lfs pull` in its repository",
    ),
    (
        0,
        b"/annex/objects/",
        "is a git-annex pointer, not the recording itself",
        "Run `git annex get .` or `datalad get .` in its repository",
    ),
    (0, b"PK\3\4", "is a zip archive", _UNPACK),
    (0, b"PK\5\6", "is an empty zip archive", _AGAIN),
    (0, b"\x1f\x8b", "is a gzip archive", _UNPACK),
    (0, b"BZh", "is a bzip2 archive", _UNPACK),
    (0, b"\xfd7zXZ", "is an xz archive", _UNPACK),
    (0, b"7z\xbc\xaf", "is a 7-Zip archive", _UNPACK),
    (0, b"Rar!", "is a RAR archive", _UNPACK),
    (0, b"\x28\xb5\x2f\xfd", "is a Zstandard archive", _UNPACK),
    (257, b"ustar", "is a tar archive", _UNPACK),
    (0, b"%PDF", "is a PDF document", _AGAIN),
    (0, b"\x89PNG", "is a picture (PNG)", _AGAIN),
    (0, b"\xff\xd8\xff", "is a picture (JPEG)", _AGAIN),
    (0, b"GIF8", "is a picture (GIF)", _AGAIN),
    (0, b"\x93NUMPY", "is a NumPy array", "Write its samples as WAV with soundfile.write"),
    (0, b"PAR1", "is a Parquet table", "Read it with the dataset `manifest` or `huggingface`"),
    (0, b"\0\5\x16\7", "is a resource file of macOS, not the recording itself", "Remove it"),
    (4, b"ftyp", "is in MPEG-4 (M4A, MP4 or 3GP)", _CONVERT),
    (4, b"moov", "is in QuickTime", _CONVERT),
    (0, b"\x1a\x45\xdf\xa3", "is in Matroska or WebM", _CONVERT),
    (0, b"\x30\x26\xb2\x75", "is in Windows Media (WMA or WMV)", _CONVERT),
    (0, b"#!AMR", "is in AMR", _CONVERT),
    (0, b"#!SILK", "is in SILK", "Convert it with a SILK decoder"),
    (1, b"#!SILK", "is in SILK", "Convert it with a SILK decoder"),
    (0, b"\xff\xf1", "is in AAC", _CONVERT),
    (0, b"\xff\xf9", "is in AAC", _CONVERT),
    (0, b"\xff\xf0", "is in AAC", _CONVERT),
    (0, b"ADIF", "is in AAC", _CONVERT),
    (0, b"\x0b\x77", "is in Dolby AC-3", _CONVERT),
    (0, b"MAC ", "is in Monkey's Audio", _CONVERT),
    (0, b"wvpk", "is in WavPack", _CONVERT),
    (0, b"TTA1", "is in True Audio", _CONVERT),
    (0, b"DSD ", "is in DSD", _CONVERT),
    (0, b"FRM8", "is in DSD", _CONVERT),
    (0, b".RMF", "is in RealMedia", _CONVERT),
    (0, b".ra\xfd", "is in RealAudio", _CONVERT),
    (0, b"FLV\1", "is in Flash Video", _CONVERT),
    (0, b"MThd", "is in MIDI, which has notes and no sound", "Remove it"),
    (0, b"\0\0\1\xba", "is in MPEG video", _CONVERT),
    (0, b"\x47\x40", "is in an MPEG transport stream", _CONVERT),
    (8, b"AVI ", "is in AVI", _CONVERT),
    (28, b"Speex", "is in Speex", _CONVERT),
    (28, b"\x7fFLAC", "is FLAC inside Ogg", _CONVERT),
    (28, b"\x80theora", "is in Ogg video", _CONVERT),
    (0, b"OggS", "is an Ogg file without Vorbis or Opus sound first", _CONVERT),
    (0, b"ajkg", "is in Shorten", _CONVERT),
    (0, b"caff", "is a CAF file with a codec that cannot be read", _CONVERT),
    (8, b"AIFC", "is an AIFF file with a codec that cannot be read", _CONVERT),
)
"""Offset and bytes that a file of a kind has, what it is, what to do."""


def what_it_is(file: BinaryIO, reason: str) -> str:
    """Returns the end of a sentence that begins with the file's path.

    Args:
        file: one that libsndfile does not open.
        reason: libsndfile's words.
    """
    head = file.read(1 << 12)
    for at, signature, kind, advice in _KINDS:
        if head.startswith(signature, at):
            return f"{kind}. {advice}"
    if head.startswith(b"NIST_1A") and b"shorten" in head:
        return "is a SPHERE file compressed with Shorten. Convert it: `sph2pipe -f wav IN OUT.wav`"
    if not head.strip(b"\0"):
        return f"begins with {len(head)} zero bytes: its copy or download failed. {_AGAIN}"
    start = head[:1000].replace(b"\0", b"").lower()  # also of UTF-16
    if b"<!doctype html" in start or b"<html" in start:
        return f"is a web page (HTML), such as a sign-in or error page. {_AGAIN}"
    if b"<?xml" in start or b"<error" in start:
        return f"is XML, such as a server's error message. {_AGAIN}"
    text = _text(head)
    if text:
        return text
    if head[8:12] == b"WAVE":
        tag = head[head.find(b"fmt ") + 8 :][:2][:: 1 if head[3:4] != b"X" else -1]
        return (
            f"is a WAV file that cannot be read ({reason}; format tag "
            f"0x{int.from_bytes(tag, 'little'):04x}). {_CONVERT}"
        )
    return f"is not audio that can be read ({reason}): {_OTHERS}"


def _text(head: bytes) -> str:
    """Says what a text is; empty if the bytes are no text."""
    form = "utf-16" if head[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = head.decode(form, "strict" if len(head) < 1 << 12 else "ignore").strip()
    except UnicodeDecodeError:
        return ""
    if not text or not all(c.isprintable() or c.isspace() for c in text):
        return ""
    kind = "JSON" if text[0] in "{[" else "text"
    return (
        f"is not audio that can be read (it is {kind} and begins "
        f"'{' '.join(text.split())[:40]}'): {_AGAIN[0].lower()}{_AGAIN[1:]}. {_OTHERS}"
    )
