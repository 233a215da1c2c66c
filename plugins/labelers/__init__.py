"""Built-in labelers."""

from collections.abc import Callable

from lanser_bench import hookimpl


@hookimpl
def register_labelers(register: Callable[[str, str], None]) -> None:
    """Registers the built-in labelers."""
