"""NLI cross-encoders behind one interface: pairs of tokens in, logits per class out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from lanser_bench import (
    MissingDependencyError,
    PluginError,
    SettingsError,
    compute_device,
    fitting,
)

from .._cores import on_cores
from .._optional import import_optional
from .._transformers import load_model, load_part
from ..nli.adapter import load_nli
from ..weights import resolve
from ._packed_bert import PackedBert, Precision, packable
from ._wording import Floats

OWN_MODEL = "package:lanser-nli"
ONNX_FILES = {
    "float32": ("model.onnx",),
    "int8": ("model_int8.onnx", "model_quantized.onnx", "model_quint8_avx2.onnx"),
}
"""Names that exporters use; looked for in the model's folder and in its folder ``onnx``."""


@dataclass(frozen=True)
class TorchPairs:
    """A classifier of transformers: packed if its architecture is supported, else padded."""

    model: Any
    packed: PackedBert | None
    precision: Precision

    @property
    def classes(self) -> Mapping[int, str]:
        """Class names by column."""
        return {int(column): name for column, name in self.model.config.id2label.items()}

    @classmethod
    def on(cls, device: str, model: Any, precision: Precision = "float32") -> TorchPairs:
        """Returns a model on a device, in eval mode."""
        return cls(model.to(compute_device(device)).eval(), None, precision).at(precision)

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
            logits = self.packed.logits(ids, None if types is None else [types[r] for r in rows])
            return np.asarray(logits.cpu().numpy(), dtype=np.float32)
        device = self.model.device
        inputs = padded(encoded, rows, tokenizer, "pt").to(device)
        cast: Any = nullcontext()
        if self.precision == "bf16":
            cast = torch.autocast(device.type, torch.bfloat16)
        with torch.inference_mode(), cast:
            return np.asarray(self.model(**inputs).logits.float().cpu().numpy(), dtype=np.float32)


@dataclass(frozen=True)
class OnnxPairs:
    """An ONNX export of a classifier, run by ONNX Runtime."""

    session: Any
    classes: Mapping[int, str]

    def logits(self, encoded: Any, rows: Sequence[int], tokenizer: Any) -> Floats:
        """Returns logits of some pairs of an encoding, shape (rows, classes)."""
        inputs = padded(encoded, rows, tokenizer, "np")
        wanted = {one.name for one in self.session.get_inputs()}
        answers = self.session.run(None, {name: inputs[name] for name in inputs.keys() & wanted})
        return np.asarray(answers[0], dtype=np.float32)


PairModel = TorchPairs | OnnxPairs
"""A model that classifies tokenised pairs."""


def pair_logits(
    model: PairModel, tokenizer: Any, encoded: Any, parts: Iterable[list[int]], each_core: bool
) -> Floats:
    """Returns logits of an encoding, shape (rows, classes), by batches, on `each_core` or not."""
    logits = np.zeros((len(encoded["input_ids"]), len(model.classes)), dtype=np.float32)

    def score(rows: list[int]) -> None:
        def run(size: int) -> None:
            for begin in range(0, len(rows), size):
                part = rows[begin : begin + size]
                logits[part] = model.logits(encoded, part, tokenizer)

        fitting(run, len(rows))

    if each_core:
        on_cores(score, parts)
    else:
        for rows in parts:
            score(rows)
    return logits


def padded(encoded: Any, rows: Sequence[int], tokenizer: Any, arrays: str) -> Any:
    """Returns one batch of an encoding, padded at the end; `arrays` is ``pt`` or ``np``."""
    batch = {name: [encoded[name][row] for row in rows] for name in encoded}
    return tokenizer.pad(batch, padding_side="right", return_tensors=arrays, verbose=False)


def nli_columns(classes: Mapping[int, str], model: str) -> tuple[int, int]:
    """Returns the columns of entailment and of its opposite, given a model's class names.

    Raises:
        PluginError: no class is called entailment, so the model is not an NLI model.
    """
    names = {int(column): name.lower() for column, name in classes.items()}
    yes = [column for column, name in names.items() if name.startswith("entail")]
    if len(yes) != 1:
        shown = ", ".join(map(str, classes.values()))
        raise PluginError(
            f"The model '{model}' has the classes {shown}, and none is called entailment, so it is "
            f"not an NLI model. Name one, for example trained on MNLI, or {OWN_MODEL}."
        )
    no = [column for column, name in names.items() if name.startswith("contra")]
    others = [column for column in names if column != yes[0]]
    return yes[0], (no or others)[0]


def load_torch(name: str, device: str, precision: Precision) -> tuple[TorchPairs, Any]:
    """Loads a classifier in eval mode with its tokenizer."""
    model: Any
    if name == OWN_MODEL:
        model, tokenizer = load_nli()
    else:
        # Without its head the model has no class called entailment, which `nli_columns` reports.
        model, _ = load_model(name, "AutoModelForSequenceClassification", "sequence classifier")
        tokenizer = load_part(name, "AutoTokenizer")
    return TorchPairs.on(device, model, precision), tokenizer


def load_onnx(name: str, precision: Literal["float32", "int8"]) -> tuple[OnnxPairs, Any]:
    """Opens the ONNX export in a model's folder, with its tokenizer and class names."""
    refuse_own_onnx(name)
    need = "labeler 'entailment' with backend: onnx needs ONNX Runtime"
    onnxruntime = import_optional("onnxruntime", need, "pip install 'lanser-bench[onnx]'.")
    folder = resolve(name, ONNX_FILES[precision]).path
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
    # The stage's share of the machine, which is set in torch.
    options.intra_op_num_threads = torch.get_num_threads()
    # Without VNNI instructions, sums of int8 products would overflow 16 bits.
    options.add_session_config_entry("session.x64quantprecision", "1")
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    return OnnxPairs(session, classes), load_part(name, "AutoTokenizer", ONNX_FILES[precision])


def refuse_own_onnx(name: str) -> None:
    """Raises a `SettingsError` for our own model, which has torch weights only."""
    if name == OWN_MODEL:
        raise SettingsError(
            f"labeler 'entailment': {OWN_MODEL} has no ONNX export. Set backend: torch, or name "
            "the folder of an export."
        )


def _onnx_file(folder: Path, name: str, precision: Literal["float32", "int8"]) -> Path:
    for file in ONNX_FILES[precision]:
        for path in (folder / file, folder / "onnx" / file):
            if path.is_file():
                return path
    advice = (
        "Export it: optimum-cli export onnx --task text-classification --model MODEL FOLDER."
        if precision == "float32"
        else "Make one from the float32 export by onnxruntime.quantization.quantize_dynamic, and "
        "call it model_int8.onnx."
    )
    raise PluginError(
        f"The model '{name}' contains no {' or '.join(ONNX_FILES[precision])}, neither in its "
        f"folder nor in 'onnx'. {advice}"
    )
