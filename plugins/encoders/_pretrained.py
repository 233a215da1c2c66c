"""Loads speech encoders of transformers: wav2vec 2.0, its relatives and Whisper's encoder."""

from __future__ import annotations

from typing import Any

from lanser_bench import SettingsError

from .._transformers import load_extractor, load_model, refuse_missing
from .._whisper_ct2 import transformers_encoder
from ..weights import resolve

FAMILIES = (
    *("wav2vec2", "hubert", "wavlm", "unispeech-sat", "data2vec-audio", "wav2vec2-bert"),
    "whisper",
)
"""Values of `model_type` in a model's configuration; ``wav2vec2-bert`` is w2v-BERT 2.0."""
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
2021 (SUPERB) and Wagner et al. 2023 for models that were fine-tuned on emotion. By model cards."""


def load(name: str, families: tuple[str, ...] = FAMILIES) -> tuple[Any, Any]:
    """Returns a model in float32 with an encoder of speech, and its feature extractor.

    Raises:
        SettingsError: the model is of an unknown family, expects another sample rate, or its
            weights lack a part of the encoder, which would be random.
        MissingDependencyError: it does not load.
    """

    def head(config: Any) -> str:
        if config.model_type not in families:
            raise SettingsError(
                f"The model '{name}' is a '{config.model_type}', but the encoder supports only "
                f"{', '.join(families)}. Choose another model."
            )
        return "AutoModel"

    path = resolve(name).path
    if path.name == "model.bin" or (path / "model.bin").is_file():
        from transformers import WhisperFeatureExtractor

        make: Any = WhisperFeatureExtractor  # CTranslate2 stores no feature extractor
        whisper = transformers_encoder(path)
        return whisper, make(feature_size=whisper.config.num_mel_bins)
    model, missing = load_model(name, head, "speech encoder")
    extractor = load_extractor(name)
    # Whisper's decoder is not used.
    used = [key for key in missing if not key.startswith("decoder.")]
    refuse_missing(name, "speech encoder", used, "Choose a complete model.")
    return model, extractor


def encoder_of(model: Any) -> Any:
    """Returns the encoder of a whole Whisper model; other models are encoders already."""
    return getattr(model, "encoder", model) if model.config.model_type == "whisper" else model


def redrawn(model: Any, seed: int) -> Any:
    """Returns a model of the same configuration with weights drawn from `seed`."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        drawn = type(model)(model.config)
    if hasattr(model, "embed_positions"):  # Whisper's positions are fixed sinusoids, not learned
        drawn.embed_positions.load_state_dict(model.embed_positions.state_dict())
    return drawn


def published(model: str) -> frozenset[str] | None:
    """Returns the datasets that a model's weights were trained on; None if they are unknown.

    Names must match exactly: a similar name may be a copy fine-tuned on further data.
    """
    publisher, _, name = model.rpartition("/")
    return KNOWN.get(publisher, {}).get(name)
