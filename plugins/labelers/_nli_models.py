"""NLI cross-encoders behind one face: pairs of tokens in, logits per class out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from lanser_bench import MissingDependencyError, PluginError, SettingsError

from ..nli.adapter import load_nli
from ..nli.base import NliWeightsError
from ..weights import resolve
from ._packed_bert import PackedBert, Precision, packable
from ._wording import without_bars

Floats = npt.NDArray[np.float32]
OWN_MODEL = "package:lanser-nli"
ONNX_FILES = {
    "float32": ("model.onnx",),
    "int8": ("model_int8.onnx", "model_quantized.onnx", "model_quint8_avx2.onnx"),
}
"""Names that exporters give; looked for in the model's folder and in its folder ``onnx``."""


class PairModel(Protocol):
    """A model that classifies tokenised pairs."""

    @property
    def classes(self) -> Mapping[int, str]:
        """Class names by column."""

    def logits(self, encoded: Any, rows: Sequence[int], tokenizer: Any) -> Floats:
        """Returns logits of some pairs of an encoding, shape (rows, classes)."""


@dataclass(frozen=True)
class TorchPairs:
    """A classifier of transformers: packed where its architecture is known, else padded."""

    model: Any
    packed: PackedBert | None
    precision: Precision

    @property
    def classes(self) -> Mapping[int, str]:
        """Class names by column."""
        return {int(column): name for column, name in self.model.config.id2label.items()}

    def at(self, precision: Precision) -> TorchPairs:
        """Returns the same model in a precision; weights that need no cast are shared."""
        packed = PackedBert(self.model, precision) if packable(self.model) else None
        return TorchPairs(self.model, packed, precision)

    def logits(self, encoded: Any, rows: Sequence[int], tokenizer: Any) -> Floats:
        """Returns logits of some pairs of an encoding, shape (rows, classes)."""
        import torch

        if self.packed is not None:
            ids = [encoded["input_ids"][row] for row in rows]
            types = encoded.get("token_type_ids")
            found = self.packed.logits(ids, None if types is None else [types[r] for r in rows])
            return np.asarray(found.cpu().numpy(), dtype=np.float32)
        device = self.model.device
        given = {
            name: torch.from_numpy(values).to(device)
            for name, values in padded(encoded, rows, tokenizer.pad_token_id).items()
        }
        cast: Any = nullcontext()
        if self.precision == "bf16":
            cast = torch.autocast(device.type, torch.bfloat16)
        with torch.inference_mode(), cast:
            return np.asarray(self.model(**given).logits.float().cpu().numpy(), dtype=np.float32)


@dataclass(frozen=True)
class OnnxPairs:
    """An ONNX export of a classifier, run by ONNX Runtime."""

    session: Any
    classes: Mapping[int, str]

    def logits(self, encoded: Any, rows: Sequence[int], tokenizer: Any) -> Floats:
        """Returns logits of some pairs of an encoding, shape (rows, classes)."""
        given = padded(encoded, rows, tokenizer.pad_token_id)
        wanted = {one.name for one in self.session.get_inputs()}
        answers = self.session.run(None, {name: given[name] for name in given.keys() & wanted})
        return np.asarray(answers[0], dtype=np.float32)


