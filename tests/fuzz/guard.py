"""Runs one command in a guarded fork and classifies how it ended."""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, NoReturn

CPU_S, WALL_S = 30, 150
"""Limits of a case: processor time, and a wide one of wall time for cases that wait."""
MEMORY = 2 << 30
"""Bytes of address space that a case may add to what the libraries take."""
_WRITES = {
    **{f"os.{name}": 1 for name in ("mkdir", "remove", "rmdir", "truncate", "chmod", "utime")},
    **{f"os.{name}": 2 for name in ("rename", "link", "symlink")},
    "sqlite3.connect": 1,
}
"""Audit event → number of its first arguments that are paths to write to."""
ELSEWHERE = ("/dev/null", "/dev/shm/", "/proc/self/")
"""Places of the system that a case may write to."""
_SOUND_CODES = {0, 1, 2, 130}
Content = bytes | Callable[[Path], object] | None
"""Bytes of a file; what makes something else in its place, such as a folder; None: removed."""


@dataclass(frozen=True)
class Case:
    """A command line and the files that differ from those of the run."""

    argv: tuple[str, ...]
    files: Mapping[str, Content] = field(default_factory=dict)
    """Path in the case's folder → content."""
    named: tuple[str, ...] = ()
    """If the command refuses its input, its message contains one of these."""
    about: str = ""

    def __str__(self) -> str:
        files = ", ".join(f"{name}={_size(content)}" for name, content in self.files.items())
        return f"{self.about} | {' '.join(self.argv)!r:.300} | {files!r:.200}"


def _size(content: Content) -> str:
    if content is None:
        return "-"
    return str(len(content)) if isinstance(content, bytes) else content.__name__


@dataclass(frozen=True)
class Outcome:
    """How a case ended."""

    code: str
    """Exit code, a signal such as ``-11``, or ``None`` after an exception."""
    violation: str = ""
    """Empty for a sound outcome; otherwise its kind and, for grouping, its place."""
    detail: str = ""
    seconds: float = 0.0
    """Processor time."""


