"""Built-in segmenters."""

from collections.abc import Callable

from lanser_bench import hookimpl


@hookimpl
def register_segmenters(register: Callable[..., None]) -> None:
    """Registers the built-in segmenters."""
    register("none", "lanser_bench_plugins.segmenters.none:NoSegmenter", 0.05)
    register("vad", "lanser_bench_plugins.segmenters.vad:VAD", 0.05)
    register("windows", "lanser_bench_plugins.segmenters.windows:Windows", 0.05)
