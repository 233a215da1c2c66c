"""Built-in segmenters."""

from collections.abc import Callable

from lanser_bench import hookimpl


@hookimpl
def register_segmenters(register: Callable[[str, str], None]) -> None:
    """Registers the built-in segmenters."""
    register("none", "lanser_bench_plugins.segmenters.none:NoSegmenter")
    register("vad", "lanser_bench_plugins.segmenters.vad:VAD")
    register("windows", "lanser_bench_plugins.segmenters.windows:Windows")
