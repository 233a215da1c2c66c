"""The embedded NLI model: the base of `base.py` with this project's LoRA adapter merged into it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .base import (
    ADVICE,
    BASE_NAME,
    BASE_SHA256,
    NliWeightsError,
    check_sha256,
    checked_base_folder,
    load_base,
)

if TYPE_CHECKING:
    from transformers import BertForSequenceClassification, PreTrainedModel, PreTrainedTokenizerBase

LABELS = ("contradiction", "neutral", "entailment")
ADAPTER_DIR = Path(__file__).with_name("adapter")
WEIGHTS_FILE = "adapter.safetensors"
RECORD_FILE = "adapter.json"


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
        NliWeightsError: the base is missing or another one.
    """
    import torch
    from torch import nn

    from .lora import attach

    model, tokenizer = load_base()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = nn.Linear(model.config.hidden_size, len(LABELS))
        nn.init.normal_(head.weight, std=0.02)
        nn.init.zeros_(head.bias)
        model.classifier = head
        attach(model, rank, alpha)
    model.num_labels = len(LABELS)
    model.config.id2label = dict(enumerate(LABELS))
    model.config.label2id = {label: number for number, label in enumerate(LABELS)}
    return model, tokenizer


def read_record(adapter_dir: Path) -> dict[str, Any]:
    """Read what is written about an adapter, and check that its weights and base are those.

    Args:
        adapter_dir: the folder with `adapter.safetensors` and `adapter.json`.

    Returns:
        The content of `adapter.json`.

    Raises:
        NliWeightsError: a file is missing, damaged, or belongs to another base.
    """
    path = adapter_dir / RECORD_FILE
    try:
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise NliWeightsError(
            f"The NLI adapter's record {path} cannot be read ({error}); give the folder that"
            " `train` wrote, or reinstall lanser-bench for the adapter that ships"
        ) from error
    if record.get("base_sha256") != BASE_SHA256 or record.get("labels") != list(LABELS):
        raise NliWeightsError(
            f"{path} describes an adapter for another base or label order; train it again"
        )
    check_sha256(adapter_dir / WEIGHTS_FILE, str(record.get("adapter_sha256")))
    return record


def load_unmerged(
    adapter_dir: Path | None = None,
) -> tuple[BertForSequenceClassification, PreTrainedTokenizerBase]:
    """Load base, adapter and head with the adapter still apart from the weights.

    Args:
        adapter_dir: the folder of an adapter; the one that ships if None.

    Returns:
        The float32 model in eval mode and its tokenizer.

    Raises:
        NliWeightsError: adapter or base are missing or not the pinned ones.
    """
    from safetensors.torch import load_file

    folder = adapter_dir or ADAPTER_DIR
    record = read_record(folder)
    model, tokenizer = new_model(int(record["rank"]), float(record["alpha"]), seed=0)
    state = {name: value.float() for name, value in load_file(folder / WEIGHTS_FILE).items()}
    wanted = {name for name, value in model.named_parameters() if value.requires_grad}
    if set(state) != wanted:
        raise NliWeightsError(
            f"{folder / WEIGHTS_FILE} does not fit the model {BASE_NAME}; {ADVICE}"
        )
    model.load_state_dict(state, strict=False)
    return model, tokenizer


def load_nli(adapter_dir: Path | None = None) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load the NLI cross-encoder as an ordinary transformers classifier.

    Args:
        adapter_dir: the folder of an adapter; the one that ships if None.

    Returns:
        A float32 `BertForSequenceClassification` in eval mode (logits: pairs × 3, columns in the
        order of `config.id2label`: contradiction, neutral, entailment) and its tokenizer, to be
        called with premises, hypotheses.

    Raises:
        NliWeightsError: adapter or base are missing or not the pinned ones.
    """
    from .lora import merge

    model, tokenizer = load_unmerged(adapter_dir)
    merge(model)
    return model.requires_grad_(False), tokenizer


def save_adapter(
    model: BertForSequenceClassification, folder: Path, record: dict[str, Any]
) -> None:
    """Write an adapter as float16 safetensors, its record beside it.

    Args:
        model: an unmerged model.
        folder: where to; made if it is missing.
        record: what to say of it; base, labels and hash are added here.
    """
    import torch
    from safetensors.torch import save_file

    from .lora import trainable_state

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


def adapter_fingerprint(adapter_dir: Path | None = None) -> str:
    """Name the model's content: one hash over the adapter and the base it stands on.

    Args:
        adapter_dir: the folder of an adapter; the one that ships if None.

    Returns:
        SHA-256 as 64 hexadecimal digits.

    Raises:
        NliWeightsError: adapter or base are missing or not the pinned ones.
    """
    folder = adapter_dir or ADAPTER_DIR
    read_record(folder)
    base = checked_base_folder()
    digest = hashlib.sha256()
    for path in (folder / WEIGHTS_FILE, base / "model.onnx", base / "tokenizer.json"):
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
