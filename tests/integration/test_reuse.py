"""What reruns when something changes, and what stays apart."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from .conftest import Project, corpus, taxonomy, tone

pytestmark = pytest.mark.slow


def stages_run(project: Project) -> Counter[str]:
    """Stages started in the last run."""
    events = project.events()
    start = max(i for i, e in enumerate(events) if e["event"] == "run-start")
    return Counter(e["stage"] for e in events[start:] if e["event"] == "stage-start")


def test_a_run_leaves_records_of_the_cell_and_its_controls(finished: Project) -> None:
    records = finished.records()
    assert {r["role"] for r in records.values()} == {"main", "control"}
    assert {r["control"] for r in records.values()} == {
        None,
        "random_init",
        "logmel_stats",
        "shuffled",
    }
    ran = stages_run(finished)
    assert ran["transcribe"] == ran["label"] == 1
    assert ran["pretrain"] == 2
    assert ran["evaluate"] == ran["probe"] == 4
    assert ran["targets"] == 1


def test_a_second_identical_run_executes_nothing(finished: Project) -> None:
    before = finished.records()
    finished.run()
    assert stages_run(finished) == {}
    assert finished.records() == before


def test_changing_only_the_taxonomy_reruns_labels_and_below_but_not_asr(finished: Project) -> None:
    other = taxonomy(finished.root / "other.yaml", "other", templates=["This sounds {}."])
    dry = finished.run("--dry-run", f"taxonomy={other}").stdout
    assert "taxonomy" in dry
    finished.run(f"taxonomy={other}")
    ran = stages_run(finished)
    assert ran["transcribe"] == ran["features"] == ran["targets"] == 0
    assert ran["label"] == 1
    assert ran["pretrain"] == 2
    assert ran["evaluate"] == 2, "random-init and log-mel statistics know no taxonomy"


def test_changing_only_the_evaluation_seed_reruns_only_the_evaluation(finished: Project) -> None:
    finished.run("evaluate.seed=7")
    assert set(stages_run(finished)) == {"evaluate"}


def test_changing_only_the_pretraining_seed_keeps_transcripts_and_labels(finished: Project) -> None:
    finished.run("pretrain.seeds=[5]")
    run = {"pretrain", "embed", "evaluate", "zeroshot", "probe"}
    assert set(stages_run(finished)) == run


def test_moving_the_recordings_changes_nothing(finished: Project) -> None:
    moved = finished.root / "elsewhere"
    (finished.root / "unlabelled").rename(moved)
    finished.settings["corpora"][0]["root"] = str(moved)
    finished.run()
    assert stages_run(finished) == {}


def test_one_new_recording_redoes_its_shard_and_what_depends_on_the_corpus(
    finished: Project,
) -> None:
    folder = finished.root / "unlabelled"
    tone(folder / "audio" / "new.wav", "glad", 3, 99)
    with (folder / "manifest.csv").open("a") as file:
        file.write("new,audio/new.wav,s3,what a lovely day,en\n")
    finished.run()
    ran = stages_run(finished)
    assert ran["transcribe"] == ran["label"] == 1
    assert ran["targets"] == 0


def test_two_corpora_with_equal_names_and_two_taxonomies_never_share_an_artifact(
    project: Project,
) -> None:
    """Same file names, same ids, other sound; same labels, other wording: four cells apart."""
    other = corpus(project.root / "other", speakers=4, takes=3, gold=False, offset=3)
    names = {p.name for p in (other / "audio").iterdir()}
    assert names == {p.name for p in (project.root / "unlabelled" / "audio").iterdir()}
    wording = taxonomy(project.root / "w.yaml", "mood", templates=["I sound {}."])
    project.settings["controls"] = {
        "random_init": False,
        "logmel_stats": False,
        "shuffled": "none",
    }
    project.settings["grid"] = {
        "taxonomy": [project.settings["taxonomy"], str(wording)],
        "corpora": [
            [{"dataset": "manifest", "root": str(project.root / "unlabelled")}],
            [{"dataset": "manifest", "root": str(other)}],
        ],
    }
    project.run()
    records = project.records().values()
    assert len(records) == 4
    keys = [{place: use["key"] for place, use in r["stages"].items()} for r in records]
    assert len({k["pretrain"] for k in keys}) == 4
    assert len({k["label corpora.0"] for k in keys}) == 4
    assert len({k["transcribe corpora.0"] for k in keys}) == 2
    assert stages_run(project)["transcribe"] == 2


def test_two_sizes_of_one_recogniser_never_share_an_artifact(tmp_path: Path) -> None:
    from lanser_bench.plugins.discovery import load_plugins
    from lanser_bench.plugins.identity import plugin_identity
    from lanser_bench.stages.transcribe import spec as transcribe

    registry = load_plugins(only="")
    keys = []
    for size in (1, 2):
        folder = tmp_path / f"whisper-{size}" / "model"
        folder.mkdir(parents=True)
        (folder / "model.bin").write_bytes(b"w" * size)
        asr = registry.create("asr", "faster-whisper", {"model": str(folder)})
        identity = plugin_identity(registry, "asr", "faster-whisper", asr)
        keys.append(
            transcribe.spec(utterances="u", asr=identity, params=transcribe.Params(), threads=1).key
        )
    assert keys[0] != keys[1]
