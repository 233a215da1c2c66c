"""The entailment labeler: the contract, and where its numbers come from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_models import nli_folder

from lanser_bench import MissingDependencyError, PluginError, SettingsError, TextRecord
from lanser_bench.counting import tallied
from lanser_bench.plugins.discovery import registry
from lanser_bench.testing import LabelerSuite
from lanser_bench.testing._labeler import TAXONOMY, TEXTS


def entailment(**options: Any) -> Any:
    return registry().create("labeler", "entailment", options)


def records(*texts: str) -> list[TextRecord]:
    return [TextRecord(id=str(i), text=text) for i, text in enumerate(texts)]


class TestEntailmentContract(LabelerSuite):
    @pytest.fixture(autouse=True)
    def _folder(self, nli: Path) -> None:
        type(self).folder = nli

    folder: Path

    def make(self) -> Any:
        return entailment(model=str(self.folder), templates="all", max_tokens=64)


class TestIndependentContract(TestEntailmentContract):
    def make(self) -> Any:
        return entailment(model=str(self.folder), scoring="independent", max_tokens=64)


@pytest.mark.slow
class TestOwnModel(LabelerSuite):
    def make(self) -> Any:
        return entailment()


@pytest.mark.slow
def test_our_own_model_tells_plain_emotions_apart() -> None:
    found = entailment().score(
        records("I am so angry with you!", "I am so happy today!", "I feel so sad and lonely."),
        TAXONOMY,
    )
    assert found.values.argmax(axis=1).tolist() == [0, 1, 2]


def reference(folder: Path, text: str, hypothesis: str) -> Any:
    """Logits of one pair by transformers alone."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    with torch.inference_mode():
        return model(**tokenizer(text, hypothesis, return_tensors="pt")).logits[0].numpy()


def test_scores_are_the_softmax_over_labels_of_entailment_logits(nli: Path) -> None:
    found = entailment(model=str(nli)).score(records("we won!"), TAXONOMY)
    logits = np.stack([reference(nli, "we won!", h) for h in TAXONOMY.hypotheses()])
    assert found.logits is not None
    # Entailment first, then contradiction, whatever the model's order.
    np.testing.assert_allclose(found.logits[0], logits[:, [2, 0, 1]], atol=1e-5)
    expected = np.exp(logits[:, 2]) / np.exp(logits[:, 2]).sum()
    np.testing.assert_allclose(found.values[0], expected, atol=1e-5)
    assert found.kind == "distribution"


def test_independent_scores_weigh_entailment_against_contradiction(nli: Path) -> None:
    found = entailment(model=str(nli), scoring="independent").score(records("we won!"), TAXONOMY)
    logits = np.stack([reference(nli, "we won!", h) for h in TAXONOMY.hypotheses()])
    expected = 1 / (1 + np.exp(logits[:, 0] - logits[:, 2]))
    np.testing.assert_allclose(found.values[0], expected, atol=1e-5)
    assert found.kind == "independent"


def test_several_templates_are_averaged(nli: Path) -> None:
    both = entailment(model=str(nli), templates="all").score(records(*TEXTS[:2]), TAXONOMY)
    single = [
        entailment(model=str(nli), templates=[t]).score(records(*TEXTS[:2]), TAXONOMY).logits
        for t in TAXONOMY.templates
    ]
    np.testing.assert_allclose(both.logits, np.mean(single, axis=0), atol=1e-5)


def test_no_batch_is_over_budget_and_every_pair_is_scored_once() -> None:
    from lanser_bench_plugins._tokens import batches

    lengths = [3, 50, 7, 7, 21, 3, 90]
    found = list(batches(lengths, 64))
    assert sorted(i for batch in found for i in batch) == list(range(7))
    for batch in found:
        assert len(batch) == 1 or len(batch) * max(lengths[i] for i in batch) <= 64
    assert found[0] == [6]


