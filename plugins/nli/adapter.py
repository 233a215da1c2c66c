"""The embedded NLI model: the base of `base.py` with this project's LoRA adapter merged into it.

Low-rank adaptation (Hu et al. 2021, arXiv 2106.09685) adds (alpha / rank) · B A to the weight of a
linear layer. The adapter's training code is in `tests/benchmarks/nli_training`.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from lanser_bench import DataError, MissingDependencyError

from .._file_hashes import file_sha256
from .base import BASE_SHA256, HEAD_SIZE, PairTokenizer, base_folder, read_weights

if TYPE_CHECKING:
    from torch import Tensor

LABELS = ("contradiction", "neutral", "entailment")
ADAPTER_DIR = Path(__file__).with_name("adapter")
WEIGHTS_FILE = "adapter.safetensors"
RECORD_FILE = "adapter.json"


def read_record(adapter_dir: Path) -> dict[str, Any]:
    """Returns the description of an adapter; raises `MissingDependencyError` if it does not fit."""
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


def load_nli(adapter_dir: Path | None = None) -> tuple[Any, Any]:
    """Loads the NLI cross-encoder with the built-in adapter, or with the one in a folder.

    Returns:
        The float32 modules of a BERT classifier (columns in the order of `config.id2label`:
        contradiction, neutral, entailment) and its tokenizer, to be called with premises and
        hypotheses (`base.load_tokenizer` makes that of transformers).

    Raises:
        MissingDependencyError: adapter or base are missing or not the pinned ones.
    """
    import torch
    from safetensors.torch import load_file

    from .._bert import bert_modules

    folder, base = adapter_dir or ADAPTER_DIR, base_folder()
    record = read_record(folder)
    weights = {n: torch.from_numpy(v) for n, v in read_weights(base / "model.onnx").items()}
    state = {name: value.float() for name, value in load_file(folder / WEIGHTS_FILE).items()}
    merge(weights, state, float(record["alpha"]) / int(record["rank"]))
    model: Any = bert_modules(weights)
    heads = weights["classifier.weight"].shape[1] // HEAD_SIZE
    names = dict(enumerate(LABELS))
    model.config = SimpleNamespace(model_type="bert", num_attention_heads=heads, id2label=names)
    return model, PairTokenizer(base)


def merge(weights: dict[str, Tensor], state: dict[str, Tensor], scale: float) -> None:
    """Adds an adapter, scaled, to the weights of its base (`read_record`), and sets the head."""
    for name in {name.rpartition(".")[0] for name in state if ".lora_" in name}:
        change = state[f"{name}.lora_b"] @ state[f"{name}.lora_a"]
        weights[f"{name}.weight"] += scale * change
    weights |= {name: state[name] for name in ("classifier.weight", "classifier.bias")}


def adapter_fingerprint() -> str:
    """Returns one SHA-256 of the built-in adapter and its base; raises as `load_nli`."""
    read_record(ADAPTER_DIR)
    base = base_folder()
    files = (ADAPTER_DIR / WEIGHTS_FILE, base / "model.onnx", base / "tokenizer.json")
    return hashlib.sha256(b"".join(bytes.fromhex(file_sha256(f)) for f in files)).hexdigest()
