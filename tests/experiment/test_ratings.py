"""Ratings of dimensions, from a manifest to the record, the leaderboard and the gate."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf

from lanser_bench.errors import DataError, SettingsError
from lanser_bench.experiment import plan_experiment, run_experiment
from lanser_bench.records.checks import check_record
from lanser_bench.records.reading import load_record, load_records
from lanser_bench.records.record import ResultRecord
from lanser_bench.reporting.comparing.compare import compare
from lanser_bench.reporting.comparing.gate import gate
from lanser_bench.reporting.leaderboard.boards import rank
from lanser_bench.reporting.leaderboard.table import leaderboard_markdown
from lanser_bench.reporting.report.report import render

pytestmark = pytest.mark.slow

PLUGIN = '''
"""An encoder of loudness and pitch."""
import numpy as np
from lanser_bench import FeatureExtractor, PluginOptions, hookimpl

class Tone(FeatureExtractor[PluginOptions]):
    version = "1"

    def extract(self, batch):
        return [[np.array([[np.abs(x).mean(), (x[1:] * x[:-1] < 0).mean()]], np.float32)]
                for x in batch]

@hookimpl
def register_encoders(register):
    register("tone", f"{__name__}:Tone")
'''
RATE = 16_000
SCALES = {"arousal": [1, 7], "valence": [1, 7]}


def clip(path: Path, arousal: float, valence: float) -> None:
    """Writes a tone whose loudness follows arousal and whose pitch follows valence."""
    path.parent.mkdir(parents=True, exist_ok=True)
    t = np.arange(int(0.3 * RATE)) / RATE
    sound = 0.02 * arousal * np.sin(2 * np.pi * (80 + 150 * valence) * t)
    sound += 0.001 * np.random.default_rng(0).standard_normal(len(t))
    sf.write(path, sound.astype(np.float32), RATE)


@pytest.fixture(scope="module")
def rated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """7 speakers × 8 clips: loudness follows arousal, pitch follows valence; no class labels."""
    root = tmp_path_factory.mktemp("rated")
    (root / "plugins").mkdir()
    (root / "plugins" / "tone.py").write_text(PLUGIN)
    lines = ["id,path,speaker,arousal,valence"]
    for speaker in range(7):
        for take in range(8):
            rng = np.random.default_rng([speaker, take])
            arousal, valence = rng.uniform(1.5, 6.5, 2)
            name = f"{speaker}-{take}"
            clip(root / f"{name}.wav", arousal, valence)
            lines.append(f"{name},{name}.wav,s{speaker},{arousal:.2f},{valence:.2f}")
    (root / "manifest.csv").write_text("\n".join(lines) + "\n")
    return root


def settings(rated: Path, root: Path, dataset: str = "manifest", **options: Any) -> dict[str, Any]:
    if dataset == "manifest":
        options = {"dimensions": SCALES, **options}
    return {
        "name": "t",
        "corpora": [],
        "labeler": "random",
        "taxonomy": "ekman-6",
        "encoder": "tone",
        "targets": [{"dataset": dataset, "root": str(rated), "options": options}],
        "evaluate": {"folds": 7, "budgets": [0.3, 1.0], "seeds": 2, "inner_folds": 2},
        "controls": {"logmel_stats": True},
        "probes": [],
        "trackers": [],
        "executor": {"name": "local", "inline": True},
        "paths": {"store": str(root / "store"), "results": str(root / "results")},
    }


@pytest.fixture(scope="module")
def results(rated: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("run")
    outcome = run_experiment(settings(rated, root), plugin_dirs=[rated / "plugins"])
    assert outcome.ok, outcome.failures
    return root / "results"


def record_of(results: Path, control: str | None) -> ResultRecord:
    return next(r for _, r in load_records([results]) if r.control == control)


def test_a_set_of_ratings_alone_is_evaluated_end_to_end(results: Path) -> None:
    (result,) = record_of(results, None).datasets
    found = result.dimensions
    assert found is not None
    assert found.scales == {"arousal": (1.0, 7.0), "valence": (1.0, 7.0)}
    assert [(b.budget, b.fraction) for b in found.budgets] == [("30%", 0.3), ("100%", 1.0)]
    scores = found.largest.scores
    assert scores["arousal"].ccc.value > 0.8
    assert scores["valence"].ccc.value > 0.8
    assert scores["arousal"].rmse.value < 0.8
    assert scores["arousal"].ccc.interval is not None
    assert found.mean["arousal"].ccc.value < 0.05
    assert found.budgets[0].ccc.value <= found.area.value <= found.budgets[1].ccc.value
    assert result.evaluation.labels == ["low valence", "high valence"]
    assert any("no class labels" in text for text in result.evaluation.warnings)


def test_the_record_is_checked_from_the_predictions_beside_it(
    results: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(results, folder)
    path = next(p for p in sorted(folder.rglob("*.json")) if "logmel" not in p.name)
    record = load_record(path)
    assert record.measured["dimensions"].rows == 56 * 3  # 2 draws of 30 %, 1 of all
    assert record.score_sums is not None
    assert check_record(path).faults == []
    content = json.loads(path.read_text())
    content["datasets"][0]["dimensions"]["budgets"][0]["scores"]["valence"]["ccc"]["value"] += 0.01
    content["datasets"][0]["dimensions"]["area"]["value"] += 0.01
    path.write_text(json.dumps(content, indent=1))
    faults = " ".join(check_record(path).faults)
    assert "dimensions ccc of valence at 30% is" in faults
    assert "ccc_valence at 30% is" in faults
    assert "ccc_area is" in faults


def test_tables_and_report_show_the_concordance(results: Path) -> None:
    records = load_records([results])
    (board,) = rank(records)
    page = leaderboard_markdown([board])
    assert "CCC arousal" in page
    assert "CCC dominance" not in page
    found = record_of(results, None).datasets[0].dimensions
    assert found is not None
    assert f"{found.largest.ccc.value:.2f}\u00a0[" in page
    report = render(records)
    assert "Dimensions of emotion" in report
    assert "arousal, 1 to 7" in report
    ends = f"{100 * found.largest.ccc.value:.1f} %"
    described = report.split("Mean CCC × 100 over human labels used. At the most labels: ")[1]
    assert ends in described.partition("<")[0]


@pytest.mark.parametrize("metric", ["ccc", "ccc_valence", "ccc_area"])
def test_encoders_are_compared_and_gated_by_concordance(results: Path, metric: str) -> None:
    found = compare("encoder=tone", "control=logmel_stats", folder=results, metric=metric)
    (line,) = found.lines
    result = record_of(results, None).datasets[0].dimensions
    assert result is not None
    written = {
        "ccc": result.largest.ccc,
        "ccc_valence": result.largest.scores["valence"].ccc,
        "ccc_area": result.area,
    }
    assert line.a.value == pytest.approx(written[metric].value, abs=1e-9)
    assert line.p_value is not None
    gated = gate([results], [results], metric=metric)
    assert {row.verdict for row in gated.compared} == {"same"}
    missing = gate([results], [results], metric="ccc_dominance")
    assert {cell.why for cell in missing.not_compared} == {
        "no sums of CCC dominance beside the record"
    }


def test_permuted_ratings_fall_to_zero(rated: Path, tmp_path: Path) -> None:
    given = settings(rated, tmp_path)
    given["evaluate"] |= {"permute_gold": True, "budgets": [1.0]}
    given["controls"] = {"logmel_stats": False}
    outcome = run_experiment(given, plugin_dirs=[rated / "plugins"])
    found = load_record(outcome.records[0]).datasets[0].dimensions
    assert found is not None
    assert found.control == "permuted gold"
    assert abs(found.largest.ccc.value) < 0.15


@pytest.mark.parametrize(
    ("scales", "fault", "words"),
    [
        ({"arousal": [1, 5]}, DataError, "arousal is 5.* from 1 to 5"),
        ({"arousal": [7, 1]}, SettingsError, "scale of 'arousal' must be"),
        (
            {"valance": [1, 7]},
            DataError,
            "no ratings in a column 'valance'.*Did you mean 'valence'",
        ),
    ],
)
def test_wrong_scales_are_refused(
    rated: Path, tmp_path: Path, scales: dict[str, Any], fault: type[Exception], words: str
) -> None:
    with pytest.raises(fault, match=words):
        run_experiment(
            settings(rated, tmp_path, dimensions=scales), plugin_dirs=[rated / "plugins"]
        )


def msp_podcast(root: Path) -> None:
    lines = ["FileName,EmoClass,EmoAct,EmoVal,EmoDom,SpkrID,Gender,Split_Set"]
    for k in range(42):
        arousal, valence = np.random.default_rng(k).uniform(1.5, 6.5, 2).round(3)
        name = f"MSP-PODCAST_{k // 6:04d}_{k:04d}.wav"
        clip(root / "Audios" / name, arousal, valence)
        # A third has no agreement on a class; one clip has no rating of dominance.
        code, dominance = "HAX"[k % 3], "" if k == 0 else 8 - arousal
        lines.append(f"{name},{code},{arousal},{valence},{dominance},{k // 6},Female,Train")
    (root / "Labels").mkdir()
    (root / "Labels" / "labels_consensus.csv").write_text("\n".join(lines) + "\n")


def iemocap(root: Path) -> None:
    for session in range(1, 6):
        dialogue, base = f"Ses{session:02d}F_impro01", root / f"Session{session}"
        lines = []
        for turn in range(8):
            arousal, valence = np.random.default_rng([session, turn]).uniform(1.2, 4.8, 2).round(4)
            name = f"{dialogue}_{'FM'[turn % 2]}{turn:03d}"
            clip(base / "sentences" / "wav" / dialogue / f"{name}.wav", arousal, valence)
            code = ("ang", "sad", "fru")[turn % 3]
            values = f"[{valence:.4f}, {arousal:.4f}, {6 - arousal:.4f}]"
            lines.append(f"[{turn}.0000 - {turn}.5000]\t{name}\t{code}\t{values}")
        file = base / "dialog" / "EmoEvaluation" / f"{dialogue}.txt"
        file.parent.mkdir(parents=True)
        file.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize(
    ("make", "dataset", "n"), [(msp_podcast, "msp-podcast", 42), (iemocap, "iemocap", 40)]
)
def test_corpora_are_read_in_their_own_layouts(
    rated: Path, tmp_path: Path, make: Callable[[Path], None], dataset: str, n: int
) -> None:
    (tmp_path / "corpus").mkdir()
    make(tmp_path / "corpus")
    given = settings(tmp_path / "corpus", tmp_path, dataset)
    given["evaluate"] |= {"budgets": [1.0], "seeds": 1}
    given["controls"] = {"logmel_stats": False}
    outcome = run_experiment(given, plugin_dirs=[rated / "plugins"])
    assert outcome.ok, outcome.failures
    (result,) = load_record(outcome.records[0]).datasets
    found = result.dimensions
    assert found is not None
    assert found.scales.keys() == {"arousal", "valence", "dominance"}
    assert found.n_utterances == n > result.evaluation.n_utterances
    assert found.rated["dominance"] == n - (dataset == "msp-podcast")
    for scores in found.largest.scores.values():
        assert scores.ccc.value > 0.8
    assert not any("no class labels" in text for text in result.evaluation.warnings)


def test_penalties_change_the_key_of_ratings_alone(rated: Path, tmp_path: Path) -> None:
    given = settings(rated, tmp_path)
    plans = [
        plan_experiment(given | {"dimensions": section}, plugin_dirs=[rated / "plugins"])[0]
        for section in ({}, {"penalties": [1.0, 10.0]})
    ]
    stages = [plan.cells[0].stages for plan in plans]
    assert {place for place in stages[0] if stages[0][place] != stages[1][place]} == {
        "dimensions targets.0"
    }
