"""The section `transfer` of an experiment: plans, refusals, and what a run writes."""

from __future__ import annotations

import csv
import hashlib
import json
import re
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from command_line import lanser
from sklearn.metrics import balanced_accuracy_score

from lanser_bench import LanserError
from lanser_bench.experiment import RunOutcome, plan_experiment, run_experiment
from lanser_bench.experiment.planning.plan import Plan
from lanser_bench.records.checks import check_record
from lanser_bench.records.reading import load_record

pytestmark = pytest.mark.slow

Make = Callable[..., dict[str, Any]]
OTHER = """
name: {name}
version: "1"
citation: tests
neutral_rule: {{kind: keep}}
labels:
  - {{name: merry, hypothesis: merry}}
  - {{name: glum, hypothesis: glum}}
  - {{name: odd, hypothesis: odd}}
"""


@pytest.fixture(scope="module")
def targets_in(corpora: Path) -> Callable[..., list[dict[str, Any]]]:
    """Three sets of the same tones: other speakers, and labels of another taxonomy in the last."""

    def make(
        folder: Path, maps: str = "maps: {mood: {merry: glad, glum: sad}}"
    ) -> list[dict[str, Any]]:
        mood, other = str(corpora / "mood.yaml"), folder / "other.yaml"
        other.write_text(OTHER.format(name="other") + maps + "\n")
        found = [{"dataset": "manifest", "root": str(corpora / "gold"), "taxonomy": mood}]
        own = {"glad": "merry", "sad": "glum"}
        for name, taxonomy, words in (("second", mood, {}), ("third", str(other), own)):
            root = folder / name
            shutil.copytree(corpora / "gold", root, dirs_exist_ok=True)
            # Bytes of recordings must differ, or they count as the same speakers.
            for wav in root.glob("*.wav"):
                wav.write_bytes(wav.read_bytes()[:-2] + name[:2].encode())
            lines = list(csv.DictReader((root / "manifest.csv").read_text().splitlines()))
            for i, line in enumerate(lines):
                if i % 7 == len(found):  # faults, so that no score is perfect
                    line["label"] = {"glad": "sad", "sad": "glad"}[line["label"]]
                line |= {key: f"{name}-{line[key]}" for key in ("id", "speaker")}
                line["label"] = words.get(line["label"], line["label"])
            with (root / "manifest.csv").open("w") as file:
                writer = csv.DictWriter(file, list(lines[0]))
                writer.writeheader()
                writer.writerows(lines)
            found.append({"dataset": "manifest", "root": str(root), "taxonomy": taxonomy})
        return found

    return make


@pytest.fixture
def targets(targets_in: Callable[..., Any], tmp_path: Path) -> Callable[..., list[dict[str, Any]]]:
    """Makes the sets in the test's folder."""
    return partial(targets_in, tmp_path)


@pytest.fixture
def plan(settings: Make, plugin_dirs: tuple[Path, ...]) -> Callable[..., Plan]:
    def make(*overrides: str, **changes: Any) -> Plan:
        made = settings(encoder="loudness", **{"transfer": {}, **changes})
        return plan_experiment(made, overrides, plugin_dirs=plugin_dirs)[0]

    return make


@pytest.fixture
def run(settings: Make, plugin_dirs: tuple[Path, ...]) -> Callable[..., RunOutcome]:
    def go(**changes: Any) -> RunOutcome:
        made = settings(**{"encoder": "loudness", "transfer": {}, **changes})
        return run_experiment(made, plugin_dirs=plugin_dirs)

    return go


