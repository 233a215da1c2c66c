"""Causal likelihoods against transformers called by hand."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lanser_bench_plugins import _devices
from tiny_language_models import causal_folder

from lanser_bench import SettingsError, TextRecord
from lanser_bench.plugins.discovery import registry
from lanser_bench.testing import LabelerSuite
from lanser_bench.testing._labeler import TAXONOMY


@pytest.fixture(scope="session")
def causal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return causal_folder(tmp_path_factory.mktemp("causal"))


def llm(**options: Any) -> Any:
    return registry().create("labeler", "llm", options)


def record(text: str) -> TextRecord:
    return TextRecord(id=text, text=text)


class TestLLMContract(LabelerSuite):
    folder: Path

    @pytest.fixture(autouse=True)
    def _folder(self, causal: Path) -> None:
        type(self).folder = causal

    def make(self) -> Any:
        return llm(model=str(self.folder), max_tokens=64)


def by_hand(folder: Path, prompt: str, word: str) -> float:
    """Mean log-probability per token of a word after a prompt, in one forward pass."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    start = tokenizer(prompt)["input_ids"]
    ids = torch.tensor([start + tokenizer(" " + word)["input_ids"]])
    with torch.inference_mode():
        logs = model(ids).logits[0].log_softmax(-1)
    places = range(len(start), ids.shape[1])
    return float(np.mean([float(logs[i - 1, ids[0, i]]) for i in places]))


PROMPT = 'Someone says: "{}" In other words: I am'


@pytest.mark.parametrize("batch_tokens", [256, 2048])
def test_scores_are_likelihoods_per_token(causal: Path, batch_tokens: int) -> None:
    labeler = llm(model=str(causal), prior="none", batch_tokens=batch_tokens)
    found = labeler.score([record("we won"), record("she lost"), record("no")], TAXONOMY)
    words = [label.hypothesis for label in TAXONOMY.labels]
    expected = [
        [by_hand(causal, PROMPT.format(text), word) for word in words]
        for text in ("we won", "she lost", "no")
    ]
    np.testing.assert_allclose(found.logits, expected, atol=1e-4)


def test_a_word_of_one_token_and_words_of_many_are_both_scored(causal: Path) -> None:
    labeler = llm(model=str(causal), prior="none")
    from lanser_bench_plugins.labelers._language_models import wording

    lengths = [
        len(wording(labeler._model[1], "I am {}.", word).word) for word in ("sad", "angry", "happy")
    ]
    assert lengths[0] == 1
    assert min(lengths[1:]) > 3


def test_the_prior_is_the_likelihood_without_a_text(causal: Path) -> None:
    raw = llm(model=str(causal), prior="none").score([record("we won")], TAXONOMY).logits
    less = llm(model=str(causal)).score([record("we won")], TAXONOMY).logits
    nothing = [by_hand(causal, PROMPT.format(""), label.hypothesis) for label in TAXONOMY.labels]
    np.testing.assert_allclose(raw - less, [nothing], atol=1e-4)


def test_a_model_and_one_place_for_the_text_have_to_be_named() -> None:
    with pytest.raises(SettingsError, match=r"option 'model'.*'base_url'.*none comes"):
        llm()
    with pytest.raises(SettingsError, match=r"exactly one '\{text\}'"):
        llm(model="x", prompt="Say it:")
    with pytest.raises(SettingsError, match="base_url"):
        llm(model="x", base_url="file:///etc/passwd")


def test_another_prompt_gives_other_scores(causal: Path) -> None:
    one = llm(model=str(causal)).score([record("we won")], TAXONOMY)
    other = llm(model=str(causal), prompt="{text} So").score([record("we won")], TAXONOMY)
    assert not np.allclose(one.values, other.values)


TEMPLATE = (
    "{% for turn in messages %}<|end|>{{ turn['role'] }}: {{ turn['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}<|end|>assistant: {{ strftime_now('%Y') }} {% endif %}"
)


@pytest.fixture(scope="session")
def chat(causal: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same model with a chat template, which contains special tokens and the date."""
    from transformers import AutoTokenizer

    folder = tmp_path_factory.mktemp("chat")
    shutil.copytree(causal, folder, dirs_exist_ok=True)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(folder)
    return folder


def test_a_chat_template_puts_the_prompt_into_the_users_turn(chat: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    labeler = llm(model=str(chat), prior="none")
    found = labeler.score([record("we won")], TAXONOMY).logits
    tokenizer = AutoTokenizer.from_pretrained(chat)
    model = AutoModelForCausalLM.from_pretrained(chat).eval()
    turn = 'Someone says: "we won" In other words:'
    start = tokenizer(f"<|end|>user: {turn}<|end|>assistant: 01 January 2025 I am")["input_ids"]
    expected = []
    for label in TAXONOMY.labels:
        ids = torch.tensor([start + tokenizer(" " + label.hypothesis)["input_ids"]])
        with torch.inference_mode():
            logs = model(ids).logits[0].log_softmax(-1)
        places = range(len(start), ids.shape[1])
        expected.append(np.mean([float(logs[i - 1, ids[0, i]]) for i in places]))
    np.testing.assert_allclose(found, [expected], atol=1e-4)


def test_no_chat_template_is_used_if_none_is_asked_for(causal: Path, chat: Path) -> None:
    plain = llm(model=str(causal)).score([record("we won")], TAXONOMY).values
    off = llm(model=str(chat), chat_template="none").score([record("we won")], TAXONOMY).values
    on = llm(model=str(chat)).score([record("we won")], TAXONOMY).values
    np.testing.assert_array_equal(plain, off)
    assert not np.allclose(plain, on)


def test_a_text_cannot_end_the_users_turn(chat: Path) -> None:
    labeler = llm(model=str(chat))
    end = labeler._model[1].eos_token_id
    assert labeler._ids("no<|end|>").count(end) == labeler._ids("no").count(end) == 2


def test_several_prompts_are_averaged(causal: Path) -> None:
    prompts = ['"{text}" So', "{text} Well,"]
    both, one, other = (
        llm(model=str(causal), prompt=prompt).score([record("we won")], TAXONOMY).logits
        for prompt in (prompts, *prompts)
    )
    np.testing.assert_allclose(both, (one + other) / 2, atol=1e-5)


def test_several_prompts_need_a_text_each_and_no_server() -> None:
    with pytest.raises(SettingsError, match=r"exactly one '\{text\}'"):
        llm(model="x", prompt=["{text}", "no place"])
    with pytest.raises(SettingsError, match="a server takes one prompt"):
        llm(model="x", prompt=["{text}", "{text}!"], base_url="http://localhost:1/v1")


def test_bf16_is_close_to_float32(causal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_devices, "_cpu_computes", lambda _: True)  # slowly, on every CPU
    half = llm(model=str(causal), precision="bf16")
    exact = llm(model=str(causal)).score([record("we won")], TAXONOMY).values
    assert str(half._model[0].dtype) == "torch.bfloat16"
    np.testing.assert_allclose(half.score([record("we won")], TAXONOMY).values, exact, atol=0.05)
