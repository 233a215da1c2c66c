"""Built-in asr."""

from collections.abc import Callable

from lanser_bench import hookimpl


@hookimpl
def register_asr(register: Callable[[str, str], None]) -> None:
    """Registers the built-in asr."""
