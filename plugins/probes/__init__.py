"""Built-in probes."""

from collections.abc import Callable

from lanser_bench import hookimpl


@hookimpl
def register_probes(register: Callable[[str, str], None]) -> None:
    """Registers the built-in probes."""
    home = "lanser_bench_plugins.probes"
    register("egemaps", f"{home}.egemaps:EGeMAPSTargets")
    register("emotion-fixed-text", f"{home}.classes:EmotionFixedText")
    register("planted", f"{home}.planted:Planted")
    register("prosody", f"{home}.prosody:Prosody")
    register("speaker", f"{home}.classes:Speaker")
    register("text", f"{home}.text:Text")
    register("voice-quality", f"{home}.voice_quality:VoiceQuality")
