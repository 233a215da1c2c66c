"""Built-in labelers."""

from collections.abc import Callable

from lanser_bench import hookimpl


@hookimpl
def register_labelers(register: Callable[..., None]) -> None:
    """Registers the built-in labelers."""
    home = "lanser_bench_plugins.labelers"
    register("entailment", f"{home}.entailment:Entailment", 0.4)
    register("similarity", f"{home}.similarity:Similarity", 0.2)
    register("classifier", f"{home}.classifier:Classifier")
    register("audio-teacher", f"{home}.audio_teacher:AudioTeacher")
    register("table", f"{home}.table:Table", 0.05)
    register("lexicon", f"{home}.lexicon:Lexicon", 0.05)
    register("fill-mask", f"{home}.fill_mask:FillMask")
    register("llm", f"{home}.llm:LLM")
    register("ensemble", f"{home}.ensemble:Ensemble", 0.05)
    register("oracle", f"{home}.oracle:Oracle", 0.05)
    register("majority", f"{home}.controls:Majority", 0.05)
    register("shuffled", f"{home}.controls:Shuffled", 0.05)
    register("noisy", f"{home}.noisy:Noisy", 0.05)
    register("random", f"{home}.random_label:Random", 0.05)
