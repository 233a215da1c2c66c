"""Built-in encoders."""

from collections.abc import Callable

from lanser_bench import hookimpl


@hookimpl
def register_encoders(register: Callable[[str, str], None]) -> None:
    """Registers the built-in encoders."""
