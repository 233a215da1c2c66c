"""Reads a CTranslate2 Whisper model and gives its weights to other libraries, without loss.

Converted Whisper models carry OpenAI's own float16 weights. CTranslate2 only stacks the projections
of self-attention (query, key, value in ``linear_0``) and of cross-attention (key, value in
``linear_1``), and gives Whisper's key projection, which has no bias, a bias of zeros. Undone here,
one set of weights serves faster-whisper, openai-whisper and transformers.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lanser_bench import DataError

if TYPE_CHECKING:
    from transformers import WhisperConfig
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

Arrays = dict[str, npt.NDArray[Any]]
BFLOAT16 = 5
DTYPES = {0: "<f4", 1: "i1", 2: "<i2", 3: "<i4", 4: "<f2", BFLOAT16: "<u2"}
VERSIONS = range(4, 7)
"""Versions of CTranslate2's binary format whose layout is the one read here."""


def read_ct2(path: Path) -> Arrays:
    """Reads the variables of a CTranslate2 ``model.bin``.

    Args:
        path: the file, or the folder that holds it.

    Returns:
        Arrays by CTranslate2's names, in the file's types (bfloat16 widened to float32), read from
        the disk when they are used.

    Raises:
        DataError: the file is not a CTranslate2 model of a known version, or is cut off.
    """
    file = path / "model.bin" if path.is_dir() else path
    try:
        return _variables(np.memmap(file, np.uint8, "r"))
    except (OSError, ValueError, KeyError, IndexError, struct.error) as error:
        raise DataError(f"{file} is not a whole CTranslate2 model: {error}.") from None


class _Reader:
    """Walks through the file's little-endian fields."""

    def __init__(self, raw: npt.NDArray[np.uint8]) -> None:
        self.raw = raw
        self.place = 0

    def take(self, size: int) -> npt.NDArray[np.uint8]:
        part = self.raw[self.place : self.place + size]
        if len(part) < size:
            raise ValueError(f"it ends at byte {len(self.raw)}")
        self.place += size
        return part

    def number(self, kind: str) -> int:
        return int(struct.unpack(f"<{kind}", self.take(struct.calcsize(f"<{kind}")).tobytes())[0])

    def text(self) -> str:
        """A length, then as many bytes, the last of them zero."""
        return bytes(self.take(self.number("H"))[:-1]).decode()


def _variables(raw: npt.NDArray[np.uint8]) -> Arrays:
    reader = _Reader(raw)
    version = reader.number("I")
    if version not in VERSIONS:
        raise ValueError(f"format version {version} is not known")
    reader.text()  # the specification's name
    reader.number("I")  # and revision
    found: Arrays = {}
    for _ in range(reader.number("I")):
        name = reader.text()
        shape = [reader.number("I") for _ in range(reader.number("B"))]
        kind = reader.number("B")
        values = reader.take(reader.number("I")).view(DTYPES[kind]).reshape(shape)
        if kind == BFLOAT16:
            values = (values.astype(np.uint32) << 16).view(np.float32)
        found[name] = values
    for _ in range(reader.number("I")):
        alias = reader.text()
        found[alias] = found[reader.text()]
    return found


def is_multilingual(variables: Mapping[str, npt.NDArray[Any]]) -> bool:
    """Tells multilingual models, which have more tokens, from English-only ones."""
    return bool(variables["decoder/embeddings/weight"].shape[0] >= 51865)


def dimensions(variables: Mapping[str, npt.NDArray[Any]]) -> dict[str, int]:
    """Returns the sizes of a Whisper model under the names of openai-whisper's ModelDimensions."""
    width, mels, _ = variables["encoder/conv1/weight"].shape
    vocabulary = variables["decoder/embeddings/weight"].shape[0]
    sizes = {"n_mels": mels, "n_vocab": vocabulary}
    for side, prefix in (("audio", "encoder"), ("text", "decoder")):
        layers = {m[1] for n in variables if (m := re.match(rf"{prefix}/layer_(\d+)/", n))}
        sizes |= {
            f"n_{side}_ctx": variables[f"{prefix}/position_encodings/encodings"].shape[0],
            f"n_{side}_state": width,
            f"n_{side}_head": int(variables[f"{prefix}/num_heads"]),
            f"n_{side}_layer": len(layers),
        }
    return {name: int(size) for name, size in sizes.items()}


def openai_state_dict(variables: Mapping[str, npt.NDArray[Any]]) -> Arrays:
    """Returns a Whisper model's weights as float32 under openai-whisper's names."""
    state = _encoder_state(variables)
    decoder = "decoder"
    state[f"{decoder}.token_embedding.weight"] = _weight(variables, "decoder/embeddings")
    state[f"{decoder}.positional_embedding"] = _float(
        variables["decoder/position_encodings/encodings"]
    )
    for i in range(dimensions(variables)["n_text_layer"]):
        source, target = f"decoder/layer_{i}", f"{decoder}.blocks.{i}"
        state |= _self_attention(variables, source, target) | _feed_forward(
            variables, source, target
        )
        cross, other = f"{source}/attention", f"{target}.cross_attn"
        state |= _linear(variables, f"{cross}/linear_0", [f"{other}.query"])
        state |= _linear(variables, f"{cross}/linear_1", [f"{other}.key", f"{other}.value"])
        state |= _linear(variables, f"{cross}/linear_2", [f"{other}.out"])
        state |= _norm(variables, f"{cross}/layer_norm", f"{other}_ln")
    return state | _norm(variables, "decoder/layer_norm", f"{decoder}.ln")


