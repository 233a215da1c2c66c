"""Small random language models, masked and causal, with tokenizers made on the spot."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from tiny_models import config, tokenizer
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


def masked_folder(folder: Path) -> Path:
    """Saves a random BERT that fills masks."""
    from transformers import BertForMaskedLM

    torch.manual_seed(0)
    BertForMaskedLM(config()).save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return folder


def headless_folder(folder: Path) -> Path:
    """Saves a BERT without the head that would fill masks."""
    from transformers import BertModel

    torch.manual_seed(0)
    BertModel(config()).save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return folder


def byte_tokenizer(merges: list[tuple[str, str]]) -> PreTrainedTokenizerFast:
    """Spells texts by bytes as GPT-2 does, with a few merges."""
    from transformers import PreTrainedTokenizerFast

    pieces = ["<|end|>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    pieces += ["".join(merge) for merge in merges]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    made = Tokenizer(models.BPE(vocabulary, merges))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(
        tokenizer_object=made, model_max_length=256, bos_token="<|end|>", eos_token="<|end|>"
    )


def causal_folder(folder: Path) -> Path:
    """Saves a random GPT-2."""
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    made = byte_tokenizer([("Ġ", "s"), ("a", "d"), ("Ġs", "ad")])
    size = {"n_embd": 32, "n_layer": 2, "n_head": 2, "n_positions": 256}
    model = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=len(made), initializer_range=0.3, bos_token_id=0, eos_token_id=0, **size
        )
    )
    model.save_pretrained(folder)
    made.save_pretrained(folder)
    return folder
