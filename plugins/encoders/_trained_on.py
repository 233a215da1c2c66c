"""On which datasets the published weights of speech models were trained, as their cards say."""

from __future__ import annotations

KNOWN: tuple[tuple[str, frozenset[str] | None], ...] = (
    # The first part of a name that fits decides: fine-tuned models stand before their families.
    ("superb-er", frozenset({"librispeech", "iemocap"})),
    ("msp-dim", frozenset({"librispeech", "msp-podcast"})),
    ("wav2vec2-base", frozenset({"librispeech"})),
    ("wav2vec2-large-960h", frozenset({"librispeech"})),
    ("wav2vec2-large-lv60", frozenset({"librispeech"})),
    ("hubert-base", frozenset({"librispeech"})),
    ("hubert-large-ls960", frozenset({"librispeech"})),
    ("wavlm-base", frozenset({"librispeech"})),
)
"""Baevski et al. 2020, Hsu et al. 2021, Chen et al. 2022; Yang et al. 2021 (SUPERB) and Wagner
et al. 2023 for those that were fine-tuned on emotion."""


def published(model: str) -> frozenset[str] | None:
    """Returns what a model's weights were trained on; None where nothing known says it."""
    name = model.lower()
    return next((found for part, found in KNOWN if part in name), None)
