"""Identifies a file that cannot be read as sound, and says what to do about it."""

from __future__ import annotations

import re
from typing import BinaryIO

_CONVERT = "Convert it: `ffmpeg -i IN OUT.flac`"
_INSTALL = "run `pip install 'lanser-bench[media]'`, which reads files such as .m4a, .mp4 and .webm"
_OTHERS = (
    "wav, flac, ogg and mp3 are read; convert others, for example with `ffmpeg -i IN OUT.flac`"
)
_UNPACK = "Unpack it and set `root` to the folder with the recordings"
_AGAIN = "Download the recording again; its site may ask for an account or a licence first"
_ARCHIVES = {
    rb"PK\x03\x04": "a zip",
    rb"\x1f\x8b": "a gzip",
    rb"BZh": "a bzip2",
    rb"\xfd7zXZ": "an xz",
    rb"7z\xbc\xaf": "a 7-Zip",
    rb"Rar!": "a RAR",
    rb"\x28\xb5\x2f\xfd": "a Zstandard",
    rb".{257}ustar": "a tar",
}
_DOWNLOADS = {
    rb"PK\x05\x06": "an empty zip archive",
    rb"%PDF": "a PDF document",
    rb"\x89PNG": "a picture (PNG)",
    rb"\xff\xd8\xff": "a picture (JPEG)",
    rb"GIF8": "a picture (GIF)",
}
FORMATS = {
    rb".{4}ftyp": "in MPEG-4 (M4A, MP4 or 3GP)",
    rb".{4}moov": "in QuickTime",
    rb"\x1a\x45\xdf\xa3": "in Matroska or WebM",
    rb"\x30\x26\xb2\x75": "in Windows Media (WMA or WMV)",
    rb"#!AMR": "in AMR",
    rb"\xff[\xf0\xf1\xf9]|ADIF": "in AAC",
    rb"\x0b\x77": "in Dolby AC-3",
    rb"MAC ": "in Monkey's Audio",
    rb"wvpk": "in WavPack",
    rb"TTA1": "in True Audio",
    rb"DSD |FRM8": "in DSD",
    rb"\.RMF": "in RealMedia",
    rb"\.ra\xfd": "in RealAudio",
    rb"FLV\x01": "in Flash Video",
    rb"\x00\x00\x01\xba": "in MPEG video",
    rb"\x47\x40": "in an MPEG transport stream",
    rb".{8}AVI ": "in AVI",
    rb".{28}Speex": "in Speex",
    rb".{28}\x7fFLAC": "FLAC inside Ogg",
    rb".{28}\x80theora": "in Ogg video",
    rb"OggS": "an Ogg file without Vorbis or Opus sound first",
    rb"ajkg": "in Shorten",
    rb"caff": "a CAF file with an unsupported codec",
    rb".{8}AIFC": "an AIFF file with an unsupported codec",
}
"""First bytes of a file → the format, which PyAV may read."""
_SIGNATURES = {
    rb"version https://git-lfs": "is a Git LFS pointer, not the recording itself. Run `git lfs "
    "pull` in its repository",
    rb"[./]*(?:git)?/annex/objects/": "is a git-annex pointer, not the recording itself. Run "
    "`git annex get .` or `datalad get .` in its repository",
    rb"\x00\x05\x16\x07": "is a resource file of macOS, not the recording itself. Remove it",
    rb"\x93NUMPY": "is a NumPy array. Write its samples as WAV with soundfile.write",
    rb"PAR1": "is a Parquet table. Read it with the dataset `manifest` or `huggingface`",
    rb"MThd": "is in MIDI, which has notes and no sound. Remove it",
    rb".?#!SILK": "is in SILK. Convert it with a SILK decoder",
    **{pattern: f"is {kind} archive. {_UNPACK}" for pattern, kind in _ARCHIVES.items()},
    **{pattern: f"is {kind}. {_AGAIN}" for pattern, kind in _DOWNLOADS.items()},
    **{pattern: f"is {kind}. {_CONVERT}, or {_INSTALL}" for pattern, kind in FORMATS.items()},
}
"""First bytes of a file → what it is and what to do."""


def what_it_is(file: BinaryIO, reason: str) -> str:
    """Returns the end of a sentence that begins with the file's path.

    Args:
        file: a file that libsndfile cannot open.
        reason: libsndfile's message.
    """
    head = file.read(1 << 12)
    for pattern, sentence in _SIGNATURES.items():
        if re.match(pattern, head, re.DOTALL):
            return sentence
    if head.startswith(b"NIST_1A") and b"shorten" in head:
        return "is a SPHERE file compressed with Shorten. Convert it: `sph2pipe -f wav IN OUT.wav`"
    if not head.strip(b"\0"):
        return f"begins with {len(head)} zero bytes: its copy or download failed. {_AGAIN}"
    start = head[:1000].replace(b"\0", b"").lower()  # also of UTF-16
    if re.search(rb"<(?:!doctype )?(?:html|head|body|script)\b", start):
        return f"is a web page (HTML), such as a sign-in or error page. {_AGAIN}"
    if b"<?xml" in start or b"<error" in start:
        return f"is XML, such as a server's error message. {_AGAIN}"
    if text := _text(head):
        return text
    if head[8:12] == b"WAVE":
        tag = head[head.find(b"fmt ") + 8 :][:2][:: 1 if head[3:4] != b"X" else -1]
        return (
            f"is a WAV file that cannot be read ({reason}; format tag "
            f"0x{int.from_bytes(tag, 'little'):04x}). {_CONVERT}"
        )
    return f"is not audio that can be read ({reason}): {_OTHERS}"


def _text(head: bytes) -> str:
    """Describes a text; empty if the bytes are not text."""
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
