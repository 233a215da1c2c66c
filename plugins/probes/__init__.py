"""Built-in probes."""

from collections.abc import Callable

from lanser_bench import hookimpl


@hookimpl
def register_probes(register: Callable[..., None]) -> None:
    """Registers the built-in probes."""
    home = "lanser_bench_plugins.probes"
    register("egemaps", f"{home}.egemaps:EGeMAPSTargets", 0.1)
    register("emotion-fixed-text", f"{home}.classes:EmotionFixedText", 0.05)
    register("planted", f"{home}.planted:Planted", 0.05)
    register("prosody", f"{home}.prosody:Prosody", 0.05)
    register("speaker", f"{home}.classes:Speaker", 0.05)
    register("text", f"{home}.text:Text", 0.2)
    register("voice-quality", f"{home}.voice_quality:VoiceQuality")
