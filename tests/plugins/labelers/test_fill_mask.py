"""The cloze labeler: the contract, and its numbers against transformers called by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lanser_bench_plugins import _devices
from tiny_language_models import headless_folder, masked_folder

from lanser_bench import MissingDependencyError, PluginError, SettingsError, TextRecord
from lanser_bench.plugins.discovery import registry
from lanser_bench.testing import LabelerSuite
from lanser_bench.testing._labeler import TAXONOMY


@pytest.fixture(scope="session")
def masked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return masked_folder(tmp_path_factory.mktemp("masked"))


def fill_mask(**options: Any) -> Any:
    return registry().create("labeler", "fill-mask", options)


def record(text: str) -> TextRecord:
    return TextRecord(id=text, text=text)


class TestFillMaskContract(LabelerSuite):
    folder: Path

    @pytest.fixture(autouse=True)
    def _folder(self, masked: Path) -> None:
        type(self).folder = masked

    def make(self) -> Any:
        return fill_mask(model=str(self.folder))


def by_hand(folder: Path, text: str, before: str, word: str, after: str) -> float:
    """Mean log-probability per token, left to right, later tokens of the word masked."""
    import torch
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForMaskedLM.from_pretrained(folder).eval()
    whole = tokenizer(f"{text} {before}{word}{after}", return_tensors="pt")
    start = len(tokenizer(f"{text} {before}")["input_ids"]) - 1
    end = start + len(tokenizer(word, add_special_tokens=False)["input_ids"])
    logs = []
    for place in range(start, end):
        ids = whole["input_ids"].clone()
        ids[0, place:end] = tokenizer.mask_token_id
        with torch.inference_mode():
            row = model(input_ids=ids).logits[0, place].log_softmax(-1)
        logs.append(float(row[whole["input_ids"][0, place]]))
    return float(np.mean(logs))


def test_scores_are_pseudo_likelihoods_per_token(masked: Path) -> None:
    found = fill_mask(model=str(masked), prior="none").score([record("we won")], TAXONOMY)
    words = [label.hypothesis for label in TAXONOMY.labels]
    expected = [by_hand(masked, "we won", "i am ", word, ".") for word in words]
    np.testing.assert_allclose(found.logits[0], expected, atol=1e-4)
    np.testing.assert_allclose(
        found.values[0], np.exp(expected) / np.exp(expected).sum(), rtol=1e-3
    )


def test_the_prior_is_the_likelihood_without_a_text(masked: Path) -> None:
    plain = fill_mask(model=str(masked), prior="none")
    raw = plain.score([record("we won")], TAXONOMY).logits
    less = fill_mask(model=str(masked)).score([record("we won")], TAXONOMY).logits
    nothing = [by_hand(masked, "", "i am ", label.hypothesis, ".") for label in TAXONOMY.labels]
    np.testing.assert_allclose(raw - less, [nothing], atol=1e-4)


def test_synonyms_are_averaged_in_likelihood(masked: Path) -> None:
    found = fill_mask(model=str(masked), prior="none", synonyms=True)
    logits = found.score([record("we won")], TAXONOMY).logits[0]
    both = [by_hand(masked, "we won", "i am ", word, ".") for word in ("happy", "delighted")]
    assert logits[1] == pytest.approx(np.log(np.mean(np.exp(both))), abs=1e-4)


def test_mask_tokens_in_a_text_are_words_and_no_masks(masked: Path) -> None:
    odd = fill_mask(model=str(masked)).score([record("[MASK] we won")], TAXONOMY)
    assert np.isfinite(odd.values).all()
    spelt = fill_mask(model=str(masked))._tokens("[MASK]")
    assert spelt != [4]


def test_shorter_types_are_close_to_float32(masked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_devices, "_cpu_computes", lambda _: True)  # slowly, on every CPU
    records = [record("we won"), record("it rains")]
    exact = fill_mask(model=str(masked)).score(records, TAXONOMY).values
    half = fill_mask(model=str(masked), precision="bf16").score(records, TAXONOMY).values
    np.testing.assert_allclose(half, exact, atol=0.05)
    assert not np.array_equal(half, exact)


def test_a_model_has_to_be_named() -> None:
    with pytest.raises(SettingsError, match=r"labeler 'fill-mask': .*option 'model'.*none comes"):
        fill_mask()


def test_a_model_that_is_nowhere_says_so() -> None:
    with pytest.raises(MissingDependencyError, match="does not exist"):
        fill_mask(model="./no/such/folder").fingerprint()


def test_a_model_without_the_head_is_refused(tmp_path: Path) -> None:
    folder = headless_folder(tmp_path)
    with pytest.raises(PluginError, match="masked language model: its weights lack cls"):
        fill_mask(model=str(folder)).score([record("a")], TAXONOMY)


def test_several_templates_are_averaged(masked: Path) -> None:
    both = fill_mask(model=str(masked), templates="all", prior="none")
    single = [
        fill_mask(model=str(masked), templates=[template], prior="none")
        for template in TAXONOMY.templates
    ]
    logits = [labeler.score([record("we won")], TAXONOMY).logits for labeler in single]
    found = both.score([record("we won")], TAXONOMY).logits
    np.testing.assert_allclose(found, np.mean(logits, axis=0), atol=1e-4)
