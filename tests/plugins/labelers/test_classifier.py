"""The classifier labeler: the contract, its numbers by hand, and how its labels are mapped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_models import classifier_folder, config, nli_folder, tokenizer

from lanser_bench import MissingDependencyError, SettingsError, TaxonomyError, TextRecord
from lanser_bench.plugins import find_taxonomy
from lanser_bench.plugins.discovery import registry
from lanser_bench.plugins.identity import plugin_identity
from lanser_bench.testing import LabelerSuite

EKMAN_7 = ("anger", "disgust", "fear", "joy", "neutral", "sadness", "surprise")
"""Of j-hartmann/emotion-english-distilroberta-base, in its order."""
TEXTS = ["we won!", "leave me alone.", "what is that?", "oh no, not again", "it is nine.", "why?"]


def taxonomy(name: str) -> Any:
    return find_taxonomy(registry(), name)


def classifier(folder: Path, **options: Any) -> Any:
    return registry().create("labeler", "classifier", {"model": str(folder), **options})


def records(*texts: str) -> list[TextRecord]:
    return [TextRecord(id=str(i), text=text) for i, text in enumerate(texts)]


@pytest.fixture(scope="session")
def ekman(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return classifier_folder(tmp_path_factory.mktemp("ekman"), EKMAN_7, kind="distilbert")


@pytest.fixture(scope="session")
def goemotions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The head of SamLowe/roberta-base-go_emotions: 28 labels, each alone."""
    names = tuple(taxonomy("goemotions-28").names)
    folder = tmp_path_factory.mktemp("goemotions")
    return classifier_folder(folder, names, "multi_label_classification")


@pytest.fixture(scope="session")
def unnamed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The labels of cardiffnlp/twitter-roberta-base-sentiment."""
    folder = tmp_path_factory.mktemp("unnamed")
    return classifier_folder(folder, ("LABEL_0", "LABEL_1", "LABEL_2"))


class TestClassifierContract(LabelerSuite):
    folder: Path

    @pytest.fixture(autouse=True)
    def _folder(self, ekman: Path) -> None:
        type(self).folder = ekman

    def make(self) -> Any:
        return classifier(self.folder, map={n: n for n in ("anger", "joy", "sadness")})

    def test_taxonomies_of_two_and_of_500_labels_are_scored(self) -> None:
        """The labels are the model's: a taxonomy that they do not map to is refused."""
        with pytest.raises(TaxonomyError, match="'anger' is not a label of sentiment-3"):
            self.make().score(self.records(self.texts), taxonomy("sentiment-3"))


class TestMultiLabelContract(TestClassifierContract):
    def make(self) -> Any:
        return classifier(
            self.folder,
            map={n: n for n in ("anger", "joy", "sadness")},
            activation="sigmoid",
            max_tokens=16,
        )


