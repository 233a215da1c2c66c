"""Models with only ``pytorch_model.bin`` give the numbers of their safetensors; no pickle runs."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lanser_bench_plugins._pickled import safe_folder
from lanser_bench_plugins.weights import resolve
from safetensors.torch import load_file

from lanser_bench import MissingDependencyError, TextRecord
from lanser_bench.plugins.discovery import registry
from lanser_bench.testing._labeler import TAXONOMY

for _folder in ("encoders", "labelers", "asr"):
    sys.path.append(str(Path(__file__).with_name(_folder)))
from tiny_models import sentence_folder, tokenizer  # noqa: E402
from tiny_recognisers import ctc_folder  # noqa: E402
from tiny_speech_models import speech_model  # noqa: E402

CLIP = (0.1 * np.random.default_rng(0).standard_normal(8_000)).astype(np.float32)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The test's own cache folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "lanser-bench" / "weights"


def pickled(folder: Path, *, legacy: bool = False, shards: int = 1) -> Path:
    """Replaces safetensors by what the hub has for older models, with their names of weights."""
    state = load_file(folder / "model.safetensors")
    for number, old in enumerate(("weight_g", "weight_v")):
        new = f"parametrizations.weight.original{number}"
        state = {name.replace(new, old): value for name, value in state.items()}
    names = sorted(state)
    for number in range(shards):
        part = {name: state[name] for name in names[number::shards]}
        ending = f"-{number + 1:05}-of-{shards:05}" if shards > 1 else ""
        file = folder / f"pytorch_model{ending}.bin"
        torch.save(part, file, _use_new_zipfile_serialization=not legacy)
    (folder / "model.safetensors").unlink()
    return folder


def layers(folder: Path) -> list[Any]:
    encoder = registry().create("encoder", "transformers", {"model": str(folder)})
    return list(encoder.extract([CLIP])[0])


@pytest.mark.slow
@pytest.mark.parametrize("family", ["wav2vec2", "wav2vec2-stable", "hubert", "wavlm", "whisper"])
def test_speech_encoders_give_the_same_numbers(family: str, tmp_path: Path, cache: Path) -> None:
    folder = speech_model(tmp_path / "model", family)
    expected = layers(folder)
    found = layers(pickled(folder))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
    assert len(list(cache.iterdir())) == 1
    assert not list(cache.rglob("*.bin"))


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"legacy": True}, {"shards": 2}], ids=["legacy", "shards"])
def test_older_formats_and_shards_are_read(options: dict[str, Any], tmp_path: Path) -> None:
    folder = speech_model(tmp_path / "model", "hubert")
    expected = layers(folder)
    for one, other in zip(layers(pickled(folder, **options)), expected, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_a_recogniser_gives_the_same_text(tmp_path: Path) -> None:
    from lanser_bench import Speech

    def text(folder: Path) -> Any:
        asr = registry().create("asr", "transformers", {"model": str(folder)})
        return asr.transcribe([Speech(CLIP)])

    folder = ctc_folder(tmp_path / "model")
    expected = text(folder)
    assert text(pickled(folder)) == expected


@pytest.mark.slow
def test_a_deberta_classifier_gives_the_same_scores(tmp_path: Path) -> None:
    from transformers import DebertaConfig, DebertaForSequenceClassification

    torch.manual_seed(0)
    config = DebertaConfig(  # as deberta-large-mnli, but small
        vocab_size=70,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
        type_vocab_size=0,
        relative_attention=True,
        position_biased_input=False,
        pos_att_type=["c2p", "p2c"],
        pooler_hidden_size=32,
        initializer_range=0.4,
        id2label={0: "CONTRADICTION", 1: "NEUTRAL", 2: "ENTAILMENT"},
    )
    folder = tmp_path / "model"
    DebertaForSequenceClassification(config).save_pretrained(folder)
    tokenizer().save_pretrained(folder)

    def values() -> Any:
        labeler = registry().create("labeler", "entailment", {"model": str(folder)})
        return labeler.score([TextRecord(id="a", text="we won")], TAXONOMY).values

    expected = values()
    pickled(folder)
    np.testing.assert_array_equal(values(), expected)


@pytest.mark.slow
def test_a_sentence_model_keeps_its_modules(tmp_path: Path) -> None:
    def values() -> Any:
        labeler = registry().create("labeler", "similarity", {"model": str(folder)})
        return labeler.score([TextRecord(id="a", text="we won")], TAXONOMY).values

    folder = sentence_folder(tmp_path)
    expected = values()
    pickled(folder)
    np.testing.assert_array_equal(values(), expected)


def test_it_is_converted_once_for_each_revision(tmp_path: Path, cache: Path) -> None:
    folder = pickled(speech_model(tmp_path / "model", "wavlm"))
    first = safe_folder(resolve(str(folder)))
    before = (first / "model.safetensors").stat().st_mtime_ns
    assert safe_folder(resolve(str(folder))) == first
    assert (first / "model.safetensors").stat().st_mtime_ns == before
    (folder / "config.json").write_text((folder / "config.json").read_text() + "\n")
    assert safe_folder(resolve(str(folder))) != first
    assert len(list(cache.iterdir())) == 2


class Command:
    """Its pickle runs a command when it is loaded without care."""

    def __reduce__(self) -> Any:
        return os.system, ("touch pickle-was-run",)


def test_a_pickle_with_code_is_refused_and_not_run(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = speech_model(tmp_path / "model", "hubert")
    state = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save({**state, "code": Command()}, folder / "pytorch_model.bin")
    with pytest.raises(MissingDependencyError, match=r"more than tensors.*refs/pr"):
        layers(folder)
    (folder / "pytorch_model.bin").write_bytes(b"not weights")
    with pytest.raises(MissingDependencyError, match="cannot be converted to safetensors"):
        layers(folder)
    assert not (tmp_path / "pickle-was-run").exists()
    assert not cache.exists() or not list(cache.iterdir())


def test_an_old_torch_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = pickled(speech_model(tmp_path / "model", "hubert"))
    monkeypatch.setattr(torch, "__version__", "2.5.1+cpu")
    with pytest.raises(MissingDependencyError, match=r"torch 2\.6 or later"):
        safe_folder(resolve(str(folder)))
