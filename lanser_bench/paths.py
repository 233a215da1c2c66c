"""Paths as users write them: with ``~``, in either form of accents; refuses impossible paths."""

from __future__ import annotations

import errno
import os
import re
import unicodedata
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

LONGEST_PART, LONGEST = 255, 4095
"""Maximum bytes of a file's name and of a path on common file systems."""
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")


def user_path(written: str | Path) -> Path:
    """Returns the path that a user means.

    A leading ``~`` is the home folder. If the exact name does not exist, a name that differs only
    in the Unicode composition of accents is used.

    Raises:
        ValueError: it is a URL, or an impossible file name on this system.
    """
    text = str(written)
    if _URL.match(text):
        raise ValueError("it is a URL: download it and name the folder on this machine")
    _refuse_impossible(text)
    try:
        path = Path(text).expanduser()
    except RuntimeError:
        raise ValueError("it names the home folder of an unknown user") from None
    existing = _existing(path)
    if existing is None and "\\" in text and os.sep == "/":
        raise ValueError("it does not exist: on this system folders are separated by /, not \\")
    if existing is None and path.parts[1:2] in (("proc",), ("sys",)):
        raise ValueError("it does not exist, and nothing can be written there")
    try:
        if not path.exists():
            path.resolve()
    except RuntimeError:
        raise ValueError("a link in it leads to itself: remove the link") from None
    return existing or path


def _existing(path: Path) -> Path | None:
    """Returns a path that exists, each of its names in one of the Unicode forms."""
    if os.path.lexists(path) or str(path).isascii():
        return path if os.path.lexists(path) else None
    reached = Path(path.anchor)
    for part in path.relative_to(path.anchor).parts:
        forms = [reached / unicodedata.normalize(form, part) for form in ("NFC", "NFD")]
        reached = next(filter(os.path.lexists, [reached / part, *forms]), reached / part)
    return reached if os.path.lexists(reached) else None


def file_name(written: str) -> str:
    """Returns the name of a file or folder, as a file from elsewhere gives it.

    Raises:
        ValueError: it is a path to another folder, or an impossible file name.
    """
    if "/" in written or "\\" in written or written.startswith("."):
        raise ValueError(f"'{written}' is not in its folder")
    _refuse_impossible(written)
    return written


def read_whole(path: Path) -> bytes:
    """Returns the bytes of a file that may come from elsewhere; raises as `refuse_stream`."""
    refuse_stream(path)
    return path.read_bytes()


def refuse_stream(path: Path) -> None:
    """Raises `OSError` if a path is a pipe or device: reading it may never end."""
    if path.exists() and not (path.is_file() or path.is_dir()):
        what = "it is a pipe or a device; write its content to a file and name that"
        raise OSError(errno.EINVAL, what, str(path))


def refuse_link(path: Path, named_in: Path) -> None:
    """Raises `OSError` if a file is a link that leaves the folder of the file that names it.

    Links of a store of files, which lead from all files of a folder into one place, are followed.
    """
    # `Path.resolve` raises `RuntimeError` for a link to itself, which reading refuses by name.
    file, home = (Path(os.path.realpath(one)) for one in (path, named_in))
    if path.is_symlink() and file.parent != home.parent:
        what = "it is a link to another folder; put the file itself in its place"
        raise OSError(errno.EINVAL, what, str(path))


def _refuse_impossible(text: str) -> None:
    if not text.strip():
        raise ValueError("it is empty")
    if any(ord(letter) < 32 for letter in text):
        raise ValueError("it contains control characters, such as a line end: remove them")
    try:
        encoded = os.fsencode(text)
    except UnicodeEncodeError:
        raise ValueError("it contains half of a character: rename it") from None
    if len(encoded) > LONGEST or any(len(p) > LONGEST_PART for p in encoded.split(b"/")):
        raise ValueError(f"a name in it exceeds {LONGEST_PART} bytes: shorten it")


def _read(written: Any) -> Any:
    return user_path(written) if isinstance(written, str | Path) else written


FileName = Annotated[str, AfterValidator(file_name)]
"""Name of a file or folder in a file from elsewhere."""
UserPath = Annotated[Path, BeforeValidator(_read)]
"""A path in settings."""
