"""Small random speech encoders of every family, saved as transformers saves them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

FAMILIES = (
    *("wav2vec2", "wav2vec2-stable", "hubert", "wavlm", "unispeech-sat", "unispeech-sat-stable"),
    *("data2vec-audio", "wav2vec2-bert", "whisper"),
)
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
        Data2VecAudioConfig,
        Data2VecAudioModel,
        HubertConfig,
        HubertModel,
        SeamlessM4TFeatureExtractor,
        UniSpeechSatConfig,
        UniSpeechSatModel,
        Wav2Vec2BertConfig,
        Wav2Vec2BertModel,
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
    if family == "wav2vec2-bert":
        bert = Wav2Vec2BertConfig(**_SMALL, feature_projection_input_dim=16)
        Wav2Vec2BertModel(bert).save_pretrained(folder)
        SeamlessM4TFeatureExtractor(
            feature_size=8, num_mel_bins=8, sampling_rate=rate, padding_value=1
        ).save_pretrained(folder)
        return folder
    makers: dict[str, Any] = {
        "wav2vec2": lambda: Wav2Vec2Model(Wav2Vec2Config(**_SMALL)),
        "wav2vec2-stable": lambda: Wav2Vec2Model(Wav2Vec2Config(**_SMALL, **stable)),
        "hubert": lambda: HubertModel(HubertConfig(**_SMALL)),
        "wavlm": lambda: WavLMModel(WavLMConfig(**_SMALL)),
        "unispeech-sat": lambda: UniSpeechSatModel(UniSpeechSatConfig(**_SMALL)),
        "unispeech-sat-stable": lambda: UniSpeechSatModel(UniSpeechSatConfig(**_SMALL, **stable)),
        "data2vec-audio": lambda: Data2VecAudioModel(
            Data2VecAudioConfig(**_SMALL | {"num_conv_pos_embeddings": 3}, conv_pos_kernel_size=5)
        ),
    }
    makers[family]().save_pretrained(folder)
    Wav2Vec2FeatureExtractor(sampling_rate=rate).save_pretrained(folder)
    return folder
