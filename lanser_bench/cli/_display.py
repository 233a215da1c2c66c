"""Shows a run on the command line, and stops it on Ctrl-C."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from ..experiment.running.display import Display
from ._interrupt import stoppable


@contextmanager
def displayed_run() -> Iterator[Display]:
    """Shows a run; Ctrl-C prints how to continue it and exits with 130."""
    with Display() as display, stoppable():
        try:
            yield display
        except KeyboardInterrupt:
            display.note("Stopped. Finished stages are kept; run the same command to continue.")
            raise typer.Exit(130) from None
