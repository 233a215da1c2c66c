"""Writes small random Whisper models in CTranslate2's binary format."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

KINDS = {"float32": 0, "int8": 1, "int16": 2, "int32": 3, "float16": 4}


def text(value: str) -> bytes:
    raw = value.encode() + b"\0"
    return struct.pack("<H", len(raw)) + raw


def write_ct2(path: Path, arrays: Mapping[str, npt.NDArray[Any]], version: int = 6) -> None:
    """Lays arrays out as CTranslate2's converters do."""
    out = struct.pack("<I", version) + text("WhisperSpec") + struct.pack("<II", 3, len(arrays))
    for name, values in arrays.items():
        out += text(name) + struct.pack(f"<B{values.ndim}I", values.ndim, *values.shape)
        out += struct.pack("<BI", KINDS[str(values.dtype)], values.nbytes) + values.tobytes()
    aliases = {"decoder/projection/weight": "decoder/embeddings/weight"}
    out += struct.pack("<I", len(aliases))
    for alias, name in aliases.items():
        out += text(alias) + text(name)
    path.write_bytes(out)


def from_openai(state: Mapping[str, Any], heads: int) -> dict[str, npt.NDArray[Any]]:
    """Stacks an openai-whisper state dict's projections as CTranslate2 does."""
    s = {name: values.numpy() for name, values in state.items()}
    arrays: dict[str, npt.NDArray[Any]] = {}

    def linear(target: str, *sources: str) -> None:
        weights = [s[f"{source}.weight"] for source in sources]
        biases = [
            s.get(f"{source}.bias", np.zeros(len(weights[0]), np.float32)) for source in sources
        ]
        arrays[f"{target}/weight"] = np.concatenate(weights)
        arrays[f"{target}/bias"] = np.concatenate(biases)

    def norm(target: str, source: str) -> None:
        arrays[f"{target}/gamma"] = s[f"{source}.weight"]
        arrays[f"{target}/beta"] = s[f"{source}.bias"]

    for side, last in (("encoder", "ln_post"), ("decoder", "ln")):
        arrays[f"{side}/num_heads"] = np.array(heads, np.int16)
        arrays[f"{side}/position_encodings/encodings"] = s[f"{side}.positional_embedding"]
        norm(f"{side}/layer_norm", f"{side}.{last}")
        for i in range(len({n.split(".")[2] for n in s if n.startswith(f"{side}.blocks.")})):
            to, of = f"{side}/layer_{i}", f"{side}.blocks.{i}"
            linear(
                f"{to}/self_attention/linear_0",
                *(f"{of}.attn.{n}" for n in ("query", "key", "value")),
            )
            linear(f"{to}/self_attention/linear_1", f"{of}.attn.out")
            norm(f"{to}/self_attention/layer_norm", f"{of}.attn_ln")
            linear(f"{to}/ffn/linear_0", f"{of}.mlp.0")
            linear(f"{to}/ffn/linear_1", f"{of}.mlp.2")
            norm(f"{to}/ffn/layer_norm", f"{of}.mlp_ln")
            if side == "decoder":
                linear(f"{to}/attention/linear_0", f"{of}.cross_attn.query")
                linear(f"{to}/attention/linear_1", f"{of}.cross_attn.key", f"{of}.cross_attn.value")
                linear(f"{to}/attention/linear_2", f"{of}.cross_attn.out")
                norm(f"{to}/attention/layer_norm", f"{of}.cross_attn_ln")
    linear("encoder/conv1", "encoder.conv1")
    linear("encoder/conv2", "encoder.conv2")
    arrays["decoder/embeddings/weight"] = s["decoder.token_embedding.weight"]
    return arrays
