"""How a worker runs a call, for all executors."""

from __future__ import annotations

import os
import socket
import sys
from contextlib import suppress
from pathlib import Path

from lanser_bench import LanserError, StageCall, StageReport, keep_freed_memory

_log_is_open = False


class CancelledCallError(LanserError):
    """A call was cancelled before it finished."""

    def __init__(self) -> None:
        super().__init__("The call was cancelled.")


def log_folder(call: StageCall) -> Path:
    """The folder of the workers' logs."""
    return call.store / "logs"


def carry_out(call: StageCall) -> StageReport:
    """Runs a call in the worker; output of libraries goes to a log, not into the progress bars."""
    _open_log(log_folder(call))
    try:
        return call.run()
    # The driver takes an exception that it cannot rebuild for the death of the worker.
    except Exception as error:
        if type(error).__module__.partition(".")[0] in ("builtins", "lanser_bench"):
            raise
        if isinstance(error, LanserError):
            raise LanserError(str(error)) from error
        plain = RuntimeError(f"{type(error).__qualname__}: {error}")
        plain.__notes__ = getattr(error, "__notes__", [])
        raise plain from error


def carry_out_elsewhere(call: StageCall, folder: str) -> StageReport:
    """Runs a call on a machine of a cluster, in the driver's `folder`."""
    with suppress(OSError):  # the folder may exist only on the driver's machine
        os.chdir(folder)
    if not call.gpus:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    keep_freed_memory()
    return carry_out(call)


def _open_log(folder: Path) -> None:
    global _log_is_open
    if _log_is_open:
        return
    folder.mkdir(parents=True, exist_ok=True)
    # Machines may share the store, and their process ids may be equal.
    with (folder / f"worker-{socket.gethostname()}-{os.getpid()}.log").open("ab") as log:
        for stream, descriptor in ((sys.stdout, 1), (sys.stderr, 2)):
            stream.flush()
            os.dup2(log.fileno(), descriptor)
    _log_is_open = True
