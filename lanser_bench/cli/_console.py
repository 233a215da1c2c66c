"""The console that tables are printed to."""

from __future__ import annotations

from rich.console import Console

WIDE = 150
"""Columns when the output is not a terminal: nobody there resizes a window."""


def wide_console() -> Console:
    """Returns a console on stdout that does not squeeze tables when it is no terminal."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=WIDE)
