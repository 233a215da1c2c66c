"""Training of an adapter: low-rank adaptation (Hu et al., 2021, arXiv:2106.09685) of a BERT."""

from __future__ import annotations

import hashlib
import json
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from lanser_bench_plugins.nli.adapter import (
    LABELS,
    RECORD_FILE,
    WEIGHTS_FILE,
    load_nli,
)
from lanser_bench_plugins.nli.base import (
    BASE_NAME,
    BASE_SHA256,
    HEAD_SIZE,
    base_folder,
    load_tokenizer,
    read_weights,
)
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from transformers import BertForSequenceClassification, PreTrainedTokenizerBase


ADAPTED = re.compile(r"^bert\.(encoder\.layer\.\d+\..+|pooler\.dense)$")
"""Linear layers that an adapter changes."""


class LoraLinear(nn.Module):
    """A frozen linear layer plus a trainable product of two narrow matrices.

    y = W x + b + (alpha / rank) · B A x, with A (rank × inputs) random and B (outputs × rank) zero
    at the start, so that an untrained adapter changes nothing.

    Args:
        linear: the layer to adapt; its own weights are frozen and shared, not copied.
        rank: the width of the bottleneck.
        alpha: the strength of the update before it is divided by the rank.
    """

    def __init__(self, linear: nn.Linear, rank: int, alpha: float) -> None:
        super().__init__()
        self.linear = linear.requires_grad_(False)
        self.scale = alpha / rank
        self.lora_a = nn.Parameter(torch.empty(rank, linear.in_features))
        self.lora_b = nn.Parameter(torch.zeros(linear.out_features, rank))
        nn.init.kaiming_uniform_(self.lora_a, a=math.sqrt(5))

    def forward(self, inputs: Tensor) -> Tensor:
        """Apply the layer and its update.

        Args:
            inputs: … × inputs.

        Returns:
            … × outputs.
        """
        update = functional.linear(functional.linear(inputs, self.lora_a), self.lora_b)
        outputs: Tensor = self.linear(inputs) + self.scale * update
        return outputs


def load_base() -> tuple[BertForSequenceClassification, PreTrainedTokenizerBase]:
    """Load the de-quantised relevance cross-encoder (one logit: does a passage answer a query).

    Returns:
        The float32 model in eval mode and its tokenizer.
    """
    from transformers import BertConfig, BertForSequenceClassification

    folder = base_folder()
    weights = read_weights(folder / "model.onnx")
    width = weights["classifier.weight"].shape[1]
    config = BertConfig(
        vocab_size=len(weights["bert.embeddings.word_embeddings.weight"]),
        hidden_size=width,
        num_hidden_layers=sum(name.endswith("query.weight") for name in weights),
        num_attention_heads=width // HEAD_SIZE,
        intermediate_size=len(weights["bert.encoder.layer.0.intermediate.dense.bias"]),
        max_position_embeddings=len(weights["bert.embeddings.position_embeddings.weight"]),
        type_vocab_size=len(weights["bert.embeddings.token_type_embeddings.weight"]),
        num_labels=1,
        name_or_path=BASE_NAME,
    )
    model = BertForSequenceClassification(config)
    model.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
    return model.eval(), load_tokenizer(folder)


def load_merged(
    folder: Path | None = None,
) -> tuple[BertForSequenceClassification, PreTrainedTokenizerBase]:
    """Load what the labeler `entailment` scores with as a model of transformers."""
    model, tokenizer = load_base()
    with torch.random.fork_rng(devices=[]):
        with_new_head(model)
    model.load_state_dict(load_nli(folder)[0].state_dict())
    return model, tokenizer


def with_new_head(model: BertForSequenceClassification) -> None:
    """Replace the base's head by a random one with a column per label."""
    model.classifier = nn.Linear(model.config.hidden_size, len(LABELS))
    model.num_labels = len(LABELS)
    model.config.id2label = dict(enumerate(LABELS))
    model.config.label2id = {label: number for number, label in enumerate(LABELS)}


def attach(model: BertForSequenceClassification, rank: int, alpha: float) -> None:
    """Freeze a BERT classifier and adapt every linear layer of its encoder and pooler.

    Args:
        model: a `BertForSequenceClassification`, changed in place; `classifier` stays trainable.
        rank: the adapters' width.
        alpha: the adapters' strength.
    """
    model.requires_grad_(False)
    for name, linear in list(model.named_modules()):
        if isinstance(linear, nn.Linear) and ADAPTED.match(name):
            model.set_submodule(name, LoraLinear(linear, rank, alpha))
    model.get_submodule("classifier").requires_grad_(True)


def trainable_state(model: nn.Module) -> dict[str, Tensor]:
    """Collect what training changes: the adapters and the head.

    Args:
        model: a model that `attach` changed.

    Returns:
        Tensors by parameter name, detached and still sharing the model's memory.
    """
    return {name: value.detach() for name, value in model.named_parameters() if value.requires_grad}


def new_model(
    rank: int, alpha: float, seed: int
) -> tuple[BertForSequenceClassification, PreTrainedTokenizerBase]:
    """Build the base with an untrained adapter and a fresh three-way head.

    Args:
        rank: the adapter's width.
        alpha: the adapter's strength.
        seed: of the random start of adapter and head.

    Returns:
        The unmerged model in eval mode and its tokenizer.

    Raises:
        MissingDependencyError: the base is missing or another one.
    """
    model, tokenizer = load_base()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        with_new_head(model)
        nn.init.normal_(model.classifier.weight, std=0.02)
        nn.init.zeros_(model.classifier.bias)
        attach(model, rank, alpha)
    return model, tokenizer


def load_unmerged(
    folder: Path,
) -> tuple[BertForSequenceClassification, PreTrainedTokenizerBase]:
    """Load base, adapter and head without merging them.

    Args:
        folder: the adapter's.

    Returns:
        The float32 model in eval mode and its tokenizer.
    """
    record = json.loads((folder / RECORD_FILE).read_text(encoding="utf-8"))
    model, tokenizer = new_model(int(record["rank"]), float(record["alpha"]), seed=0)
    state = {name: value.float() for name, value in load_file(folder / WEIGHTS_FILE).items()}
    model.load_state_dict(state, strict=False)
    return model, tokenizer


def save_adapter(
    model: BertForSequenceClassification, folder: Path, record: dict[str, Any]
) -> None:
    """Write an adapter as float16 safetensors, and its record.

    Args:
        model: an unmerged model.
        folder: where to; made if it is missing.
        record: description; base, labels and hash are added.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / WEIGHTS_FILE
    state = {
        name: value.to(torch.float16).contiguous() for name, value in trainable_state(model).items()
    }
    save_file(state, path)
    full = {
        "base": BASE_NAME,
        "base_sha256": BASE_SHA256,
        "labels": list(LABELS),
        "adapter_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        **record,
    }
    text = json.dumps(full, indent=2, ensure_ascii=False)
    (folder / RECORD_FILE).write_text(text + "\n", encoding="utf-8")
