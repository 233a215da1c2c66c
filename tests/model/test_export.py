"""An exported model predicts the same as the store's embeddings and heads."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from safetensors.numpy import load_file

from lanser_bench import load_model
from lanser_bench.audio import decode
from lanser_bench.data.utterances import read_utterances
from lanser_bench.errors import DataError, PluginError, SettingsError, StoreError
from lanser_bench.evaluation.head import fit_head
from lanser_bench.evaluation.selection import Choosing
from lanser_bench.kinds import Frontend
from lanser_bench.model import export_cell, find_record
from lanser_bench.model.card import model_card
from lanser_bench.model.config import ModelConfig
from lanser_bench.stages.embed.run import read_embeddings
from lanser_bench.store import Store

from .conftest import Finished


def sounds(finished: Finished) -> tuple[list[str], list[np.ndarray]]:
    record = finished.records["main"]
    ids = read_utterances(finished.store.checked(record.stages["manifest targets.0"].key)).ids
    return ids, [decode(finished.root / "labelled" / "audio" / f"{i}.wav") for i in ids]


@pytest.mark.slow
def test_the_weak_head_predicts_what_the_stores_embeddings_and_head_do(
    finished: Finished, tmp_path: Path
) -> None:
    record = finished.records["main"]
    place = export_cell(record, tmp_path / "m", finished.store)
    model = load_model(place)
    _, waves = sounds(finished)
    embeddings = read_embeddings(finished.store, record.stages["embed targets.0"].key)
    trained = finished.store.checked(record.stages["pretrain"].key).path
    head = load_file(trained / "head.safetensors")
    expected = embeddings[max(embeddings)] @ head["weight"].T + head["bias"]
    np.testing.assert_allclose(model.logits(waves), expected, atol=1e-6)
    assert model.labels == json.loads((trained / "training.json").read_text())["labels"]
    assert model.taxonomy is not None
    assert model.taxonomy.hash == record.labels["corpora.0 manifest"].taxonomy_hash
    scores = model.scores(waves)
    np.testing.assert_allclose(scores.sum(1), 1, atol=1e-6)
    assert (scores.argmax(1) == expected.argmax(1)).all()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("row", "target"), [("main", None), ("main", "manifest"), ("random_init", "manifest")]
)
def test_an_adapter_with_attentive_pooling_embeds_sound_as_its_cell_did(
    finished_adapter: Finished, tmp_path: Path, row: str, target: str | None
) -> None:
    record = finished_adapter.records[row]
    place = export_cell(record, tmp_path / "m", finished_adapter.store, target=target)
    model = load_model(place)
    assert model.config.head.pooling == "attentive"
    assert "MIT (OpenAI's Whisper weights)" in (place / "README.md").read_text(encoding="utf-8")
    learned = "attention.weight" in model.tensors
    assert learned is (row == "main")
    if learned:
        assert np.abs(model.tensors["attention.weight"]).max() > 1e-3
    _, waves = sounds(finished_adapter)
    stored = read_embeddings(finished_adapter.store, record.stages["embed targets.0"].key)
    found = model.embed(waves)
    assert [values.shape[1] for values in found.values()] == [384, 8]
    for name, values in stored.items():
        np.testing.assert_allclose(found[name], values, atol=2e-3)
    assert model.scores(waves).shape == (len(waves), len(model.labels))


@pytest.mark.parametrize("row", ["main", "random_init", "logmel_stats"])
def test_a_linear_head_predicts_from_sound_what_it_does_from_the_stores_embeddings(
    finished: Finished, tmp_path: Path, row: str
) -> None:
    record = finished.records[row]
    model = load_model(export_cell(record, tmp_path / "m", finished.store, target="manifest"))
    embeddings = read_embeddings(finished.store, record.stages["embed targets.0"].key)
    head = load_file(tmp_path / "m" / "model.safetensors")
    values = embeddings[model.config.head.layer].astype(np.float64)
    inside = np.clip((values - head["head.centre"]) * head["head.scale"], -5, 5)
    ids, waves = sounds(finished)
    expected = inside @ head["head.weight"] + head["head.bias"]
    np.testing.assert_allclose(model.logits(waves), expected, atol=1e-3)
    gold = [i.rpartition("-")[2] for i in ids]
    found = [model.labels[k] for k in model.scores(waves).argmax(1)]
    assert np.mean([a == b for a, b in zip(gold, found, strict=True)]) > 0.6


def test_the_head_is_the_regression_of_the_linear_protocol() -> None:
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(3), 30)
    values = rng.normal(size=(90, 5)) + labels[:, None] * rng.normal(size=5)
    head = fit_head(
        {"layer_00": values},
        labels,
        [f"s{i % 6}" for i in range(90)],
        3,
        Choosing([0.1], inner_folds=3, balanced=False, seed=0),
    )
    inside = np.clip((values - values.mean(0)) / values.std(0), -5, 5)
    reference = LogisticRegression(C=0.1, tol=1e-10, max_iter=1000).fit(inside, labels)
    found = head.logits(values)
    expected = reference.decision_function(inside)
    np.testing.assert_allclose(found - found.mean(1, keepdims=True), expected, atol=2e-3)


def test_the_card_has_the_records_scores_and_the_licence_of_the_data(
    finished: Finished, tmp_path: Path
) -> None:
    record = finished.records["main"]
    place = export_cell(record, tmp_path / "m", finished.store)
    card = (place / "README.md").read_text()
    uar = record.datasets[0].evaluation.budgets[-1].uar
    assert f"{100 * uar.value:.1f} [" in card
    assert record.key in card
    assert "| corpus | " in card
    assert "The terms of these sources apply" in card
    assert str(finished.root) not in card + (place / "config.json").read_text()


@pytest.mark.parametrize(
    ("distribution", "sentence"),
    [("loose file", "`--plugins-dir PLUGINS`"), ("their-package", "`their-package`: install it")],
)
def test_the_card_names_a_plugin_that_its_reader_needs(
    finished: Finished, tmp_path: Path, distribution: str, sentence: str
) -> None:
    record = finished.records["main"]
    place = export_cell(record, tmp_path / "m", finished.store)
    config = ModelConfig.model_validate_json((place / "config.json").read_text())
    assert "PLUGINS" not in (place / "README.md").read_text()
    encoder = config.encoder.model_copy(update={"distribution": distribution})
    card = model_card(record, config.model_copy(update={"encoder": encoder}), [])
    assert sentence in card


def test_no_name_becomes_markup_of_the_card(finished: Finished, tmp_path: Path) -> None:
    record = finished.records["main"]
    place = export_cell(record, tmp_path / "m", finished.store)
    config = ModelConfig.model_validate_json((place / "config.json").read_text())
    hostile = "x`<img src=x>`![p](//e)\r\n# Forged\x1b[31m"
    head = config.head.model_copy(update={"labels": [hostile, "b"]})
    [first, *rest] = record.datasets
    changed = record.model_copy(
        update={
            **dict.fromkeys(("labeler", "asr", "taxonomy"), hostile),
            "datasets": [first.model_copy(update={"title": hostile}), *rest],
        }
    )
    card = model_card(changed, config.model_copy(update={"head": head}), [])
    assert "Forged" in card
    assert "\n# Forged" not in card
    assert card.replace("\n", "").isprintable()
    outside = re.sub(r"`[^`\n]*`", "", card)
    assert "<img" not in outside
    assert "](//e)" not in outside


def test_a_cell_without_pre_training_asks_for_a_target(finished: Finished, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="--target"):
        export_cell(finished.records["logmel_stats"], tmp_path / "m", finished.store)
    with pytest.raises(SettingsError, match="Did you mean 'manifest'"):
        export_cell(finished.records["main"], tmp_path / "m", finished.store, target="manfest")
    assert not (tmp_path / "m").exists()


def test_an_encoder_that_needs_all_recordings_of_a_speaker_is_refused(
    finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frontend = Frontend(kind="frames", encoder="whisper-encoder", normalise="speaker")
    plugin = property(lambda _: SimpleNamespace(frontend=frontend))
    monkeypatch.setattr("lanser_bench.model.export._Cell.plugin", plugin)
    with pytest.raises(SettingsError, match=r"within each speaker, .* single recordings"):
        export_cell(finished.records["main"], tmp_path / "m", finished.store)


def test_another_store_or_an_existing_folder_is_refused(finished: Finished, tmp_path: Path) -> None:
    record = finished.records["main"]
    with pytest.raises(StoreError, match="--store"):
        export_cell(record, tmp_path / "m", Store(tmp_path / "empty"))
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "mine.txt").write_text("keep")
    with pytest.raises(DataError, match="exists already"):
        export_cell(record, tmp_path / "m", finished.store)
    export_cell(record, tmp_path / "m", finished.store, overwrite=True)
    assert not (tmp_path / "m" / "mine.txt").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "m"]


def test_a_cell_is_found_by_its_name_or_its_file(finished: Finished) -> None:
    results = finished.root / "results"
    record = finished.records["main"]
    assert find_record(record.name, [results]).key == record.key
    [path] = [p for p in results.rglob("*.json") if record.key[:8] in p.name]
    assert find_record(path).key == record.key
    with pytest.raises(DataError, match="Did you mean 'tiny'"):
        find_record("tinny", [results])


def test_another_version_of_the_encoder_is_refused(finished: Finished, tmp_path: Path) -> None:
    place = export_cell(finished.records["main"], tmp_path / "m", finished.store)
    config = json.loads((place / "config.json").read_text())
    config["encoder"]["version"] = "0.0"
    (place / "config.json").write_text(json.dumps(config))
    with pytest.raises(PluginError, match=r"version '0\.0'"):
        load_model(place)
    config["encoder"]["version"] = finished.records["main"].plugins["pretrain: encoder"].version
    config["encoder"]["source"] = "other"
    (place / "config.json").write_text(json.dumps(config))
    assert "source of encoder" in load_model(place).notes[0]
    shutil.rmtree(place)
    with pytest.raises(DataError, match="lanser-bench export"):
        load_model(place)


@pytest.mark.parametrize("name", ["model.safetensors", "taxonomy.yaml"])
def test_a_link_to_a_file_elsewhere_is_no_part_of_a_model(
    finished: Finished, tmp_path: Path, name: str
) -> None:
    place = export_cell(finished.records["main"], tmp_path / "m", finished.store)
    (tmp_path / "blobs").mkdir()

    def move_away(file: Path) -> None:
        blob = tmp_path / "blobs" / file.name
        file.rename(blob)
        file.symlink_to(blob)

    move_away(place / name)
    with pytest.raises(DataError, match=f"link to another folder.*{name}"):
        load_model(place)
    move_away(place / "config.json")  # as the cache of a hub keeps all files of a model
    assert load_model(place).labels
