"""The console to which tables and bars are printed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import rich.console
from rich.segment import Segment

from .printing import visible


class Console(rich.console.Console):
    """A console of rich that makes the control characters of its texts visible."""

    def render(self, *args: Any, **options: Any) -> Iterator[Segment]:
        """Yields the segments of a renderable."""
        for segment in super().render(*args, **options):
            safe = segment.control or segment.text.isprintable()
            yield segment if safe else Segment(visible(segment.text), segment.style)

    def on_broken_pipe(self) -> None:
        """Leaves it to the caller that the reader of a pipe has stopped; rich would exit with 1."""
        raise BrokenPipeError
