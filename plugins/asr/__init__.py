"""Built-in speech recognisers."""

from collections.abc import Callable

from lanser_bench import hookimpl


@hookimpl
def register_asr(register: Callable[[str, str], None]) -> None:
    """Registers the built-in speech recognisers."""
    register("faster-whisper", "lanser_bench_plugins.asr.faster_whisper:FasterWhisper")
    register("openai-whisper", "lanser_bench_plugins.asr.openai_whisper:OpenAIWhisper")
    register("reference", "lanser_bench_plugins.asr.reference:Reference")
    register("table", "lanser_bench_plugins.asr.table:Table")
    register("transformers", "lanser_bench_plugins.asr.transformers:TransformersASR")
