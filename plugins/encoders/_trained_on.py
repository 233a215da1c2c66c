"""On which datasets the published weights of speech models were trained, as their cards say."""

from __future__ import annotations

LIBRISPEECH = frozenset({"librispeech"})
KNOWN: dict[str, dict[str, frozenset[str]]] = {
    "facebook": dict.fromkeys(
        (
            "wav2vec2-base",
            "wav2vec2-base-100h",
            "wav2vec2-base-960h",
            "wav2vec2-large",
            "wav2vec2-large-960h",
            "wav2vec2-large-lv60",
            "wav2vec2-large-960h-lv60",
            "wav2vec2-large-960h-lv60-self",
            "hubert-base-ls960",
            "hubert-large-ls960-ft",
        ),
        LIBRISPEECH,
    ),
    "microsoft": {"wavlm-base": LIBRISPEECH},
    "superb": dict.fromkeys(
        (
            "wav2vec2-base-superb-er",
            "wav2vec2-large-superb-er",
            "hubert-base-superb-er",
            "hubert-large-superb-er",
        ),
        LIBRISPEECH | {"iemocap"},
    ),
    "audeering": {
        "wav2vec2-large-robust-12-ft-emotion-msp-dim": LIBRISPEECH | {"msp-podcast"},
    },
}
"""Publisher → model → datasets: Baevski et al. 2020, Hsu et al. 2021, Chen et al. 2022; Yang et al.
2021 (SUPERB) and Wagner et al. 2023 for those that were fine-tuned on emotion."""


def published(model: str) -> frozenset[str] | None:
    """Returns what a model's weights were trained on; None where nothing known says it.

    A name that only resembles one of these may be that of a fine-tuned copy, which knows more.

    Args:
        model: hub id, or the name of a package or folder.
    """
    publisher, _, name = model.rpartition("/")
    return KNOWN.get(publisher, {}).get(name)