def _encoder_state(variables: Mapping[str, npt.NDArray[Any]]) -> Arrays:
    state = _linear(variables, "encoder/conv1", ["encoder.conv1"])
    state |= _linear(variables, "encoder/conv2", ["encoder.conv2"])
    state["encoder.positional_embedding"] = _float(
        variables["encoder/position_encodings/encodings"]
    )
    for i in range(dimensions(variables)["n_audio_layer"]):
        source, target = f"encoder/layer_{i}", f"encoder.blocks.{i}"
        state |= _self_attention(variables, source, target) | _feed_forward(
            variables, source, target
        )
    return state | _norm(variables, "encoder/layer_norm", "encoder.ln_post")


def _self_attention(variables: Mapping[str, npt.NDArray[Any]], source: str, target: str) -> Arrays:
    own, other = f"{source}/self_attention", f"{target}.attn"
    return (
        _linear(variables, f"{own}/linear_0", [f"{other}.{n}" for n in ("query", "key", "value")])
        | _linear(variables, f"{own}/linear_1", [f"{other}.out"])
        | _norm(variables, f"{own}/layer_norm", f"{other}_ln")
    )


def _feed_forward(variables: Mapping[str, npt.NDArray[Any]], source: str, target: str) -> Arrays:
    return (
        _linear(variables, f"{source}/ffn/linear_0", [f"{target}.mlp.0"])
        | _linear(variables, f"{source}/ffn/linear_1", [f"{target}.mlp.2"])
        | _norm(variables, f"{source}/ffn/layer_norm", f"{target}.mlp_ln")
    )


def _linear(variables: Mapping[str, npt.NDArray[Any]], source: str, targets: list[str]) -> Arrays:
    """Cuts a stacked projection into its parts; a key projection has no bias in Whisper."""
    weights = np.split(_weight(variables, source), len(targets))
    biases = np.split(_float(variables[f"{source}/bias"]), len(targets))
    state: Arrays = {}
    for target, weight, bias in zip(targets, weights, biases, strict=True):
        state[f"{target}.weight"] = weight
        if not target.endswith(".key"):
            state[f"{target}.bias"] = bias
        elif bias.any():
            raise DataError(f"{source} has a key bias, so it is not a Whisper model's.")
    return state


def _norm(variables: Mapping[str, npt.NDArray[Any]], source: str, target: str) -> Arrays:
    return {
        f"{target}.weight": _float(variables[f"{source}/gamma"]),
        f"{target}.bias": _float(variables[f"{source}/beta"]),
    }


def _weight(variables: Mapping[str, npt.NDArray[Any]], source: str) -> npt.NDArray[np.float32]:
    """Returns a weight; int8 and int16 ones hold the value times the scale of its row."""
    weight = variables[f"{source}/weight"]
    if weight.dtype.kind != "i":
        return _float(weight)
    scale = _float(variables[f"{source}/weight_scale"])
    return _float(weight) / scale.reshape(scale.shape + (1,) * (weight.ndim - scale.ndim))


def _float(values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    return np.array(values, np.float32)


# openai-whisper's names of an encoder's parts → transformers'.
_TRANSFORMERS_NAMES = (
    (r"^encoder\.", ""),
    (r"^blocks\.", "layers."),
    (r"^ln_post\.", "layer_norm."),
    (r"^positional_embedding$", "embed_positions.weight"),
    (r"\.attn_ln\.", ".self_attn_layer_norm."),
    (r"\.mlp_ln\.", ".final_layer_norm."),
    (r"\.mlp\.0\.", ".fc1."),
    (r"\.mlp\.2\.", ".fc2."),
    (r"\.attn\.query\.", ".self_attn.q_proj."),
    (r"\.attn\.key\.", ".self_attn.k_proj."),
    (r"\.attn\.value\.", ".self_attn.v_proj."),
    (r"\.attn\.out\.", ".self_attn.out_proj."),
)


def transformers_encoder(path: Path) -> WhisperEncoder:
    """Builds transformers' Whisper encoder from a CTranslate2 model.

    Args:
        path: the model's folder or its ``model.bin``.

    Returns:
        A float32 ``WhisperEncoder`` in eval mode. Its forward takes log-mel features of shape
        (batch, n_mels, 3000).

    Raises:
        DataError: the file is not a CTranslate2 Whisper model.
    """
    import torch
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    variables = read_ct2(path)
    state = {}
    for name, values in _encoder_state(variables).items():
        for pattern, replacement in _TRANSFORMERS_NAMES:
            name = re.sub(pattern, replacement, name)
        state[name] = torch.from_numpy(values)
    encoder: WhisperEncoder = WhisperEncoder(_transformers_config(variables))
    encoder.load_state_dict(state)
    encoder.train(False)
    return encoder


def _transformers_config(variables: Mapping[str, npt.NDArray[Any]]) -> WhisperConfig:
    from transformers import WhisperConfig

    sizes = dimensions(variables)
    return WhisperConfig(
        vocab_size=sizes["n_vocab"],
        num_mel_bins=sizes["n_mels"],
        d_model=sizes["n_audio_state"],
        encoder_layers=sizes["n_audio_layer"],
        encoder_attention_heads=sizes["n_audio_head"],
        encoder_ffn_dim=variables["encoder/layer_0/ffn/linear_0/weight"].shape[0],
        decoder_layers=sizes["n_text_layer"],
        decoder_attention_heads=sizes["n_text_head"],
        max_source_positions=sizes["n_audio_ctx"],
        max_target_positions=sizes["n_text_ctx"],
    )
