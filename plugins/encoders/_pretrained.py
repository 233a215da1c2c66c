"""Loads speech encoders of transformers: wav2vec 2.0, HuBERT, WavLM and Whisper's encoder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lanser_bench import SettingsError

from .._transformers import load_extractor, load_model, refuse_missing
from .._whisper_ct2 import transformers_encoder
from ..weights import resolve

FAMILIES = ("wav2vec2", "hubert", "wavlm", "whisper")


def load(name: str, seed: int | None) -> tuple[Any, Any]:
    """Returns an encoder in float32 and its feature extractor.

    Args:
        name: a folder, a hub id or ``package:NAME``.
        seed: redraws the weights, unless it is None.

    Raises:
        SettingsError: the model is of an unknown family, expects another sample rate, or its
            weights lack a part of the encoder, which would be random.
        MissingDependencyError: it does not load.
    """

    def head(config: Any) -> str:
        if config.model_type not in FAMILIES:
            raise SettingsError(
                f"The model '{name}' is a '{config.model_type}', but the encoder 'transformers' "
                f"supports {', '.join(FAMILIES)}. Choose one of these families."
            )
        return "AutoModel"

    path = resolve(name).path
    if is_ct2(path):
        return _from_ct2(path, seed)
    model, missing = load_model(name, head, "speech encoder")
    extractor = load_extractor(name)
    # Whisper's decoder is not used.
    used = [key for key in missing if not key.startswith("decoder.")]
    refuse_missing(name, "speech encoder", used, "Choose a complete model.")
    model = model if seed is None else redrawn(model, seed)
    return (model.get_encoder() if model.config.model_type == "whisper" else model), extractor


def is_ct2(path: Path) -> bool:
    """Whether a model is in CTranslate2's format."""
    return path.name == "model.bin" or (path / "model.bin").is_file()


def redrawn(model: Any, seed: int) -> Any:
    """Returns a model of the same configuration with weights drawn from `seed`."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        drawn = type(model)(model.config)
    if hasattr(model, "embed_positions"):  # Whisper's positions are fixed sinusoids, not learned
        drawn.embed_positions.load_state_dict(model.embed_positions.state_dict())
    return drawn


def whisper_extractor(encoder: Any) -> Any:
    """Returns Whisper's own feature extractor for an encoder, which CTranslate2 does not store."""
    from transformers import WhisperFeatureExtractor

    make: Any = WhisperFeatureExtractor
    return make(feature_size=encoder.config.num_mel_bins)


def _from_ct2(path: Path, seed: int | None) -> tuple[Any, Any]:
    encoder: Any = transformers_encoder(path)
    encoder = encoder if seed is None else redrawn(encoder, seed)
    return encoder, whisper_extractor(encoder)
