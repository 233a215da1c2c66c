"""Real runs over tones, in this process."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lanser_bench import DataError, LanserError, SettingsError
from lanser_bench.cli import main
from lanser_bench.experiment import RunOutcome, dry_run, label_corpus, run_experiment
from lanser_bench.experiment.planning.plan import LOST
from lanser_bench.experiment.running.running import stage_notes
from lanser_bench.plugins import isolation
from lanser_bench.records.reading import load_record
from lanser_bench.reporting.comparing import gate_views
from lanser_bench.reporting.comparing.gate import gate

Make = Callable[..., dict[str, Any]]
Run = Callable[..., RunOutcome]
FROZEN = {"encoder": "loudness"}
OPTIONS = ("fail_fast", "max_retries", "retry_failed")


def events_of(outcome: RunOutcome) -> list[dict[str, Any]]:
    return [json.loads(line) for line in outcome.log.read_text().splitlines()]


@pytest.fixture
def run(settings: Make, plugin_dirs: tuple[Path, ...]) -> Run:
    def go(*overrides: str, **changes: Any) -> RunOutcome:
        options = {k: changes.pop(k) for k in OPTIONS if k in changes}
        return run_experiment(settings(**changes), overrides, plugin_dirs=plugin_dirs, **options)

    return go


def executed(outcome: RunOutcome) -> Counter[str]:
    return Counter(outcome.plan.nodes[key].stage for key in outcome.executed)


def test_records_load_back_and_hold_what_was_done(run: Run, corpora: Path, tmp_path: Path) -> None:
    outcome = run()
    assert outcome.ok
    records = {r.control: r for r in map(load_record, outcome.records)}
    assert set(records) == {None, "random_init", "logmel_stats", "shuffled"}
    main = records[None]
    assert (main.labeler, main.asr, main.encoder) == ("words", "reference", "cnn")
    assert main.datasets[0].evaluation.n_speakers == 6
    assert {t.target for t in main.datasets[0].probes[0].targets} == {"peak", "rms"}
    assert main.stages["pretrain"].key == outcome.plan.cells[0].stages["pretrain"]
    assert main.stages["pretrain"].seconds is not None
    if sys.platform == "linux":
        assert (main.stages["pretrain"].peak_mib or 0) > 50  # Python with NumPy needs more
    assert main.labels["corpora.0 manifest"].coverage == 1.0
    assert main.plugins["label corpora.0: labeler"].distribution == "loose file"
    assert records["logmel_stats"].labeler is None
    assert records["logmel_stats"].taxonomy is None
    assert main.taxonomy == "mood"
    text = main.model_dump_json()
    assert str(corpora) not in text
    assert str(tmp_path) not in text


def test_parts_of_a_corpus_are_labelled_while_others_wait_for_transcripts(
    run: Run, corpora: Path
) -> None:
    corpus = {"dataset": "manifest", "root": str(corpora / "plain")}
    outcome = run(corpora=[{**corpus, "parts": 3}])
    assert outcome.ok
    begun = [
        (event["stage"], outcome.plan.nodes[event["key"]].title)
        for event in events_of(outcome)
        if event["event"] == "stage-start" and event["stage"] in ("transcribe", "label")
    ]
    assert [stage for stage, _ in begun] == ["transcribe", "label"] * 3
    (record,) = [r for r in map(load_record, outcome.records) if r.control is None]
    assert [c["share"] for c in record.settings["corpora"]] == ["1/3", "2/3", "3/3"]
    assert len(record.labels) == 3
    assert sum(report.utterances for report in record.labels.values()) == 24
    listed = [{**corpus, "share": c["share"]} for c in record.settings["corpora"]]
    again = run(corpora=listed)
    assert executed(again) == {}


@pytest.mark.parametrize(
    ("corpus", "says"),
    [
        ({"parts": 0}, "a whole number from 1 to 1000 for 'parts'"),
        ({"parts": "two"}, "a whole number from 1 to 1000 for 'parts'"),
        ({"parts": 2, "share": "1/2"}, "and no 'share' beside"),
        ({"share": "3/2"}, r"share' is '3/2': it must be two whole numbers such as 3/8"),
        (
            {"parts": 500},
            r"Share 1/500 of dataset 'manifest' has no utterance. Use fewer shares\.$",
        ),
    ],
)
def test_parts_that_cannot_be_are_refused(
    run: Run, corpora: Path, corpus: dict[str, Any], says: str
) -> None:
    root = str(corpora / "plain")
    with pytest.raises(LanserError, match=says):
        run(corpora=[{"dataset": "manifest", "root": root, **corpus}])


def test_parts_of_a_target_or_of_what_is_labelled_alone_are_refused(
    run: Run, settings: Make
) -> None:
    whole = {**settings()["targets"][0], "parts": 2}
    with pytest.raises(SettingsError, match="unknown key 'parts'"):
        run(targets=[whole])
    with pytest.raises(SettingsError, match="'parts' belongs in an experiment"):
        label_corpus(whole, "random", "ekman-6")


def test_results_that_cannot_be_written_are_told_before_anything_runs(
    run: Run, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"file/results cannot be written.*Nothing has run"):
        run(f"paths.results={tmp_path / 'file' / 'results'}", **FROZEN)


@pytest.mark.slow
def test_what_is_scored_without_labels_stands_in_the_record(run: Run) -> None:
    outcome = run(controls={"text_only": True}, embed={"pooling": "mean+std"})
    records = {r.control: r.datasets[0] for r in map(load_record, outcome.records)}
    main = records[None]
    # The transcripts say the label outright; the head has heard a few tones for one epoch.
    assert main.text_only is not None
    assert main.text_only.uar.value == 1.0
    assert main.zero_shot is not None
    assert (main.zero_shot.source, main.zero_shot.n_utterances) == ("head", 24)
    assert records["shuffled"].zero_shot is not None
    assert records["shuffled"].text_only is None
    assert records["random_init"].zero_shot is None
    # The head was trained on means: its embeddings are not those that are evaluated.
    assert executed(outcome)["zeroshot"] == 3
    assert "embed targets.0 for the head" in outcome.plan.cells[0].stages


@pytest.mark.slow
def test_the_text_control_reads_transcripts_and_hears_nothing(run: Run) -> None:
    identity = {"encoder": {"name": "text", "features": "identity"}}
    outcome = run(**identity, probes=[], controls={"logmel_stats": False})
    (record,) = map(load_record, outcome.records)
    # Each label has one sentence, so the words tell all.
    assert record.datasets[0].evaluation.budgets[-1].uar.value == 1.0
    assert executed(outcome).keys() == {"embed", "evaluate"}


@pytest.mark.slow
def test_a_fine_tuned_row_stands_beside_the_linear_one_and_from_scratch(run: Run) -> None:
    tuned = {"epochs": 1, "batch_size": 4, "budgets": [1.0], "seeds": 1}
    outcome = run(finetune=tuned, probes=[])
    found = {r.control: r.datasets[0] for r in map(load_record, outcome.records)}
    for control in (None, "random_init", "shuffled"):
        target = found[control]
        assert target.finetune is not None
        assert target.finetune.split_hash == target.evaluation.split_hash
    assert found["logmel_stats"].finetune is None
    assert executed(outcome)["finetune"] == 3


@pytest.mark.slow
def test_without_a_map_the_record_says_why_nothing_is_there(
    run: Run, corpora: Path, tmp_path: Path
) -> None:
    odd = tmp_path / "odd.yaml"
    more = "  - {name: odd, hypothesis: odd}\n"
    odd.write_text((corpora / "mood.yaml").read_text().replace("name: mood", "name: odd") + more)
    controls = {"random_init": False, "logmel_stats": False, "shuffled": "none"}
    (found,) = run(taxonomy=str(odd), controls=controls).records
    target = load_record(found).datasets[0]
    assert target.zero_shot is None
    assert "no map from odd to mood" in target.notes[0]


@pytest.mark.slow
def test_a_second_run_executes_nothing_and_leaves_records_as_they_are(run: Run) -> None:
    first = run(**FROZEN)
    before = {path: path.read_bytes() for path in first.records}
    second = run(**FROZEN)
    assert second.executed == second.written == []
    assert {path: path.read_bytes() for path in second.records} == before


@pytest.mark.slow
def test_a_changed_seed_of_evaluation_reruns_only_evaluation(run: Run) -> None:
    run(**FROZEN)
    assert set(executed(run("evaluate.seed=9", **FROZEN))) == {"evaluate"}


@pytest.mark.slow
def test_a_dry_run_says_why(
    run: Run, settings: Make, plugin_dirs: tuple[Path, ...], corpora: Path
) -> None:
    run()
    taxonomy = corpora / "bad.yaml"
    taxonomy.write_text(
        (corpora / "mood.yaml").read_text().replace("hypothesis: sad", "hypothesis: unhappy")
    )
    changed = dry_run(settings(taxonomy=str(taxonomy)), plugin_dirs=plugin_dirs)
    why = {changed.plan.nodes[key].stage: text for key, text in changed.reasons.items()}
    assert why["label"].startswith("taxonomy mood changed: ")
    assert " → " in why["label"]
    assert re.fullmatch(r"labels\.0 changed: \w{4} → \w{4}", why["pretrain"])
    assert re.fullmatch(r"model changed: \w{4} → \w{4}", why["embed"])
    assert "transcribe" not in why
    assert "features" not in why

    option = {"name": "words", "sharp": 1.0}
    changed = dry_run(settings(labeler=option), plugin_dirs=plugin_dirs)
    why = {changed.plan.nodes[key].stage: text for key, text in changed.reasons.items()}
    assert why["label"] == "labeler words: sharp 2.0 → 1.0"


@pytest.mark.slow
def test_a_removed_artifact_is_named_as_such(
    run: Run, settings: Make, plugin_dirs: tuple[Path, ...]
) -> None:
    from lanser_bench.store import Store

    outcome = run(**FROZEN)
    key = outcome.plan.cells[0].targets[0].evaluation
    Store(Path(settings()["paths"]["store"])).discard(key)
    planned = dry_run(settings(**FROZEN), plugin_dirs=plugin_dirs)
    assert planned.reasons == {key: LOST}


@pytest.mark.slow
def test_a_plugin_that_changes_the_process_is_noted_once_or_fails_in_strict_mode(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(isolation, "_reported", set())
    notes = [note for note in run(encoder="noisy").notes if "encoder 'noisy' of" in note]
    assert ["printed to stdout" in note for note in notes] == [True, False]
    assert "cheap.py changed environment variables in extract()." in notes[1]
    monkeypatch.setenv(isolation.STRICT, "1")
    [failed, *_] = run(encoder="noisy", name="strict", embed={"piece_seconds": 5}).failures
    assert "encoder 'noisy'" in failed.sentence


@pytest.mark.slow
@pytest.mark.parametrize(("how", "words"), [("mend", "too quiet"), ("fault", "ZeroDivisionError")])
def test_a_failing_cell_is_told_and_the_others_are_done(run: Run, how: str, words: str) -> None:
    outcome = run(grid={"encoder": [{"name": "broken", "how": how}, "loudness"]})
    assert [f.cell.name for f in outcome.failures] == ["encoder=broken"]
    assert words in outcome.failures[0].sentence
    assert "1 failed" in repr(outcome)
    assert words in repr(outcome)
    assert max(map(len, (repr(outcome), repr(outcome.plan)))) < 1000
    assert bool(outcome.failures[0].traceback) == (how == "fault")
    assert {load_record(path).name for path in outcome.records} == {
        "encoder=loudness",
        "logmel_stats",
    }
    failed = [e for e in events_of(outcome) if e["event"] == "cell-failed"]
    assert [e["cell"] for e in failed] == ["encoder=broken"]


@pytest.mark.slow
def test_the_event_log_tells_the_run(run: Run) -> None:
    outcome = run(**FROZEN)
    events = events_of(outcome)
    assert events[0]["event"] == "run-start"
    assert events[-1]["event"] == "run-end"
    assert events[-1]["executed"] == len(outcome.executed)
    ended = [e for e in events if e["event"] == "stage-end"]
    assert {e["key"] for e in ended} == set(outcome.executed)
    assert all(e["seconds"] >= 0 for e in ended)
    assert [e["record"] for e in events if e["event"] == "cell-done"] == [
        str(path) for path in outcome.written
    ]


@pytest.mark.slow
def test_skipped_recordings_are_counted_and_named(run: Run, corpora: Path, tmp_path: Path) -> None:
    import shutil

    folder = tmp_path / "hurt"
    shutil.copytree(corpora / "gold", folder)
    (folder / "0-0.wav").write_text("no sound")
    target = {"dataset": "manifest", "root": str(folder), "taxonomy": str(corpora / "mood.yaml")}
    outcome = run(targets=[{**target, "on_bad_audio": "skip"}], **FROZEN)
    assert outcome.ok
    assert any("1 recordings skipped: 0-0" in note for note in outcome.notes)


MENDED = {"grid": {"encoder": [{"name": "mendable"}, "loudness"]}}


def failure_files(outcome: RunOutcome) -> list[dict[str, Any]]:
    folder = outcome.plan.experiment.paths.store / "failures" / "t"
    return [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]


@pytest.mark.slow
def test_an_error_record_names_the_settings_and_goes_when_the_cell_succeeds(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LANSER_TEST_SERVER", "down")
    failed = run(**MENDED)
    (record,) = failure_files(failed)
    assert record["cell"] == "encoder=mendable"
    assert record["settings"] == {"encoder": "mendable(tone=1.0)"}
    assert record["stage"].startswith("embed (")
    assert re.search(r"ConnectionError: .* \(.*\.py, line \d+\)$", record["error"])
    assert "extract" in record["traceback"]
    assert record["run"] == failed.run_id
    assert failed.failures[0].settings == record["settings"]
    results = failed.plan.experiment.paths.results
    (beside,) = results.rglob("*.failed.json")
    assert str(tmp_path) not in beside.read_text()
    shutil.copytree(results, tmp_path / "candidate")

    monkeypatch.setenv("LANSER_TEST_SERVER", "up")
    again = run(**MENDED)
    assert again.ok
    assert failure_files(again) == []
    assert not beside.exists()
    # The run in which it failed has no record of it, and yet every comparison names it.
    found = gate([results], [tmp_path / "candidate"])
    assert not found.passed(allow_changes=True)
    named = [one for one in found.lost if one.failed]
    assert [(one.cell.group, "ConnectionError" in one.why) for one in named] == [
        ("encoder=mendable", True)
    ]
    assert "<failure" in gate_views.junit(found, allow_changes=True)
    page = tmp_path / "r.html"
    for command in (["leaderboard"], ["leaderboard", "--by", "encoder"], ["report", f"-o{page}"]):
        with pytest.raises(SystemExit):
            main([*command, str(tmp_path / "candidate")])
        assert "cell 'encoder=mendable' failed" in capsys.readouterr().err, command
    # The store is measured and cleaned all the same: the plan of a failed cell keeps its artifacts.
    store = str(failed.plan.experiment.paths.store)
    for command in (["size"], ["gc", "--dry-run"]):
        with pytest.raises(SystemExit) as ended:
            main(["cache", *command, "--results", str(tmp_path / "candidate"), "--store", store])
        assert ended.value.code == 0, capsys.readouterr().err
    assert "cell &#39;encoder=mendable&#39; failed" in page.read_text()


@pytest.mark.slow
def test_retry_failed_runs_the_failed_cells_alone(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANSER_TEST_SERVER", "down")
    run(**MENDED)
    monkeypatch.setenv("LANSER_TEST_SERVER", "up")
    again = run("evaluate.seed=5", retry_failed=True, **MENDED)
    assert [cell.name for cell in again.plan.cells] == ["encoder=mendable"]
    assert executed(again)["embed"] == 1
    assert executed(again)["evaluate"] == 1, "the other cells' new evaluations wait"
    nothing = run(retry_failed=True, **MENDED)
    assert nothing.ok
    assert nothing.executed == []
    assert "nothing to retry" in " ".join(nothing.notes)


@pytest.mark.slow
def test_an_unexpected_fault_is_tried_again_if_asked(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANSER_TEST_SERVER", f"down twice {tmp_path / 'calls'}")
    outcome = run(max_retries=2, **MENDED)
    assert outcome.ok
    retried = [e for e in events_of(outcome) if e["event"] == "stage-retried"]
    assert [e["attempt"] for e in retried] == [1, 2]


def test_the_log_says_what_is_odd_about_transcripts_and_texts() -> None:
    node = SimpleNamespace(stage="label", title="calls by entailment")
    counts = {"utterances": 9, "truncated": 2, "without_words": 0, "other_language": 1}
    assert list(stage_notes(node, counts)) == [  # type: ignore[arg-type]
        "calls by entailment: 2 of 9 texts are longer than the labeler's model takes, so read in "
        "part.",
        "calls by entailment: 1 of 9 texts are in a language that the labeler is not made for.",
    ]
    node = SimpleNamespace(stage="transcribe", title="calls")
    (note,) = stage_notes(node, {"utterances": 9, "truncated": 2, "empty": 1})  # type: ignore[arg-type]
    assert note.startswith("calls: 2 of 9 transcripts stop before their end")
    assert not list(stage_notes(node, {"utterances": 9}))  # type: ignore[arg-type]
