"""Small random models with tokenizers made on the spot: real loading paths without real weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

if TYPE_CHECKING:
    from transformers import BertConfig, PreTrainedTokenizerFast

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
LETTERS = "abcdefghijklmnopqrstuvwxyz.,!?'"


def tokenizer() -> PreTrainedTokenizerFast:
    """Spells words letter by letter, so that no word is unknown."""
    from transformers import PreTrainedTokenizerFast

    pieces = [*SPECIAL, *LETTERS, *(f"##{letter}" for letter in LETTERS)]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    made = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        model_max_length=64,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    )


def config(**more: object) -> BertConfig:
    from transformers import BertConfig

    size = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    return BertConfig(
        vocab_size=len(SPECIAL) + 2 * len(LETTERS),
        intermediate_size=64,
        max_position_embeddings=64,
        initializer_range=0.4,
        **size,
        **more,
    )


def nli_folder(folder: Path, classes: tuple[str, ...]) -> Path:
    """Saves a random classifier with the given classes as transformers does."""
    from transformers import BertForSequenceClassification

    torch.manual_seed(0)
    model = BertForSequenceClassification(config(id2label=dict(enumerate(classes))))
    model.save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return folder


def classifier_folder(
    folder: Path, labels: tuple[str, ...], problem_type: str | None = None, kind: str = "bert"
) -> Path:
    """Saves a random text classifier with the labels and the head of a published one."""
    import transformers

    torch.manual_seed(0)
    named = {
        "id2label": dict(enumerate(labels)),
        "label2id": {label: column for column, label in enumerate(labels)},
        "problem_type": problem_type,
    }
    spelling = tokenizer()
    if kind == "bert":
        model = transformers.BertForSequenceClassification(config(**named))
    else:  # without segments, and not packed
        size = {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64}
        distil = transformers.DistilBertConfig(
            vocab_size=spelling.vocab_size, initializer_range=0.4, **size, **named
        )
        model = transformers.DistilBertForSequenceClassification(distil)
        spelling.model_input_names = ["input_ids", "attention_mask"]
    model.save_pretrained(folder)
    spelling.save_pretrained(folder)
    return folder


def speech_classifier_folder(folder: Path, labels: tuple[str, ...]) -> Path:
    """Saves a random wav2vec 2.0 classifier with the labels of a published one."""
    from transformers import (
        Wav2Vec2Config,
        Wav2Vec2FeatureExtractor,
        Wav2Vec2ForSequenceClassification,
    )

    torch.manual_seed(0)
    small = Wav2Vec2Config(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        conv_dim=(16, 16, 16),
        conv_stride=(5, 4, 4),
        conv_kernel=(10, 8, 4),
        num_feat_extract_layers=3,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=2,
        classifier_proj_size=16,
        initializer_range=0.4,
        id2label=dict(enumerate(labels)),
        label2id={label: column for column, label in enumerate(labels)},
    )
    Wav2Vec2ForSequenceClassification(small).save_pretrained(folder)
    Wav2Vec2FeatureExtractor().save_pretrained(folder)
    return folder


def sentence_folder(folder: Path) -> Path:
    """Saves a random sentence-transformers model."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import BertModel

    torch.manual_seed(0)
    inner = folder / "inner"
    BertModel(config()).save_pretrained(inner)
    tokenizer().save_pretrained(inner)
    transformer = Transformer(str(inner), max_seq_length=64)
    SentenceTransformer(modules=[transformer, Pooling(32)], device="cpu").save(str(folder / "st"))
    return folder / "st"
