"""Built-in labelers."""

from collections.abc import Callable

from lanser_bench import hookimpl


@hookimpl
def register_labelers(register: Callable[[str, str], None]) -> None:
    """Registers the built-in labelers."""
    home = "lanser_bench_plugins.labelers"
    register("entailment", f"{home}.entailment:Entailment")
    register("similarity", f"{home}.similarity:Similarity")
    register("classifier", f"{home}.classifier:Classifier")
    register("audio-teacher", f"{home}.audio_teacher:AudioTeacher")
    register("table", f"{home}.table:Table")
    register("lexicon", f"{home}.lexicon:Lexicon")
    register("fill-mask", f"{home}.fill_mask:FillMask")
    register("llm", f"{home}.llm:LLM")
    register("ensemble", f"{home}.ensemble:Ensemble")
    register("oracle", f"{home}.oracle:Oracle")
    register("majority", f"{home}.controls:Majority")
    register("shuffled", f"{home}.controls:Shuffled")
    register("noisy", f"{home}.noisy:Noisy")
    register("random", f"{home}.random_label:Random")
