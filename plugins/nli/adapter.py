"""The embedded NLI model: the base of `base.py` with this project's LoRA adapter merged into it.

Low-rank adaptation (Hu et al. 2021, arXiv 2106.09685) adds (alpha / rank) · B A to the weight of a
linear layer. The adapter's training code is in `tests/benchmarks/nli_training`.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lanser_bench import DataError, MissingDependencyError

from .._file_hashes import file_sha256
from .base import BASE_NAME, BASE_SHA256, base_folder, load_base

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import BertForSequenceClassification, PreTrainedTokenizerBase

LABELS = ("contradiction", "neutral", "entailment")
ADAPTER_DIR = Path(__file__).with_name("adapter")
WEIGHTS_FILE = "adapter.safetensors"
RECORD_FILE = "adapter.json"
ADAPTED = re.compile(r"^bert\.(encoder\.layer\.\d+\..+|pooler\.dense)$")
"""Linear layers that the adapter changes."""


def read_record(adapter_dir: Path) -> dict[str, Any]:
    """Returns the description of an adapter, after checking its weights and its base.

    Raises:
        MissingDependencyError: a file is missing, damaged, or made for another base.
    """
    path, weights = adapter_dir / RECORD_FILE, adapter_dir / WEIGHTS_FILE
    problem = ""
    try:
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if record.get("base_sha256") != BASE_SHA256 or record.get("labels") != list(LABELS):
            problem = f"{path} describes an adapter for another base or label order."
        elif file_sha256(weights) != record.get("adapter_sha256"):
            problem = f"{weights} is not the file that {path} describes: its SHA-256 differs."
    except (OSError, ValueError, DataError) as error:
        problem = f"The NLI adapter {path} cannot be read: {error}."
    if problem:
        raise MissingDependencyError(f"{problem} Reinstall lanser-bench, or train it again.")
    return record


def load_nli(
    adapter_dir: Path | None = None,
) -> tuple[BertForSequenceClassification, PreTrainedTokenizerBase]:
    """Loads the NLI cross-encoder with the built-in adapter, or with the one in a folder.

    Returns:
        A float32 `BertForSequenceClassification` in eval mode (logits: pairs × 3, columns in the
        order of `config.id2label`: contradiction, neutral, entailment) and its tokenizer, to be
        called with premises and hypotheses.

    Raises:
        MissingDependencyError: adapter or base are missing or not the pinned ones.
    """
    import torch
    from safetensors.torch import load_file

    folder = adapter_dir or ADAPTER_DIR
    record = read_record(folder)
    model, tokenizer = load_base()
    with torch.random.fork_rng(devices=[]):
        with_new_head(model)
    state = {name: value.float() for name, value in load_file(folder / WEIGHTS_FILE).items()}
    merge(model, state, float(record["alpha"]) / int(record["rank"]))
    return model.requires_grad_(False), tokenizer


def with_new_head(model: BertForSequenceClassification) -> None:
    """Replaces the base's head by a random one with a column per label."""
    from torch import nn

    model.classifier = nn.Linear(model.config.hidden_size, len(LABELS))
    model.num_labels = len(LABELS)
    model.config.id2label = dict(enumerate(LABELS))
    model.config.label2id = {label: number for number, label in enumerate(LABELS)}


def merge(model: BertForSequenceClassification, state: dict[str, Tensor], scale: float) -> None:
    """Adds an adapter, scaled, to a model's weights in place, and sets its head.

    Raises:
        MissingDependencyError: the adapter belongs to another model.
    """
    import torch

    layers = adapted_layers(model)
    wanted = {f"{name}.lora_{side}" for name in layers for side in "ab"}
    head = {name: value for name, value in state.items() if name.startswith("classifier.")}
    if set(state) != wanted | {"classifier.weight", "classifier.bias"}:
        raise MissingDependencyError(
            f"The adapter's {WEIGHTS_FILE} does not fit the model {BASE_NAME}. Train it again."
        )
    with torch.no_grad():
        for name, layer in layers.items():
            layer.weight += scale * (state[f"{name}.lora_b"] @ state[f"{name}.lora_a"])
    model.load_state_dict(head, strict=False)


def adapted_layers(model: BertForSequenceClassification) -> dict[str, Any]:
    """Returns the linear layers of encoder and pooler by name."""
    from torch import nn

    modules = dict(model.named_modules())
    return {n: m for n, m in modules.items() if isinstance(m, nn.Linear) and ADAPTED.match(n)}


def adapter_fingerprint() -> str:
    """Returns one SHA-256 of the built-in adapter and its base.

    Raises:
        MissingDependencyError: adapter or base are missing or not the pinned ones.
    """
    read_record(ADAPTER_DIR)
    base = base_folder()
    files = (ADAPTER_DIR / WEIGHTS_FILE, base / "model.onnx", base / "tokenizer.json")
    return hashlib.sha256(b"".join(bytes.fromhex(file_sha256(f)) for f in files)).hexdigest()
