"""Shows a run on the command line, and stops it on Ctrl-C."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import typer

from ..experiment.running.display import Display

STOPPING = (signal.SIGINT, signal.SIGTERM)
"""Signals that ask a command to end; clusters send the second before they kill."""


@contextmanager
def displayed_run() -> Iterator[Display]:
    """Shows a run; Ctrl-C or SIGTERM prints how to continue it, and exits with 130 or 143."""
    with Display() as display, stoppable():
        try:
            yield display
        except KeyboardInterrupt as error:
            display.note("Stopped. Finished stages are kept; run the same command to continue.")
            number = error.args[0] if error.args else signal.SIGINT
            raise typer.Exit(128 + number) from None


@contextmanager
def stoppable() -> Iterator[None]:
    """Makes the first Ctrl-C or SIGTERM raise `KeyboardInterrupt`, the second end this process.

    The argument of the exception is the number of the signal.

    The second loses no results: finished stages are on disk already, and workers end when the
    process that started them does.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        for one in STOPPING:
            signal.signal(one, lambda second, _: os._exit(128 + second))
        raise KeyboardInterrupt(number)

    before = {one: signal.signal(one, stop) for one in STOPPING}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
