"""The entailment labeler over ONNX exports."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_models import tokenizer

from lanser_bench import MissingDependencyError, PluginError, SettingsError, TextRecord
from lanser_bench.plugins.discovery import registry
from lanser_bench.testing import LabelerSuite
from lanser_bench.testing._labeler import TAXONOMY

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
SLOPES = np.array([[-0.001, 0.0, 0.001]], np.float32)


def export(folder: Path, file: str = "model.onnx", classes: tuple[str, ...] = ()) -> Path:
    """A model whose logits are the sum of the tokens' numbers times `SLOPES`."""
    from onnx import TensorProto, helper, numpy_helper

    def input_of(name: str) -> Any:
        return helper.make_tensor_value_info(name, TensorProto.INT64, ["rows", "tokens"])

    nodes = [
        helper.make_node("Mul", ["input_ids", "attention_mask"], ["seen"]),
        helper.make_node("Cast", ["seen"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("ReduceSum", ["floats", "axis"], ["total"], keepdims=1),
        helper.make_node("MatMul", ["total", "slopes"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [input_of("input_ids"), input_of("attention_mask")],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["rows", 3])],
        [
            numpy_helper.from_array(SLOPES, "slopes"),
            numpy_helper.from_array(np.array([1], np.int64), "axis"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    place = folder / file
    place.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, str(place))
    tokenizer().save_pretrained(folder)
    names = classes or ("contradiction", "neutral", "entailment")
    config = {"model_type": "bert", "id2label": {str(i): name for i, name in enumerate(names)}}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


def entailment(folder: Path, **options: Any) -> Any:
    given = {"model": str(folder), "backend": "onnx", "max_tokens": 64, **options}
    return registry().create("labeler", "entailment", given)


class TestOnnxContract(LabelerSuite):
    @pytest.fixture(autouse=True)
    def _folder(self, tmp_path_factory: pytest.TempPathFactory) -> None:
        if "folder" not in vars(type(self)):
            type(self).folder = export(tmp_path_factory.mktemp("onnx"), "onnx/model.onnx")

    folder: Path

    def make(self) -> Any:
        return entailment(self.folder)


def test_logits_come_from_the_export(tmp_path: Path) -> None:
    found = entailment(export(tmp_path)).score([TextRecord(id="a", text="we won")], TAXONOMY)
    sums = [sum(tokenizer()("we won", h)["input_ids"]) for h in TAXONOMY.hypotheses()]
    np.testing.assert_allclose(
        found.logits[0], np.array(sums)[:, None] * SLOPES[:, [2, 0, 1]], rtol=1e-5
    )


def test_int8_takes_the_quantised_file_and_says_how_to_make_it(tmp_path: Path) -> None:
    folder = export(tmp_path)
    record = [TextRecord(id="a", text="we won")]
    with pytest.raises(PluginError, match=re.escape("quantize_dynamic, and call it model_int8")):
        entailment(folder, precision="int8").score(record, TAXONOMY)
    (folder / "model.onnx").rename(folder / "model_int8.onnx")
    assert entailment(folder, precision="int8").score(record, TAXONOMY).values.shape == (1, 3)
    with pytest.raises(PluginError, match="optimum-cli export onnx"):
        entailment(folder).score(record, TAXONOMY)


def test_int8_sums_are_whole_on_every_processor(tmp_path: Path) -> None:
    labeler = entailment(export(tmp_path, "model_int8.onnx"), precision="int8")
    settings = labeler._models[0].session.get_session_options()
    assert settings.get_session_config_entry("session.x64quantprecision") == "1"


def test_an_export_without_entailment_or_config_is_refused(tmp_path: Path) -> None:
    record = [TextRecord(id="a", text="we won")]
    folder = export(tmp_path, classes=("no", "maybe", "yes"))
    with pytest.raises(PluginError, match="no, maybe, yes, and none is called entailment"):
        entailment(folder).score(record, TAXONOMY)
    (folder / "config.json").unlink()
    with pytest.raises(MissingDependencyError, match=r"no config\.json with `id2label`"):
        entailment(folder).score(record, TAXONOMY)


def test_our_own_model_is_not_sought_as_an_export() -> None:
    labeler = registry().create("labeler", "entailment", {"backend": "onnx"})
    with pytest.raises(SettingsError, match="has no ONNX export"):
        labeler.score([TextRecord(id="a", text="we won")], TAXONOMY)


def test_the_runtime_is_part_of_the_fingerprint(tmp_path: Path) -> None:
    folder = export(tmp_path)
    assert "onnxruntime" in entailment(folder).fingerprint()
    assert "onnxruntime" not in entailment(folder, backend="torch").fingerprint()
