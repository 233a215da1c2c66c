"""Built-in probes."""

from collections.abc import Callable

from lanser_bench import hookimpl


@hookimpl
def register_probes(register: Callable[[str, str], None]) -> None:
    """Registers the built-in probes."""
    register("planted", "lanser_bench_plugins.probes.planted:Planted")
    register("prosody", "lanser_bench_plugins.probes.prosody:Prosody")
