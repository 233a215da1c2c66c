"""What a worker does with a call, whoever started it."""

from __future__ import annotations

import ctypes
import os
import socket
import sys
from pathlib import Path

from lanser_bench import LanserError, StageCall, StageReport

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""Parameters of `mallopt`, from glibc's malloc.h."""
_log_is_open = False


class CancelledCallError(LanserError):
    """A call was taken back before it was finished."""

    def __init__(self) -> None:
        """Says so."""
        super().__init__("The call was cancelled.")


def log_folder(call: StageCall) -> Path:
    """Where workers leave their last words."""
    return call.store / "logs"


def carry_out(call: StageCall) -> StageReport:
    """Runs in the worker: its library chatter goes into a log, not across the progress bars."""
    _open_log(log_folder(call))
    try:
        return call.run()
    # An exception that the driver cannot build again would look to it like the worker's death.
    except Exception as error:
        if type(error).__module__.partition(".")[0] in ("builtins", "lanser_bench"):
            raise
        if isinstance(error, LanserError):
            raise LanserError(str(error)) from error
        raise RuntimeError(f"{type(error).__qualname__}: {error}") from error


def _open_log(folder: Path) -> None:
    global _log_is_open
    if _log_is_open:
        return
    folder.mkdir(parents=True, exist_ok=True)
    # The store may be shared by machines, whose processes have equal numbers.
    with (folder / f"worker-{socket.gethostname()}-{os.getpid()}.log").open("ab") as log:
        for stream, descriptor in ((sys.stdout, 1), (sys.stderr, 2)):
            stream.flush()
            os.dup2(log.fileno(), descriptor)
    _log_is_open = True


def keep_freed_memory() -> None:
    """Tells glibc to reuse large freed blocks instead of giving each back to the system.

    A training step frees and asks for the same tensors over and over; the page faults took a
    quarter of its time where measured (`tests/benchmarks/allocator.py`). Without glibc it does
    nothing.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, 2**30)
        mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
