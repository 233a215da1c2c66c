"""Built-in probes."""

from collections.abc import Callable

from lanser_bench import hookimpl


@hookimpl
def register_probes(register: Callable[[str, str], None]) -> None:
    """Registers the built-in probes."""
