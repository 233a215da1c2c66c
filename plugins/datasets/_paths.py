"""Paths of recordings as tables write them."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path, PureWindowsPath
from typing import Any
from urllib.parse import unquote, urlsplit

from lanser_bench import DataError

from ._columns import composed

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]+://")
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")
_SEPARATORS = re.compile(r"[\\/]")


class Recordings:
    """Finds recordings by paths relative to a folder, and derives ids for a table without ids."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._listed: dict[Path, dict[str, list[str]]] = {}
        self._outside: dict[str, Path] = {}

    def find(self, cell: Any, origin: str) -> Path:
        """Returns `located` of a cell; raises `DataError` if it is not a path, such as a URL."""
        return self.located(_checked_name(cell, origin))

    def located(self, name: str) -> Path:
        """Returns a path below the folder, existing or not.

        It is looked up as written, then with Windows' separators or ``~`` replaced, then with other
        Unicode forms of its parts, then in other upper and lower case, if that is one file.
        """
        path = self.folder / name
        if exists(path):
            return path
        if name.startswith("~"):
            name = os.path.expanduser(name)  # noqa: PTH111 - keeps an unknown user
        path = self.folder / name.replace("\\", "/")
        return self._respelt(path) or path

    def id_of(self, path: Path, cell: Any, origin: str) -> str:
        """Returns the path below the folder without suffix; never a folder of this machine."""
        written = _checked_name(cell, origin)
        if _DRIVE.match(written):  # of another machine
            path = Path("/", PureWindowsPath(written).name)
        if path.is_relative_to(self.folder):
            name = path.relative_to(self.folder).with_suffix("").as_posix()
        else:
            name = path.stem
            if self._outside.setdefault(name, path) != path:
                raise DataError(
                    f"{origin}: the recordings {self._outside[name]} and {path} have the same name "
                    "and are outside the table's folder. Add a column `id`, or set the option "
                    "`audio_root`."
                )
        return composed(name)

    def _respelt(self, path: Path) -> Path | None:
        """Follows a path part by part, by names that differ only in Unicode form or case."""
        reached = Path(path.anchor)
        for part in path.parts[len(reached.parts) :]:
            name = part if exists(reached / part) else self._name(reached, composed(part))
            if name is None:
                return None
            reached /= name
        return reached

    def _name(self, folder: Path, part: str) -> str | None:
        if folder not in self._listed:
            self._listed[folder] = defaultdict(list)
            with suppress(OSError):
                for path in folder.iterdir():
                    self._listed[folder][composed(path.name).casefold()].append(path.name)
        alike = self._listed[folder].get(part.casefold(), [])
        same = [name for name in alike if composed(name) == part]
        return next(iter(same or alike), None) if same or len(alike) == 1 else None


def exists(path: Path) -> bool:
    """Whether a file or folder exists; False if the system refuses the name."""
    return os.path.exists(path)  # noqa: PTH110


def _checked_name(cell: Any, origin: str) -> str:
    """Returns the cell as a path; an address of a local file becomes its path."""
    if isinstance(cell, Mapping):
        cell = cell.get("path") if not (cell.get("bytes") or "array" in cell) else b""
    name = "" if cell is None or isinstance(cell, bytes | list) else str(cell).strip()
    if isinstance(cell, bytes | list) or name.startswith(("{'bytes'", '{"bytes"')):
        raise DataError(
            f"{origin}: the audio column contains sound, not the path of a file. Read the set with "
            "the dataset `huggingface` and its option `path`."
        )
    if name.startswith("file://"):
        return unquote(urlsplit(name).path)
    if _ADDRESS.match(name):
        raise DataError(
            f"{origin}: '{_short(name)}' is an address on the network. Download the recordings and "
            "write the paths of their files."
        )
    parts = _SEPARATORS.split(name)
    too_long = len(name.encode()) > 3000 or any(len(part.encode()) > 255 for part in parts)
    if too_long or set(name) & {"\n", "\r", "\0"} or not Path(name.replace("\\", "/")).name:
        raise DataError(
            f"{origin}: '{_short(name)}' is not the path of a recording. Check the column `audio`, "
            "or name the right one with the option `columns`."
        )
    return name


def _short(name: str) -> str:
    return repr(name)[1:-1] if len(name) <= 60 else f"{name[:60]!r}"[1:-1] + "…"