def by_hand(folder: Path, texts: list[str]) -> Any:
    """Logits of transformers alone, text by text."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    spelling = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    with torch.inference_mode():
        each = [model(**spelling(text, return_tensors="pt")).logits[0].numpy() for text in texts]
    return np.stack(each).astype(np.float64)


def test_shares_of_a_softmax_head_map_and_the_rest_becomes_abstention(ekman: Path) -> None:
    scores = classifier(ekman, taxonomy="goemotions-ekman").score(
        records(*TEXTS), taxonomy("ekman-6")
    )
    powers = np.exp(by_hand(ekman, TEXTS))
    shares = powers / powers.sum(axis=1, keepdims=True)
    kept, neutral = np.delete(shares, 4, axis=1), shares[:, 4]
    np.testing.assert_allclose(scores.logits, kept, atol=1e-5)
    lost = neutral > kept.max(axis=1)
    assert lost.any()
    assert not lost.all()
    np.testing.assert_array_equal(scores.abstained, lost)
    expected = np.where(lost[:, None], 1 / 6, kept + neutral[:, None] / 6)
    np.testing.assert_allclose(scores.values, expected, atol=1e-5)
    assert scores.kind == "distribution"


def test_all_labels_with_a_counterpart_leave_the_shares_as_they_are(ekman: Path) -> None:
    target = taxonomy("goemotions-ekman")
    scores = classifier(ekman).score(records(*TEXTS), target)
    powers = np.exp(by_hand(ekman, TEXTS))
    shares = powers / powers.sum(axis=1, keepdims=True)
    order = [EKMAN_7.index(name) for name in target.names]
    np.testing.assert_allclose(scores.values, shares[:, order], atol=1e-5)
    assert not scores.abstained.any()


def test_of_several_independent_labels_the_highest_counts(goemotions: Path) -> None:
    source, target = taxonomy("goemotions-28"), taxonomy("ekman-6")
    scores = classifier(goemotions, taxonomy="goemotions-28").score(records(*TEXTS), target)
    each = 1 / (1 + np.exp(-by_hand(goemotions, TEXTS)))
    matrix = source.map_to(target)
    highest = np.stack([each[:, column > 0].max(axis=1) for column in matrix.T], axis=1)
    lost = each[:, source.index("neutral")] > highest.max(axis=1)
    np.testing.assert_array_equal(scores.abstained, lost)
    np.testing.assert_allclose(scores.values, np.where(lost[:, None], 0, highest), atol=1e-5)
    assert scores.kind == "independent"


def test_the_option_decides_where_the_configuration_is_wrong(goemotions: Path) -> None:
    labeler = classifier(goemotions, taxonomy="goemotions-28", activation="softmax")
    scores = labeler.score(records(*TEXTS), taxonomy("goemotions-ekman"))
    assert scores.kind == "distribution"
    np.testing.assert_allclose(scores.values.sum(axis=1), 1, atol=1e-5)


def test_a_written_map_leads_to_the_taxonomy_of_the_run_or_of_the_model(unnamed: Path) -> None:
    written = {"LABEL_0": "negative", "LABEL_1": "neutral", "LABEL_2": {"positive": 1.0}}
    direct = classifier(unnamed, map=written)
    scores = direct.score(records(*TEXTS), taxonomy("sentiment-3"))
    by_name = classifier(unnamed, map=written, taxonomy="sentiment-3")
    again = by_name.score(records(*TEXTS), taxonomy("sentiment-3"))
    np.testing.assert_array_equal(scores.values, again.values)
    assert scores.values.argmax(axis=1).tolist() == by_hand(unnamed, TEXTS).argmax(1).tolist()


def test_weights_split_a_label(unnamed: Path) -> None:
    half = {"LABEL_0": {"anger": 0.5, "fear": 0.25}, "LABEL_2": "joy"}
    scores = classifier(unnamed, map=half).score(records(*TEXTS), taxonomy("ekman-6"))
    powers = np.exp(by_hand(unnamed, TEXTS))
    shares = powers / powers.sum(axis=1, keepdims=True)
    zero = np.zeros(len(TEXTS))
    expected = [shares[:, 0] / 2, zero, shares[:, 0] / 4, shares[:, 2], zero, zero]
    np.testing.assert_allclose(scores.logits, np.stack(expected, axis=1), atol=1e-5)


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({}, "LABEL_0, LABEL_1, LABEL_2, which are not labels of sentiment-3. Name the taxonomy"),
        ({"map": {"LABEL_9": "neutral"}}, "'map' names 'LABEL_9', which is not a label"),
    ],
)
def test_labels_that_do_not_fit_are_named(
    unnamed: Path, options: dict[str, Any], fault: str
) -> None:
    labeler = classifier(unnamed, **options)
    with pytest.raises(SettingsError, match=fault):
        labeler.score(records("we won"), taxonomy("sentiment-3"))
    with pytest.raises(SettingsError, match=fault):  # before anything runs
        classifier(unnamed, taxonomy="sentiment-3", **options).fingerprint()


def test_a_taxonomy_without_a_map_is_refused(ekman: Path) -> None:
    labeler = classifier(ekman, taxonomy="goemotions-ekman")
    with pytest.raises(TaxonomyError, match="There is no map from goemotions-ekman to cowen-34"):
        labeler.score(records("we won"), taxonomy("cowen-34"))


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"problem_type": "regression"}, "predicts a number, not labels"),
        ({"id2label": {"0": "valence"}}, "predicts a number, not labels"),
    ],
)
def test_what_is_no_classifier_is_refused_before_anything_runs(
    unnamed: Path, tmp_path: Path, change: dict[str, Any], fault: str
) -> None:
    content = json.loads((unnamed / "config.json").read_text()) | change
    (tmp_path / "config.json").write_text(json.dumps(content))
    with pytest.raises(SettingsError, match=fault):
        classifier(tmp_path, map={"LABEL_0": "anger"}).fingerprint()


def test_a_folder_without_a_configuration_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    with pytest.raises(MissingDependencyError, match=r"no readable config\.json"):
        classifier(tmp_path, map={"LABEL_0": "anger"}).fingerprint()


def test_a_random_head_is_refused(tmp_path: Path) -> None:
    from transformers import BertModel

    BertModel(config()).save_pretrained(tmp_path)
    tokenizer().save_pretrained(tmp_path)
    content = json.loads((tmp_path / "config.json").read_text())
    content |= {"architectures": None, "id2label": {"0": "anger", "1": "joy"}}
    (tmp_path / "config.json").write_text(json.dumps(content))
    labeler = classifier(tmp_path, map={"anger": "anger", "joy": "joy"})
    with pytest.raises(SettingsError, match=r"its weights lack classifier\.bias"):
        labeler.score(records("we won"), taxonomy("ekman-6"))


def test_invalid_options_are_named(unnamed: Path) -> None:
    with pytest.raises(SettingsError, match="name a text classifier in the option"):
        registry().create("labeler", "classifier", {})
    with pytest.raises(SettingsError, match="weights of 'LABEL_0' must be above 0"):
        classifier(unnamed, map={"LABEL_0": {"anger": 0.7, "fear": 0.7}})
    with pytest.raises(TaxonomyError, match="There is no taxonomy 'goemotion-28'"):
        classifier(unnamed, taxonomy="goemotion-28")


def test_key_contains_the_weights_and_the_map(ekman: Path, tmp_path: Path) -> None:
    def weights(labeler: Any) -> str:
        return plugin_identity(registry(), "labeler", "classifier", labeler).weights

    first = weights(classifier(ekman, taxonomy="goemotions-ekman"))
    assert first == weights(classifier(ekman, taxonomy="goemotions-ekman"))
    assert first != weights(classifier(ekman))
    other = nli_folder(tmp_path, EKMAN_7)
    assert first != weights(classifier(other, taxonomy="goemotions-ekman"))
    described = classifier(ekman, taxonomy="goemotions-ekman").describe()
    assert described["taxonomy"] == "goemotions-ekman"
