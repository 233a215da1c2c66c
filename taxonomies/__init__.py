"""The taxonomies shipped with lanser-bench, one YAML file each."""

from collections.abc import Callable
from pathlib import Path

from lanser_bench import hookimpl


@hookimpl
def register_taxonomies(register: Callable[[str, Path], None]) -> None:
    """Registers every YAML file of this folder by its file name."""
    for path in sorted(Path(__file__).parent.glob("*.yaml")):
        register(path.stem, path)
