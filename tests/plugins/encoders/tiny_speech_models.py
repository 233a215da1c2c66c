"""Small random speech encoders of every family, saved as transformers saves them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

FAMILIES = ("wav2vec2", "wav2vec2-stable", "hubert", "wavlm", "whisper")
BLOCKS, WIDTH = 3, 16
_SMALL: dict[str, Any] = {
    "hidden_size": WIDTH,
    "num_hidden_layers": BLOCKS,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "conv_dim": (16, 16),
    "conv_stride": (20, 16),
    "conv_kernel": (20, 16),
    "num_conv_pos_embeddings": 4,
    "num_conv_pos_embedding_groups": 2,
    "initializer_range": 0.3,
    "layerdrop": 0.5,
}


def speech_model(folder: Path, family: str, *, rate: int = 16_000) -> Path:
    """Saves a random encoder; ``-stable`` is the large models' layout of norms."""
    from transformers import (
        HubertConfig,
        HubertModel,
        Wav2Vec2Config,
        Wav2Vec2FeatureExtractor,
        Wav2Vec2Model,
        WavLMConfig,
        WavLMModel,
        WhisperConfig,
        WhisperFeatureExtractor,
        WhisperModel,
    )

    torch.manual_seed(99)
    stable = {"do_stable_layer_norm": True, "feat_extract_norm": "layer", "conv_bias": True}
    if family == "whisper":
        config = WhisperConfig(
            vocab_size=60,
            num_mel_bins=8,
            encoder_layers=BLOCKS,
            decoder_layers=1,
            d_model=WIDTH,
            encoder_attention_heads=2,
            decoder_attention_heads=2,
            encoder_ffn_dim=32,
            decoder_ffn_dim=32,
            max_source_positions=100,
            init_std=0.3,
            pad_token_id=0,
            bos_token_id=0,
            eos_token_id=0,
            decoder_start_token_id=1,
        )
        WhisperModel(config).save_pretrained(folder)
        WhisperFeatureExtractor(feature_size=8, sampling_rate=rate).save_pretrained(folder)
        return folder
    makers: dict[str, Any] = {
        "wav2vec2": lambda: Wav2Vec2Model(Wav2Vec2Config(**_SMALL)),
        "wav2vec2-stable": lambda: Wav2Vec2Model(Wav2Vec2Config(**_SMALL, **stable)),
        "hubert": lambda: HubertModel(HubertConfig(**_SMALL)),
        "wavlm": lambda: WavLMModel(WavLMConfig(**_SMALL)),
    }
    makers[family]().save_pretrained(folder)
    Wav2Vec2FeatureExtractor(sampling_rate=rate).save_pretrained(folder)
    return folder
