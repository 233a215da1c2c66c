"""Built-in executors."""

from collections.abc import Callable

from lanser_bench import hookimpl


@hookimpl
def register_executors(register: Callable[[str, str], None]) -> None:
    """Registers the built-in executors."""
    register("local", "lanser_bench_plugins.executors.local:Local")
    register("ray", "lanser_bench_plugins.executors.ray:Ray")
    register("slurm", "lanser_bench_plugins.executors.slurm:Slurm")