def batches(lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Yields positions, longest first, so that rows × longest stays within `budget`.

    Args:
        lengths: tokens of each pair.
        budget: most tokens of a batch; a pair that is longer comes alone.
    """
    order = sorted(range(len(lengths)), key=lambda i: (-lengths[i], i))
    begin = 0
    while begin < len(order):
        size = max(1, budget // lengths[order[begin]])
        yield order[begin : begin + size]
        begin += size


def padded(encoded: Any, rows: Sequence[int], pad: int) -> dict[str, npt.NDArray[np.int64]]:
    """One batch of an encoding, filled up at the end."""
    width = max(len(encoded["input_ids"][row]) for row in rows)
    found = {}
    for name in encoded:
        matrix = np.full((len(rows), width), pad if name == "input_ids" else 0, dtype=np.int64)
        for place, row in enumerate(rows):
            matrix[place, : len(encoded[name][row])] = encoded[name][row]
        found[name] = matrix
    return found


def nli_columns(classes: Mapping[int, str], model: str) -> tuple[int, int]:
    """Returns the columns of entailment and of its opposite.

    Args:
        classes: class names of the model.
        model: its name, for the message.

    Raises:
        PluginError: no class is called entailment, so the model is no NLI model.
    """
    names = {int(column): name.lower() for column, name in classes.items()}
    yes = [column for column, name in names.items() if name.startswith("entail")]
    if len(yes) != 1:
        raise PluginError(
            f"The model '{model}' has the classes {', '.join(map(str, classes.values()))}, and "
            "none is called entailment, so it cannot say what a text entails. Name an NLI model "
            f"(trained on MNLI, say), or {OWN_MODEL}."
        )
    no = [column for column, name in names.items() if name.startswith("contra")]
    others = [column for column in names if column != yes[0]]
    return yes[0], (no or others)[0]


def load_torch(name: str, device: str, precision: Precision) -> tuple[TorchPairs, Any]:
    """Loads a classifier in eval mode with its tokenizer; pickled weights and code are refused.

    Raises:
        MissingDependencyError: it is not here, or does not load.
    """
    if name == OWN_MODEL:
        try:
            model, tokenizer = load_nli()
        except NliWeightsError as error:
            raise MissingDependencyError(f"{error}.") from None
    else:
        model, tokenizer = _from_folder(name)
    ready: Any = model
    plain = TorchPairs(ready.to(device).eval(), None, "float32")
    return plain.at(precision), tokenizer


def _from_folder(name: str) -> tuple[Any, Any]:
    import torch
    from transformers import AutoModelForSequenceClassification

    path = resolve(name).path
    try:
        with without_bars():
            model = AutoModelForSequenceClassification.from_pretrained(
                path,
                use_safetensors=True,
                trust_remote_code=False,
                local_files_only=True,
                dtype=torch.float32,
            )
    except (OSError, ValueError) as error:
        raise MissingDependencyError(
            f"The model '{name}' does not load as a transformers sequence classifier from "
            f"safetensors: {error}."
        ) from None
    return model, _tokenizer(path, name)


def _tokenizer(path: Path, name: str) -> Any:
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(path, local_files_only=True)
    except (OSError, ValueError) as error:
        raise MissingDependencyError(f"The tokenizer of '{name}' does not load: {error}.") from None


def load_onnx(name: str, precision: Literal["float32", "int8"]) -> tuple[OnnxPairs, Any]:
    """Opens the ONNX export in a model's folder, with the tokenizer and class names beside it.

    Raises:
        MissingDependencyError: no such export, a file beside it is missing, or no ONNX Runtime.
        SettingsError: our own model is asked for, which comes as torch weights only.
    """
    if name == OWN_MODEL:
        raise SettingsError(
            f"labeler 'entailment': {OWN_MODEL} has no ONNX export. Set backend: torch, or name "
            "the folder of an export."
        )
    try:
        onnxruntime: Any = import_module("onnxruntime")
    except ImportError:
        raise MissingDependencyError(
            "labeler 'entailment' with backend: onnx needs: pip install 'lanser-bench[onnx]'."
        ) from None
    folder = resolve(name).path
    file = _onnx_file(folder, name, precision)
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        classes = {int(column): str(text) for column, text in config["id2label"].items()}
    except (OSError, ValueError, KeyError) as error:
        raise MissingDependencyError(
            f"The model '{name}' has no config.json with `id2label`, which names its classes: "
            f"{error}."
        ) from None
    import torch

    options = onnxruntime.SessionOptions()
    # The stage's share of the machine, which torch has been told.
    options.intra_op_num_threads = torch.get_num_threads()
    # Without VNNI instructions, sums of int8 products would be cut off at 16 bits.
    options.add_session_config_entry("session.x64quantprecision", "1")
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    return OnnxPairs(session, classes), _tokenizer(folder, name)


def _onnx_file(folder: Path, name: str, precision: Literal["float32", "int8"]) -> Path:
    wanted = [folder / sub / file for file in ONNX_FILES[precision] for sub in ("", "onnx")]
    for file in wanted:
        if file.is_file():
            return file
    advice = (
        "Export it: optimum-cli export onnx --task text-classification --model MODEL FOLDER."
        if precision == "float32"
        else "Make one of the float32 export by onnxruntime.quantization.quantize_dynamic, and "
        "call it model_int8.onnx."
    )
    raise PluginError(
        f"The model '{name}' holds no {' or '.join(ONNX_FILES[precision])}, neither in its folder "
        f"nor in 'onnx'. {advice}"
    )
