"""Shows a run on the command line, and stops it on Ctrl-C."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from ..experiment.running.display import Display
from ._interrupt import stoppable


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