def run_case(case: Case, folder: Path) -> Outcome:
    """Runs a case in `folder`, which has its files, and in which it may write."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        _child(case, folder, write)
    os.close(write)
    deadline, report = time.monotonic() + WALL_S, b""
    while ready := select.select([read], [], [], max(0.0, deadline - time.monotonic()))[0]:
        block = os.read(read, 1 << 16)
        if not block:
            break
        report += block
    if not ready:
        os.kill(pid, signal.SIGKILL)
    os.close(read)
    _, status, usage = os.wait4(pid, 0)
    seconds = usage.ru_utime + usage.ru_stime
    if not ready or (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU):
        return Outcome("None", "SLOW", _tail(folder), seconds)
    if os.WIFSIGNALED(status):
        return Outcome(str(-os.WTERMSIG(status)), "DIED", _tail(folder), seconds)
    found = json.loads(report)
    return Outcome(found["code"], *_violation(case, found, folder), seconds)


def _violation(case: Case, found: dict[str, Any], folder: Path) -> tuple[str, str]:
    if found["raised"]:
        return f"TRACEBACK {found['raised']}", found["message"]
    if found["writes"]:
        return "WRITES", str(found["writes"][:3])
    output = (folder / "output").read_text(errors="replace")
    if "Traceback (most recent call last)" in output:
        return "TRACEBACK printed", output[-600:]
    if found["code"] not in map(str, _SOUND_CODES):
        return f"CODE {found['code']}", output[-300:]
    if found["code"] == "2" and case.named and not any(name in output for name in case.named):
        return "UNNAMED", output[-300:]
    return "", ""


def _tail(folder: Path) -> str:
    output = folder / "output"
    return output.read_text(errors="replace")[-300:] if output.exists() else ""


def _child(case: Case, folder: Path, report: int) -> NoReturn:
    writes: list[str] = []
    raised = message = ""
    code: Any = 0
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        _enter(folder)
        sys.addaudithook(_watch(str(folder), [*_named(case.argv)], writes))
        from lanser_bench.cli import main

        main(list(case.argv))
    except SystemExit as end:
        code = 0 if end.code is None else end.code
    except BaseException as error:  # noqa: BLE001 - it is what the case is to show
        code, raised = None, f"{type(error).__name__} {_place(error)}"
        message = str(error)[:300]
        traceback.print_exc()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):
        pass
    found = {"code": str(code), "raised": raised, "message": message, "writes": writes}
    os.write(report, json.dumps(found).encode())
    os._exit(0)


def _enter(folder: Path) -> None:
    """Moves the process into the folder, with its own home, output and limits."""
    for name in ("home", "tmp"):
        (folder / name).mkdir(exist_ok=True)
    tmp = str(folder / "tmp")
    os.environ.update(HOME=str(folder / "home"), TMPDIR=tmp, TORCHINDUCTOR_CACHE_DIR=tmp)
    tempfile.tempdir = None  # the parent may have chosen its own
    os.fsync = lambda fd: None  # no case cuts the power, and a disk would be waited for
    os.chdir(folder)
    output = os.open("output", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    for descriptor in (1, 2):
        os.dup2(output, descriptor)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", closefd=False, encoding="utf-8")  # noqa: SIM115
    sys.stderr = open(  # noqa: SIM115
        2, "w", closefd=False, encoding="utf-8", errors="backslashreplace"
    )
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu = int(used.ru_utime + used.ru_stime) + CPU_S
    resource.setrlimit(resource.RLIMIT_AS, (mapped + MEMORY,) * 2)
    resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu + 5))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _named(argv: Sequence[str]) -> Iterator[Path]:
    """Yields the places that a command line names for its output.

    They are values of options, and paths that do not exist yet. The root of a disk is none.
    """
    for before, word in pairwise(("", *argv)):
        with suppress(OSError, RuntimeError, ValueError):  # no path
            path = Path(os.path.abspath(Path(word).expanduser()))  # noqa: PTH100
            if path.name and (before.startswith("-") or not path.exists()):
                yield path


def _watch(folder: str, named: Sequence[Path], writes: list[str]) -> Any:
    """Returns an audit hook that notes writes outside the folder, and refuses connections.

    Allowed are the places in `named`, drafts beside them, and making the folders above them.
    """

    def outside(path: Any, event: str = "open") -> bool:
        if isinstance(path, int) or path is None:
            return False
        full = os.path.abspath(os.fsdecode(path))  # noqa: PTH100
        if full == folder or full.startswith((folder + "/", *ELSEWHERE)):
            return False
        if full.endswith(".pyc") or "/__pycache__" in full:
            return False
        return not any(allows(place, Path(full), event) for place in named)

    def allows(place: Path, path: Path, event: str) -> bool:
        if path.is_relative_to(place) or (event == "os.mkdir" and place.is_relative_to(path)):
            return True
        draft = path.name.startswith((f".{place.name}-", ".picture-"))
        return draft and path.parent == place.parent

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, mode, flags = arguments
            writing = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            if (writing or (mode and set(str(mode)) & set("wax+"))) and outside(path):
                writes.append(f"open {path}")
        elif event in _WRITES:
            writes.extend(f"{event} {p}" for p in arguments[: _WRITES[event]] if outside(p, event))
        elif event == "socket.connect":
            raise ConnectionRefusedError("no network in tests")

    return hook


def _place(error: BaseException) -> str:
    """Returns file, line and function of the deepest frame of this repository."""
    root = str(Path(__file__).parents[2])
    frames = [
        f"{frame.filename.removeprefix(root)[1:]}:{frame.lineno} {frame.name}"
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename.startswith((root + "/lanser_bench", root + "/plugins"))
    ]
    return frames[-1] if frames else "?"
