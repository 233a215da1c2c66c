"""Ends stages that take too long, such as those of a plugin that hangs."""

from __future__ import annotations

import faulthandler
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import WorkerError
from ..store import Store


@contextmanager
def ended_after(seconds: float | None, store: Store, key: str) -> Iterator[None]:
    """Ends the process after some time, also while code in C runs, and writes where it was."""
    if seconds is None:
        yield
        return
    path = store.root / "logs" / f"hang-{key}-{os.getpid()}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as file:
        faulthandler.dump_traceback_later(seconds, exit=True, file=file)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()
            path.unlink(missing_ok=True)


def hang_files(store: Store, key: str) -> list[Path]:
    """Returns where processes that did not end a stage in time have written what they did."""
    return sorted((store.root / "logs").glob(f"hang-{key}-*.txt"))


def explained(error: BaseException | None, store: Store, key: str) -> BaseException | None:
    """Returns the error of a stage; of a dead worker, that the time limit was the reason."""
    if not isinstance(error, WorkerError):
        return error
    full = [path for path in hang_files(store, key) if path.stat().st_size]
    if not full:
        return error
    return WorkerError(
        f"It did not end within the time limit (stage_timeout_s); {full[-1]} shows where it was. "
        "Correct it, or raise the limit. Finished stages are kept; run the same command again."
    )
