"""Built-in speech recognisers."""

from collections.abc import Callable

from lanser_bench import hookimpl


@hookimpl
def register_asr(register: Callable[..., None]) -> None:
    """Registers the built-in speech recognisers."""
    register("faster-whisper", "lanser_bench_plugins.asr.faster_whisper:FasterWhisper", 0.5)
    register("openai-whisper", "lanser_bench_plugins.asr.openai_whisper:OpenAIWhisper", 0.4)
    register("reference", "lanser_bench_plugins.asr.reference:Reference", 0.05)
    register("table", "lanser_bench_plugins.asr.table:Table", 0.05)
    register("transformers", "lanser_bench_plugins.asr.transformers:TransformersASR")
