"""Built-in datasets."""

from collections.abc import Callable

from lanser_bench import hookimpl


@hookimpl
def register_datasets(register: Callable[[str, str], None]) -> None:
    """Registers the built-in datasets."""
