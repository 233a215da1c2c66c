"""Reads a CTranslate2 Whisper model and converts its weights for other libraries, without loss.

A converted Whisper model contains OpenAI's own float16 weights. CTranslate2 only stacks the
projections of self-attention (query, key, value in ``linear_0``) and of cross-attention (key, value
in ``linear_1``), and adds a bias of zeros to Whisper's key projection, which has none. This module
undoes both, so faster-whisper, openai-whisper and transformers share one set of weights.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lanser_bench import DataError

if TYPE_CHECKING:
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

Arrays = dict[str, npt.NDArray[Any]]
Variables = Mapping[str, npt.NDArray[Any]]
BFLOAT16 = 5
DTYPES = {0: "<f4", 1: "i1", 2: "<i2", 3: "<i4", 4: "<f2", BFLOAT16: "<u2"}
POSITION = 320
"""Samples per position of a Whisper encoder: a mel hop of 160, halved by a convolution."""
VERSIONS = range(4, 7)
"""Versions of CTranslate2's binary format that are read."""
SELF_ATTENTION = (("query", "key", "value"), ("out",))
CROSS_ATTENTION = (("query",), ("key", "value"), ("out",))
"""Projections that CTranslate2 stacks in ``linear_0``, ``linear_1`` …"""


def read_ct2(path: Path) -> Arrays:
    """Reads the variables of a CTranslate2 ``model.bin``, given the file or its folder.

    Returns:
        Arrays by CTranslate2's names, in the file's types (bfloat16 as float32), read from disk
        when they are used.

    Raises:
        DataError: the file is no CTranslate2 model of a known version, or is truncated.
    """
    file = path / "model.bin" if path.is_dir() else path
    try:
        return _variables(np.memmap(file, np.uint8, "r"))
    except (OSError, ValueError, KeyError, IndexError, struct.error) as error:
        raise DataError(f"{file} is not a complete CTranslate2 model: {error}.") from None


class _Reader:
    """Reads the file's little-endian fields in order."""

    def __init__(self, raw: npt.NDArray[np.uint8]) -> None:
        self.raw = raw
        self.offset = 0

    def take(self, size: int) -> npt.NDArray[np.uint8]:
        part = self.raw[self.offset : self.offset + size]
        if len(part) < size:
            raise ValueError(f"it ends at byte {len(self.raw)}")
        self.offset += size
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
        raise ValueError(f"format version {version} is unknown")
    reader.text()  # the specification's name
    reader.number("I")  # and revision
    variables: Arrays = {}
    for _ in range(reader.number("I")):
        name = reader.text()
        shape = [reader.number("I") for _ in range(reader.number("B"))]
        kind = reader.number("B")
        values = reader.take(reader.number("I")).view(DTYPES[kind]).reshape(shape)
        if kind == BFLOAT16:
            values = (values.astype(np.uint32) << 16).view(np.float32)
        variables[name] = values
    for _ in range(reader.number("I")):
        alias = reader.text()
        variables[alias] = variables[reader.text()]
    return variables


def dimensions(variables: Variables) -> dict[str, int]:
    """Returns the sizes of a Whisper model under the names of openai-whisper's ModelDimensions."""
    width, mels, _ = variables["encoder/conv1/weight"].shape
    sizes = {"n_mels": mels, "n_vocab": variables["decoder/embeddings/weight"].shape[0]}
    for side, prefix in (("audio", "encoder"), ("text", "decoder")):
        layers = {m[1] for n in variables if (m := re.match(rf"{prefix}/layer_(\d+)/", n))}
        sizes |= {
            f"n_{side}_ctx": variables[f"{prefix}/position_encodings/encodings"].shape[0],
            f"n_{side}_state": width,
            f"n_{side}_head": int(variables[f"{prefix}/num_heads"]),
            f"n_{side}_layer": len(layers),
        }
    return {name: int(size) for name, size in sizes.items()}


def openai_state_dict(variables: Variables) -> Arrays:
    """Returns a Whisper model's weights as float32 under openai-whisper's names."""
    layers = dimensions(variables)["n_text_layer"]
    state = _encoder_state(variables) | _stack(variables, "decoder", layers)
    state["decoder.token_embedding.weight"] = _weight(variables, "decoder/embeddings")
    for i in range(layers):
        source, target = f"decoder/layer_{i}/attention", f"decoder.blocks.{i}.cross_attn"
        state |= _attention(variables, source, target, CROSS_ATTENTION)
    return state | _norm(variables, "decoder/layer_norm", "decoder.ln")


def _encoder_state(variables: Variables) -> Arrays:
    state = _stack(variables, "encoder", dimensions(variables)["n_audio_layer"])
    for name in ("conv1", "conv2"):
        state |= _linear(variables, f"encoder/{name}", [f"encoder.{name}"])
    return state | _norm(variables, "encoder/layer_norm", "encoder.ln_post")


