"""Built-in encoders."""

from collections.abc import Callable

from lanser_bench import hookimpl


@hookimpl
def register_encoders(register: Callable[..., None]) -> None:
    """Registers the built-in encoders."""
    home = "lanser_bench_plugins.encoders"
    register("adapter", f"{home}.adapter:AdapterEncoder")
    register("cnn", f"{home}.cnn:CNN", 0.1)
    register("logmel-stats", f"{home}.logmel_stats:LogMelStats", 0.05)
    register("logmel-prosody", f"{home}.logmel_prosody:LogMelProsody", 0.05)
    register("egemaps", f"{home}.egemaps:EGeMAPS", 0.1)
    register("random", f"{home}.random:RandomEncoder")
    register("resnet", f"{home}.resnet:ResNet", 0.2)
    register("table", f"{home}.table:Table", 0.05)
    register("text", f"{home}.text:TextEncoder", 0.2)
    register("transformers", f"{home}.transformers:TransformersEncoder", 0.2)
    register("transformers-trainable", f"{home}.transformers:TransformersTrainable", 0.7)
    register("whisper-encoder", f"{home}.whisper_encoder:WhisperEncoder", 0.2)
