"""Loads speech encoders of transformers: wav2vec 2.0, HuBERT, WavLM and Whisper's encoder."""

from __future__ import annotations

from typing import Any

from lanser_bench import SAMPLE_RATE, MissingDependencyError, SettingsError

from ..weights import resolve

FAMILIES = ("wav2vec2", "hubert", "wavlm", "whisper")


def load(name: str, seed: int | None) -> tuple[Any, Any]:
    """Returns an encoder in float32 and its feature extractor.

    Args:
        name: a folder, a hub id or ``package:NAME``.
        seed: draws fresh weights where it is not None.

    Raises:
        SettingsError: the model is of no family that is known here, or hears another sample rate,
            or its weights lack a part of the encoder, which would be random.
        MissingDependencyError: it does not load.
    """
    import torch
    import transformers

    hub: Any = transformers
    path = resolve(name).path
    if path.name == "model.bin" or (path / "model.bin").is_file():
        return _from_ct2(path, seed)
    shown = hub.utils.logging.is_progress_bar_enabled()
    hub.utils.logging.disable_progress_bar()
    try:
        config = hub.AutoConfig.from_pretrained(path, local_files_only=True)
        if config.model_type not in FAMILIES:
            raise SettingsError(
                f"The model '{name}' is a '{config.model_type}', and the encoder 'transformers' "
                f"knows {', '.join(FAMILIES)}. Choose one of these families."
            )
        extractor = hub.AutoFeatureExtractor.from_pretrained(path, local_files_only=True)
        model, report = hub.AutoModel.from_pretrained(
            path,
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
            dtype=torch.float32,
            output_loading_info=True,
        )
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise MissingDependencyError(
            f"The model '{name}' does not load as a speech encoder of transformers with its "
            f"feature extractor, from safetensors: {error}."
        ) from None
    finally:
        if shown:
            hub.utils.logging.enable_progress_bar()
    _whole(name, report["missing_keys"])
    if extractor.sampling_rate != SAMPLE_RATE:
        raise SettingsError(
            f"The model '{name}' hears {extractor.sampling_rate} Hz, and speech comes at "
            f"{SAMPLE_RATE} Hz. Choose another model."
        )
    if seed is not None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = type(model)(config)
    return (model.get_encoder() if config.model_type == "whisper" else model), extractor


def _whole(name: str, missing: Any) -> None:
    # The mask is used in pre-training only, and Whisper's decoder not at all.
    lacking = [
        key
        for key in sorted(missing)
        if "masked_spec_embed" not in key and not key.startswith("decoder.")
    ]
    if lacking:
        raise SettingsError(
            f"The weights of '{name}' lack {', '.join(lacking[:3])}, which would be random. "
            "Choose a complete model."
        )


def _from_ct2(path: Any, seed: int | None) -> tuple[Any, Any]:
    """A CTranslate2 Whisper carries no feature extractor: Whisper's own is made for its size."""
    import torch
    from transformers import WhisperFeatureExtractor

    from .._whisper_ct2 import transformers_encoder

    encoder: Any = transformers_encoder(path)
    if seed is not None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            drawn: Any = type(encoder)(encoder.config)
        # Whisper's positions are fixed sinusoids, not learnt.
        drawn.embed_positions.load_state_dict(encoder.embed_positions.state_dict())
        encoder = drawn
    make: Any = WhisperFeatureExtractor
    return encoder, make(feature_size=encoder.config.num_mel_bins)
