"""Built-in segmenters."""

from collections.abc import Callable

from lanser_bench import hookimpl


@hookimpl
def register_segmenters(register: Callable[[str, str], None]) -> None:
    """Registers the built-in segmenters."""