@pytest.fixture(scope="module")
def results(
    settings_in: Make,
    targets_in: Callable[..., Any],
    corpora: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """Records of a frozen encoder and its control on three sets; not to be changed."""
    root = tmp_path_factory.mktemp("transfer")
    transfer = {"taxonomy": str(corpora / "mood.yaml")}
    settings = settings_in(root, encoder="loudness", targets=targets_in(root), transfer=transfer)
    assert run_experiment(settings, plugin_dirs=(corpora / "plugins",)).ok
    return root / "results"


def test_one_stage_per_target_and_row(plan: Callable[..., Plan], targets, corpora: Path) -> None:
    found = plan(targets=targets(), transfer={"taxonomy": str(corpora / "mood.yaml")})
    for cell in found.cells:
        heads = [key for place, key in cell.stages.items() if place.startswith("transfer")]
        assert len(set(heads)) == 3
        assert [list(t.measured["transfer"].values()) for t in cell.targets] == [[k] for k in heads]
    [first, *_] = [n for n in found.nodes.values() if n.stage == "transfer"]
    assert first.title.startswith("loudness from manifest.1, manifest.2 to manifest.0")
    without = plan(targets=targets(), transfer=None)
    same = {node.key for node in found.nodes.values() if node.stage != "transfer"}
    assert same == set(without.nodes)


def test_one_target_is_refused(plan: Callable[..., Plan]) -> None:
    with pytest.raises(LanserError, match=r"'targets' has only one\. Add a labelled set"):
        plan()


def test_a_set_without_a_map_is_named(plan: Callable[..., Plan], targets) -> None:
    found = plan(targets=targets(maps=""))
    assert found.notes == [
        "No transfer from manifest.2 to manifest.0: There is no map from other to mood. Add "
        "`maps: {mood: …}` to the file of other.",
        "No transfer from manifest.2 to manifest.1: There is no map from other to mood. Add "
        "`maps: {mood: …}` to the file of other.",
        "No transfer from manifest.0 to manifest.2: There is no map from mood to other. Add "
        "`maps: {other: …}` to the file of mood.",
        "No transfer from manifest.1 to manifest.2: There is no map from mood to other. Add "
        "`maps: {other: …}` to the file of mood.",
    ]
    assert ["transfer" in target.measured for target in found.cells[0].targets] == [1, 1, 0]


def test_records_have_scores_and_predictions(results: Path) -> None:
    records = list(results.rglob("t/*.json"))
    for path in records:
        record, checked = load_record(path), check_record(path)
        assert checked.faults == []
        table = pq.read_table(path.parent / record.measured["transfer"].file).to_pylist()
        for position, result in enumerate(record.datasets):
            names = [d.dataset for d in record.datasets if d is not result]
            scores = result.transfer.scores
            assert [s.trained_on for s in scores] == [[n] for n in names] + [names]
            assert result.transfer.taxonomy == "mood"
            for score in scores:
                assert score.labels == ["glad", "sad"]
                rows = [
                    row
                    for row in table
                    if row["target"] == position
                    and row["trained_on"] == " + ".join(score.trained_on)
                ]
                gold, predicted = ([r[c] for r in rows] for c in ("gold", "predicted"))
                again = balanced_accuracy_score(gold, predicted)
                assert score.uar.value == pytest.approx(again, abs=1e-9)
    # Tones of glad and sad differ in pitch in the same way everywhere.
    main = next(r for r in map(load_record, records) if r.role == "main")
    assert min(s.uar.value for d in main.datasets for s in d.transfer.scores) > 0.7


def test_validate_finds_a_changed_score(results: Path, tmp_path: Path) -> None:
    shutil.copytree(results, tmp_path / "copy")
    path = next((tmp_path / "copy").rglob("t/logmel-stats-*.json"))
    content = json.loads(path.read_text())
    content["datasets"][1]["transfer"]["scores"][0]["uar"]["value"] = 0.123
    path.write_text(json.dumps(content))
    [fault] = check_record(path).faults
    assert "manifest.1, transfer uar predicted from manifest.0 is 0.123000, but its" in fault


def printed(*words: str) -> str:
    code, out, err = lanser(*words)
    assert code == 0, err
    return out


def test_the_matrix_has_every_pair_their_mean_and_the_difference_to_the_control(
    results: Path,
) -> None:
    text = printed("leaderboard", str(results), "--transfer", "--format=json")
    sheets = json.loads(text)
    matrix, means = (sheet["rows"] for sheet in sheets)
    assert [line["row"] for line in matrix] == ["main"] * 4 + ["logmel stats"] * 4
    lines = {(line["row"], line["trained_on"]): line for line in matrix}
    for record in map(load_record, results.rglob("t/*.json")):
        name = "main" if record.control is None else "logmel stats"
        [mean] = [line for line in means if line["row"] == name]
        scores = [(s, d.dataset) for d in record.datasets for s in d.transfer.scores]
        for score, tested in scores:
            several = len(score.trained_on) > 1
            line = lines[name, "all others" if several else score.trained_on[0]]
            assert line[tested] == score.uar.value
            if score.uar.interval is not None:
                assert line[f"{tested}_low"] == pytest.approx(score.uar.interval.low, abs=1e-12)
            if several:
                assert lines[name, tested][tested] == score.within.value
        single = [s.uar.value for s, _ in scores if len(s.trained_on) == 1]
        pooled = [s for s, _ in scores if len(s.trained_on) == 2]
        assert mean["mean"] == pytest.approx(sum(single) / 6, abs=1e-9)
        assert mean["others"] == pytest.approx(sum(s.uar.value for s in pooled) / 3, abs=1e-9)
        assert mean["within"] == pytest.approx(sum(s.within.value for s in pooled) / 3, abs=1e-9)
        assert mean["mean_low"] <= mean["mean"] <= mean["mean_high"]
    assert sheets[0]["title"].endswith("chance 50.0")
    main_row, control = means
    gap = main_row["mean"] - control["mean"]
    assert main_row["to_control"] == pytest.approx(gap, abs=1e-9)
    assert main_row["to_control_low"] < gap < main_row["to_control_high"]


def test_the_matrix_is_a_table_and_a_heat_map(results: Path, tmp_path: Path) -> None:
    text = printed("leaderboard", str(results), "--transfer", "--format", "md")
    assert "| row | trained on | on manifest.0 | on manifest.1 | on manifest.2 |" in text
    assert "- labels: glad, sad\n" in text
    assert "by training and tested set, chance 50.0" in text
    table = printed("leaderboard", str(results))
    assert "UAR transferred" in table
    printed("report", str(results), "-o", str(tmp_path / "r.html"))
    page = (tmp_path / "r.html").read_text()
    assert page.count('aria-label="Transfer in t, heat map"') == 1
    assert "logmel stats, trained on all others" in page
    assert re.search(r"UAR \d+\.\d \[.*?\], chance 50\.0, heads of the set itself", page)
    assert page.count("<h2") == page.count("</h2>")
    assert "Trained on other corpora" in page


def test_a_view_without_such_scores_says_what_to_do(
    run: Callable[..., RunOutcome], tmp_path: Path
) -> None:
    run(transfer=None)
    words = ("leaderboard", tmp_path / "results", "--transfer")
    code, _, err = lanser(*words)
    assert code == 2
    assert "Add `transfer: {}` to an experiment" in err
    assert "leave out --by, --dataset" in lanser(*words, "--by", "encoder").err


def rewritten(record: Path, column: str, old: str, new: str) -> Path:
    """Changes texts of a column of a record's transferred predictions; returns their file."""
    content = json.loads(record.read_text())
    attached = content["measured"]["transfer"]
    file = record.with_name(attached["file"])
    table = pq.read_table(file)
    texts = pc.replace_substring(table[column], old, new)
    place = table.schema.get_field_index(column)
    pq.write_table(table.set_column(place, column, texts), file)
    attached["sha256"] = hashlib.sha256(file.read_bytes()).hexdigest()
    record.write_text(json.dumps(content))
    return file


def test_a_file_without_rows_of_a_score_is_named(results: Path, tmp_path: Path) -> None:
    shutil.copytree(results, tmp_path / "r")
    paths = (tmp_path / "r" / "t").glob("*.json")
    [path] = (p for p in paths if load_record(p).control is None)
    file = rewritten(path, "trained_on", "manifest.0", "manifest.9")
    code, out, err = lanser("leaderboard", tmp_path / "r", "--transfer", "--format", "md")
    assert code == 0, err
    assert f"{file.name} have none with trained_on 'manifest.0'" in err
    assert "| main |" not in out
    assert lanser("site", tmp_path / "r", "-o", tmp_path / "site").code == 0
    code, out, err = lanser("results", "validate", tmp_path / "r")
    assert code == 2
    assert "none with trained_on" in out + err


def test_rows_are_compared_by_what_they_transfer(results: Path) -> None:
    words = ("compare", "control=none", "control=logmel_stats", "--in", str(results))
    found = json.loads(printed(*words, "--metric", "transfer", "--format", "json"))
    rows = {r.control: r for r in map(load_record, results.rglob("t/*.json"))}
    both = [rows[name].datasets for name in (None, "logmel_stats")]
    for line, a, b in zip(found["lines"], *both, strict=True):
        by_hand = a.transfer.scores[-1].uar.value - b.transfer.scores[-1].uar.value
        assert line["difference"]["value"] == pytest.approx(by_hand, abs=1e-9)
    sides = ("--baseline", str(results), "--candidate", str(results))
    gated = printed("gate", *sides, "--metric", "transfer")
    assert "same" in gated


@pytest.mark.slow
def test_pre_trained_rows_and_their_controls_have_their_own_matrices(
    run: Callable[..., RunOutcome],
    targets,
    corpora: Path,
    tmp_path: Path,
) -> None:
    assert run(
        targets=targets(),
        encoder={"name": "cnn", "channels": [4]},
        pretrain={"epochs": 1, "seeds": [0, 1]},
        probes=[],
        transfer={"taxonomy": str(corpora / "mood.yaml")},
    ).ok
    folder = tmp_path / "results"
    assert all(check_record(path).faults == [] for path in folder.rglob("t/*.json"))
    text = printed("leaderboard", str(folder), "--transfer", "--format=json")
    _, means = (sheet["rows"] for sheet in json.loads(text))
    rows = {line["row"]: line for line in means}
    assert set(rows) == {"main", "random init", "shuffled", "logmel stats"}
    records = [r for r in map(load_record, folder.rglob("t/*.json")) if r.control is None]
    scores = [
        s.uar.value
        for r in records
        for d in r.datasets
        for s in d.transfer.scores
        if len(s.trained_on) == 1
    ]
    assert rows["main"]["mean"] == pytest.approx(sum(scores) / 12, abs=1e-9)
    best = max(line["mean"] for name, line in rows.items() if name != "main")
    gap = rows["main"]["mean"] - best
    assert rows["main"]["to_control"] == pytest.approx(gap, abs=1e-9)

    changed = next(p for p in folder.rglob("t/*.json") if load_record(p).seed == 1)
    file = rewritten(changed, "speaker", ":s", ":other-s")
    code, _, err = lanser("leaderboard", folder, "--transfer")
    assert code == 0, err
    assert f"{file.name} has other speakers of" in err
