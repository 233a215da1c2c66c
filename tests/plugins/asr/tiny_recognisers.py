"""Small random recognisers with tokenizers made on the spot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

if TYPE_CHECKING:
    from transformers import Wav2Vec2Config

SECONDS = 2
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def whisper_folder(folder: Path, *, languages: tuple[str, ...] = ("en", "de")) -> Path:
    """Saves a random Whisper with a window of two seconds."""
    from transformers import (
        PreTrainedTokenizerFast,
        WhisperConfig,
        WhisperFeatureExtractor,
        WhisperForConditionalGeneration,
    )

    torch.manual_seed(0)
    words = ["<|endoftext|>", *pre_tokenizers.ByteLevel.alphabet()]
    special = ["<|startoftranscript|>", *(f"<|{language}|>" for language in languages)]
    special += ["<|transcribe|>", "<|nospeech|>", "<|notimestamps|>"]
    pieces = [*words, *special, "<|0.00|>", "<|0.02|>"]
    place = {piece: number for number, piece in enumerate(pieces)}
    made = Tokenizer(models.BPE(place, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=made, eos_token="<|endoftext|>", additional_special_tokens=special
    )
    start = place["<|startoftranscript|>"]
    config = WhisperConfig(
        vocab_size=len(pieces),
        num_mel_bins=8,
        encoder_layers=1,
        decoder_layers=1,
        d_model=16,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        max_source_positions=50 * SECONDS,
        max_target_positions=24,
        decoder_start_token_id=start,
        bos_token_id=0,
        eos_token_id=0,
        pad_token_id=0,
        init_std=0.5,
    )
    model = WhisperForConditionalGeneration(config)
    settings = model.generation_config
    settings._from_model_config = False  # as in the published ones: keep what follows
    settings.decoder_start_token_id = start
    settings.no_timestamps_token_id = place["<|notimestamps|>"]
    settings.suppress_tokens = [place[piece] for piece in special[:-1]]
    settings.begin_suppress_tokens = [0]
    if languages:
        settings.lang_to_id = {f"<|{name}|>": place[f"<|{name}|>"] for name in languages}
        settings.task_to_id = {"transcribe": place["<|transcribe|>"]}
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    WhisperFeatureExtractor(feature_size=8, chunk_length=SECONDS).save_pretrained(folder)
    return folder


def _wav2vec2() -> Wav2Vec2Config:
    from transformers import Wav2Vec2Config

    return Wav2Vec2Config(
        vocab_size=4 + len(LETTERS),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        conv_dim=(16, 16),
        conv_stride=(20, 16),
        conv_kernel=(20, 16),
        num_conv_pos_embeddings=4,
        num_conv_pos_embedding_groups=2,
        pad_token_id=0,
        initializer_range=0.5,
    )


def _words(start: tuple[str, ...]) -> tuple[Tokenizer, int]:
    """A tokenizer of single letters, and its size; `start` are its first tokens."""
    pieces = [*start, *LETTERS, "▁"]
    made = Tokenizer(models.BPE({piece: i for i, piece in enumerate(pieces)}, []))
    made.decoder = decoders.Metaspace()
    return made, len(pieces)


def moonshine_folder(folder: Path) -> Path:
    """Saves a random Moonshine."""
    from transformers import (
        MoonshineConfig,
        MoonshineForConditionalGeneration,
        PreTrainedTokenizerFast,
        Wav2Vec2FeatureExtractor,
    )

    torch.manual_seed(2)
    special = ("<unk>", "<s>", "</s>")
    made, size = _words(special)
    config = MoonshineConfig(
        vocab_size=size,
        hidden_size=16,
        intermediate_size=32,
        encoder_num_hidden_layers=1,
        decoder_num_hidden_layers=1,
        encoder_num_attention_heads=2,
        decoder_num_attention_heads=2,
        initializer_range=0.5,
        tie_word_embeddings=False,
    )
    MoonshineForConditionalGeneration(config).save_pretrained(folder)
    PreTrainedTokenizerFast(
        tokenizer_object=made, unk_token="<unk>", bos_token="<s>", eos_token="</s>"
    ).save_pretrained(folder)
    Wav2Vec2FeatureExtractor(do_normalize=False, return_attention_mask=True).save_pretrained(folder)
    return folder


def parakeet_folder(folder: Path, *, ctc: bool = False) -> Path:
    """Saves a random Parakeet, with a head for tokens and durations or for CTC."""
    from transformers import (
        ParakeetCTCConfig,
        ParakeetFeatureExtractor,
        ParakeetForCTC,
        ParakeetForTDT,
        ParakeetTDTConfig,
        ParakeetTokenizer,
    )

    torch.manual_seed(0)
    made, size = _words(("<unk>", "<pad>"))
    encoder = {
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "subsampling_conv_channels": 8,
        "num_mel_bins": 16,
        "initializer_range": 0.5,
    }
    if ctc:
        config = ParakeetCTCConfig(vocab_size=size, pad_token_id=1, encoder_config=encoder)
        ParakeetForCTC(config).save_pretrained(folder)
    else:
        transducer = ParakeetTDTConfig(
            vocab_size=size + 1,
            blank_token_id=size,
            decoder_start_token_id=size,
            pad_token_id=1,
            decoder_hidden_size=16,
            num_decoder_layers=1,
            encoder_config=encoder,
        )
        ParakeetForTDT(transducer).save_pretrained(folder)
        made.add_special_tokens(["<blank>"])
    ParakeetTokenizer(tokenizer_object=made, unk_token="<unk>", pad_token="<pad>").save_pretrained(
        folder
    )
    ParakeetFeatureExtractor(feature_size=16).save_pretrained(folder)
    return folder


def ctc_folder(folder: Path, *, head: bool = True) -> Path:
    """Saves a random wav2vec 2.0, with or without the head that names letters."""
    from transformers import (
        Wav2Vec2CTCTokenizer,
        Wav2Vec2FeatureExtractor,
        Wav2Vec2ForCTC,
        Wav2Vec2Model,
    )

    torch.manual_seed(0)
    model = (Wav2Vec2ForCTC if head else Wav2Vec2Model)(_wav2vec2())
    model.save_pretrained(folder)
    pieces = ["<pad>", "<unk>", "|", "'", *LETTERS]
    (folder / "vocab.json").write_text(json.dumps({p: i for i, p in enumerate(pieces)}))
    Wav2Vec2CTCTokenizer(
        str(folder / "vocab.json"), bos_token=None, eos_token=None
    ).save_pretrained(folder)
    Wav2Vec2FeatureExtractor().save_pretrained(folder)
    return folder
