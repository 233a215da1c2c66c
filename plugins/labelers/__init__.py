"""Built-in labelers."""

from collections.abc import Callable

from lanser_bench import hookimpl

_HERE = "lanser_bench_plugins.labelers"


@hookimpl
def register_labelers(register: Callable[[str, str], None]) -> None:
    """Registers the built-in labelers."""
    register("entailment", f"{_HERE}.entailment:Entailment")
    register("similarity", f"{_HERE}.similarity:Similarity")
    register("lexicon", f"{_HERE}.lexicon:Lexicon")
    register("fill-mask", f"{_HERE}.fill_mask:FillMask")
    register("llm", f"{_HERE}.llm:LLM")
    register("ensemble", f"{_HERE}.ensemble:Ensemble")
    register("oracle", f"{_HERE}.oracle:Oracle")
    register("majority", f"{_HERE}.majority:Majority")
    register("shuffled", f"{_HERE}.shuffled:Shuffled")
    register("noisy", f"{_HERE}.noisy:Noisy")
    register("random", f"{_HERE}.random_label:Random")