def test_equal_texts_are_sent_to_the_model_once(nli: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    labeler = entailment(model=str(nli))
    seen: list[list[str]] = []
    inner = labeler._logits

    def spy(model: Any, texts: list[str], *others: Any) -> Any:
        seen.append(list(dict.fromkeys(texts)))
        return inner(model, texts, *others)

    monkeypatch.setattr(labeler, "_logits", spy)
    found = labeler.score(records("b", "a", "b ", ""), TAXONOMY)
    assert seen == [["a", "b"]]
    np.testing.assert_array_equal(found.values[0], found.values[2])
    assert found.abstained.tolist() == [False, False, False, True]


@pytest.mark.parametrize(
    ("classes", "columns"),
    [
        (("CONTRADICTION", "NEUTRAL", "ENTAILMENT"), (2, 0)),
        (("entailment", "neutral", "contradiction"), (0, 2)),
        (("entailment", "not_entailment"), (0, 1)),
    ],
)
def test_the_columns_are_found_by_name(classes: tuple[str, ...], columns: tuple[int, int]) -> None:
    from lanser_bench_plugins.labelers._nli_models import nli_columns

    assert nli_columns(dict(enumerate(classes)), "m") == columns


def test_a_model_that_is_no_nli_model_is_refused(tmp_path: Path) -> None:
    folder = nli_folder(tmp_path, ("LABEL_0", "LABEL_1"))
    with pytest.raises(PluginError, match="LABEL_0, LABEL_1, and none is called entailment"):
        entailment(model=str(folder)).score(records("a"), TAXONOMY)


def test_a_folder_without_safetensors_is_refused(tmp_path: Path, nli: Path) -> None:
    for file in nli.iterdir():
        if file.suffix != ".safetensors":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises(MissingDependencyError, match="does not load"):
        entailment(model=str(tmp_path)).score(records("a"), TAXONOMY)


def test_other_weights_have_another_fingerprint(tmp_path: Path, nli: Path) -> None:
    other = nli_folder(tmp_path, ("entailment", "not_entailment"))
    assert entailment(model=str(nli)).fingerprint() != entailment(model=str(other)).fingerprint()


def test_a_template_without_a_slot_and_an_empty_list_are_refused() -> None:
    with pytest.raises(SettingsError, match="exactly one"):
        entailment(templates=["I am sad."])
    with pytest.raises(SettingsError, match="at least one template"):
        entailment(templates=[])


class TestWithContextContract(TestEntailmentContract):
    def make(self) -> Any:
        return entailment(model=str(self.folder), context=2, max_tokens=64)


class TestBfloat16Contract(TestEntailmentContract):
    tolerance = 0.02

    def make(self) -> Any:
        return entailment(model=str(self.folder), precision="bf16", max_tokens=64)


def test_the_context_stands_before_the_text_in_order(nli: Path) -> None:
    said = TextRecord(id="a", text="no.", context=("where?", "there.", "sure?"))
    found = entailment(model=str(nli), context=2).score([said], TAXONOMY)
    plain = entailment(model=str(nli)).score(records("there. sure? no."), TAXONOMY)
    np.testing.assert_allclose(found.values, plain.values, atol=1e-6)
    assert entailment().reads == {"text"}
    assert entailment(context=1).reads == {"text", "context"}


def test_a_long_context_loses_its_beginning_and_never_the_text(nli: Path) -> None:
    labeler = entailment(model=str(nli), context=1, max_tokens=40)
    short, long = (TextRecord(id="a", text="we won", context=("b" * n + " sad",)) for n in (80, 90))
    other = TextRecord(id="a", text="we lost", context=("b" * 80 + " sad",))
    found = labeler.score([short, long, other], TAXONOMY).values
    np.testing.assert_allclose(found[0], found[1], atol=1e-6)
    assert abs(found[0] - found[2]).max() > 1e-4


def test_a_context_without_text_still_abstains(nli: Path) -> None:
    silent = TextRecord(id="a", text=" ", context=("where?",))
    assert entailment(model=str(nli), context=1).score([silent], TAXONOMY).abstained.tolist() == [
        True
    ]


def test_reduced_precision_scores_close_calls_again_in_float32(nli: Path) -> None:
    exact = entailment(model=str(nli)).score(records(*TEXTS), TAXONOMY).values
    wide = entailment(model=str(nli), precision="bf16", recheck=1e6)
    np.testing.assert_allclose(wide.score(records(*TEXTS), TAXONOMY).values, exact, atol=1e-6)
    never = entailment(model=str(nli), precision="bf16", recheck=0)
    rough = never.score(records(*TEXTS), TAXONOMY).values
    assert 0 < abs(rough - exact).max() < 0.05


def test_only_labels_that_compete_for_the_first_place_are_scored_again(
    nli: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labeler = entailment(model=str(nli), precision="bf16", recheck=0.02)
    monkeypatch.setattr(labeler, "_logits", lambda *_: np.full((len(_[1]), 3), 9.0, np.float32))
    logits = np.zeros((4, 3, 3), np.float32)
    logits[:, :, 0] = [[1.0, 0.99, 0.0], [1.0, 0.9, 0.99], [1.0, 0.5, 0.5], [1.0, 1.0, 1.0]]
    labeler._recheck(logits, ["a", "b", "c", ""], TAXONOMY.hypotheses())
    assert (logits[:, :, 0] == 9).tolist() == [
        [True, True, False],
        [True, False, True],
        [False, False, False],
        [False, False, False],
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"precision": "int8"}, "needs backend: onnx"),
        ({"backend": "onnx", "precision": "bf16"}, "float32 or int8"),
        ({"backend": "onnx", "device": "cuda"}, "on the cpu"),
    ],
)
def test_impossible_precisions_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        entailment(**options)


def test_pairs_that_do_not_fit_into_memory_are_scored_in_parts(
    nli: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = entailment(model=str(nli)).score(records(*TEXTS), TAXONOMY)
    labeler = entailment(model=str(nli))
    model = type(labeler._models[0])
    logits = model.logits

    def short(self: Any, encoded: Any, rows: Any, tokenizer: Any) -> Any:
        if len(rows) > 4:
            raise MemoryError
        return logits(self, encoded, rows, tokenizer)

    monkeypatch.setattr(model, "logits", short)
    with tallied() as tally:
        parts = labeler.score(records(*TEXTS), TAXONOMY)
    assert tally["memory_halvings"] > 0
    np.testing.assert_allclose(parts.values, whole.values, atol=1e-6)