def _stack(variables: Variables, side: str, layers: int) -> Arrays:
    """The parts that encoder and decoder share: positions and blocks."""
    positions = _float(variables[f"{side}/position_encodings/encodings"])
    state: Arrays = {f"{side}.positional_embedding": positions}
    for i in range(layers):
        source, target = f"{side}/layer_{i}", f"{side}.blocks.{i}"
        own, other = f"{source}/self_attention", f"{target}.attn"
        state |= _attention(variables, own, other, SELF_ATTENTION)
        state |= _linear(variables, f"{source}/ffn/linear_0", [f"{target}.mlp.0"])
        state |= _linear(variables, f"{source}/ffn/linear_1", [f"{target}.mlp.2"])
        state |= _norm(variables, f"{source}/ffn/layer_norm", f"{target}.mlp_ln")
    return state


def _attention(
    variables: Variables, source: str, target: str, stacked: tuple[tuple[str, ...], ...]
) -> Arrays:
    state = _norm(variables, f"{source}/layer_norm", f"{target}_ln")
    for number, parts in enumerate(stacked):
        targets = [f"{target}.{part}" for part in parts]
        state |= _linear(variables, f"{source}/linear_{number}", targets)
    return state


def _linear(variables: Variables, source: str, targets: list[str]) -> Arrays:
    """Splits a stacked projection into its parts; a key projection has no bias in Whisper."""
    weights = np.split(_weight(variables, source), len(targets))
    biases = np.split(_float(variables[f"{source}/bias"]), len(targets))
    state: Arrays = {}
    for target, weight, bias in zip(targets, weights, biases, strict=True):
        state[f"{target}.weight"] = weight
        if not target.endswith(".key"):
            state[f"{target}.bias"] = bias
        elif bias.any():
            raise DataError(f"{source} has a key bias, so this is not a Whisper model.")
    return state


def _norm(variables: Variables, source: str, target: str) -> Arrays:
    names = (("weight", "gamma"), ("bias", "beta"))
    return {f"{target}.{own}": _float(variables[f"{source}/{name}"]) for own, name in names}


def _weight(variables: Variables, source: str) -> npt.NDArray[np.float32]:
    """Returns a weight; int8 and int16 weights are values times the scale of their row."""
    weight = variables[f"{source}/weight"]
    if weight.dtype.kind != "i":
        return _float(weight)
    scale = _float(variables[f"{source}/weight_scale"])
    return _float(weight) / scale.reshape(scale.shape + (1,) * (weight.ndim - scale.ndim))


def _float(values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    return np.array(values, np.float32)


# Names of an encoder's parts: openai-whisper's → transformers'.
_TRANSFORMERS_NAMES = (
    (r"^encoder\.", ""),
    (r"^blocks\.", "layers."),
    (r"^ln_post\.", "layer_norm."),
    (r"^positional_embedding$", "embed_positions.weight"),
    (r"\.attn_ln\.", ".self_attn_layer_norm."),
    (r"\.mlp_ln\.", ".final_layer_norm."),
    (r"\.mlp\.0\.", ".fc1."),
    (r"\.mlp\.2\.", ".fc2."),
    (r"\.attn\.([qkv])(uery|ey|alue)\.", r".self_attn.\1_proj."),
    (r"\.attn\.out\.", ".self_attn.out_proj."),
)


def transformers_encoder(path: Path) -> WhisperEncoder:
    """Builds transformers' Whisper encoder from a CTranslate2 model's folder or ``model.bin``.

    Returns:
        A float32 ``WhisperEncoder`` in eval mode, for log-mel of shape (batch, n_mels, 3000).

    Raises:
        DataError: the file is not a CTranslate2 Whisper model.
    """
    import torch
    from transformers import WhisperConfig
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    variables = read_ct2(path)
    sizes = dimensions(variables)
    config = WhisperConfig(
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
    state = {}
    for name, values in _encoder_state(variables).items():
        for pattern, replacement in _TRANSFORMERS_NAMES:
            name = re.sub(pattern, replacement, name)
        state[name] = torch.from_numpy(values)
    encoder: WhisperEncoder = WhisperEncoder(config)
    encoder.load_state_dict(state)
    encoder.train(False)
    return encoder


@contextmanager
def cut_positions(encoder: Any, positions: int) -> Iterator[None]:
    """Lets transformers' Whisper encoder accept input shorter than its 30 s.

    Its forward pass requires exactly as many positions as its embedding has.
    """
    import torch

    whole, most = encoder.embed_positions, encoder.config.max_source_positions
    weight = whole.weight[:positions].detach()
    encoder.embed_positions = torch.nn.Embedding(
        positions, weight.shape[1], _weight=weight, _freeze=True
    )
    encoder.config.max_source_positions = positions
    try:
        yield
    finally:
        encoder.embed_positions, encoder.config.max_source_positions = whole, most
