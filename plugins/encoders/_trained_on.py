"""Datasets that the published weights of speech models were trained on, by their model cards."""

from __future__ import annotations

LIBRISPEECH = frozenset({"librispeech"})
KNOWN: dict[str, dict[str, frozenset[str]]] = {
    "facebook": {
        **{f"wav2vec2-base{kind}": LIBRISPEECH for kind in ("", "-100h", "-960h")},
        **{
            f"wav2vec2-large{kind}": LIBRISPEECH
            for kind in ("", "-960h", "-lv60", "-960h-lv60", "-960h-lv60-self")
        },
        "hubert-base-ls960": LIBRISPEECH,
        "hubert-large-ls960-ft": LIBRISPEECH,
    },
    "microsoft": {"wavlm-base": LIBRISPEECH},
    "superb": {
        f"{model}-superb-er": LIBRISPEECH | {"iemocap"}
        for model in ("wav2vec2-base", "wav2vec2-large", "hubert-base", "hubert-large")
    },
    "audeering": {"wav2vec2-large-robust-12-ft-emotion-msp-dim": LIBRISPEECH | {"msp-podcast"}},
}
"""Publisher → model → datasets: Baevski et al. 2020, Hsu et al. 2021, Chen et al. 2022; Yang et al.
2021 (SUPERB) and Wagner et al. 2023 for models that were fine-tuned on emotion."""


def published(model: str) -> frozenset[str] | None:
    """Returns the datasets that a model's weights were trained on; None if they are unknown.

    Names must match exactly: a similar name may be a copy fine-tuned on further data.
    """
    publisher, _, name = model.rpartition("/")
    return KNOWN.get(publisher, {}).get(name)
