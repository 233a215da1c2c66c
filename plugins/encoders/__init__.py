"""Built-in encoders."""

from collections.abc import Callable

from lanser_bench import hookimpl


@hookimpl
def register_encoders(register: Callable[[str, str], None]) -> None:
    """Registers the built-in encoders."""
    home = "lanser_bench_plugins.encoders"
    register("adapter", f"{home}.adapter:AdapterEncoder")
    register("cnn", f"{home}.cnn:CNN")
    register("logmel-stats", f"{home}.logmel_stats:LogMelStats")
    register("logmel-prosody", f"{home}.logmel_prosody:LogMelProsody")
    register("egemaps", f"{home}.egemaps:EGeMAPS")
    register("random", f"{home}.random:RandomEncoder")
    register("resnet", f"{home}.resnet:ResNet")
    register("table", f"{home}.table:Table")
    register("text", f"{home}.text:TextEncoder")
    register("transformers", f"{home}.transformers:TransformersEncoder")
    register("transformers-trainable", f"{home}.transformers:TransformersTrainable")
    register("whisper-encoder", f"{home}.whisper_encoder:WhisperEncoder")
