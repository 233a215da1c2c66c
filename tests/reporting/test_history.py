"""The history of scores, and the gate against the median of its last commits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from command_line import lanser

from lanser_bench.errors import DataError
from lanser_bench.evaluation.contrast import Side, difference, score_of
from lanser_bench.evaluation.statistics import ratio_mean
from lanser_bench.records.reading import load_records
from lanser_bench.reporting.comparing.against_last import Past, gate_against_last, median_line
from lanser_bench.reporting.comparing.gate import gate
from lanser_bench.reporting.comparing.history import add_history, read_history
from lanser_bench.reporting.comparing.verdicts import EQUAL, ScoreTest, judged
from lanser_bench.reporting.groups import CellId
from lanser_bench.reporting.leaderboard.boards import rank

from .published import publish, simulated

BASELINE = Path(__file__).parents[2] / "results" / "baseline"


def run(folder: Path, hit: float, first: int) -> Path:
    for seed in range(3):
        rng = np.random.default_rng([first, seed])
        publish(folder, "main", simulated(rng, hit, speakers=12), seed=seed)
    return folder


@pytest.fixture
def history(tmp_path: Path) -> Path:
    """Five commits; the fourth had a bad day."""
    file = tmp_path / "history.parquet"
    for i, hit in enumerate((0.6, 0.62, 0.58, 0.3, 0.61)):
        add_history([run(tmp_path / f"c{i}", hit, i)], file, commit=f"commit{i}")
    return file


def test_a_real_run_has_the_scores_of_the_leaderboard(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "history.parquet"
    add_history([BASELINE], file)
    lines = {line["cell"]: line for line in read_history(file)}
    records = load_records([BASELINE])
    [board] = rank(records)
    rows = [*board.main, *board.controls]
    assert lines.keys() == {row.name for row in rows}
    for row in rows:
        line = lines[row.name]
        for name in ("uar", "wa", "macro_f1", "area"):
            score = row.score(name)
            assert score is not None
            assert score.interval is not None
            written = [line[name], line[f"{name}_low"], line[f"{name}_high"]]
            assert written == [score.value, score.interval.low, score.interval.high]
        assert row.r2 is not None
        assert line["r2"] == pytest.approx(row.r2.value)
        assert line["seeds"] == row.n_seeds
    commit = records[0][1].commit
    assert commit is not None
    assert {line["commit"] for line in lines.values()} == {commit.revision}
    assert not any(line["with_changes"] for line in lines.values())


def test_a_commit_has_one_line_a_cell(history: Path, tmp_path: Path) -> None:
    before = read_history(history)
    assert [line["commit"] for line in before] == [f"commit{i}" for i in range(5)]
    add_history([run(tmp_path / "again", 0.9, 9)], history, commit="commit2")
    after = read_history(history)
    assert len(after) == 5
    (changed,) = [line for line in after if line not in before]
    assert changed["commit"] == "commit2"
    assert changed["uar"] > 0.8


def test_the_baseline_is_the_commit_with_the_median_score(history: Path, tmp_path: Path) -> None:
    scores = {line["commit"]: line["uar"] for line in read_history(history)}
    ranked = sorted(scores, key=scores.__getitem__)
    new = run(tmp_path / "new", 0.4, 77)
    for last, among in ((5, ranked), (1, ["commit4"])):
        found = gate_against_last([new], Past(history, last), metric="uar")
        middle = among[(len(among) - 1) // 2]
        # The same as the gate against the records of that commit.
        (expected,) = gate([tmp_path / middle.replace("commit", "c")], [new]).compared
        (row,) = found.compared
        assert row.verdict == expected.verdict == "worse"
        assert (row.difference, row.p_value) == pytest.approx(
            (expected.difference, expected.p_value), rel=1e-9
        )
        assert found.baselines == [f"main on talk (uar): {middle} of 2026-01-01"]
    assert not found.passed()


def test_the_candidates_own_commit_is_no_baseline(history: Path, tmp_path: Path) -> None:
    found = gate_against_last([tmp_path / "c4"], Past(history, 1, "commit4"), metric="uar")
    assert found.baselines[0].startswith("main on talk (uar): commit3")
    (row,) = found.compared
    assert row.verdict == "better"
    found = gate_against_last([tmp_path / "c4"], Past(history, 1, "other"))
    assert [(row.verdict, row.why) for row in found.compared] == [
        ("same", EQUAL),
        ("same", EQUAL),
    ]


def test_what_cannot_be_compared_is_named(history: Path, tmp_path: Path) -> None:
    for seed in range(3):
        rng = np.random.default_rng(seed)
        publish(tmp_path / "new", "main", simulated(rng, speakers=10), seed=seed)
    found = gate_against_last([tmp_path / "new"], Past(history, 3))
    assert [(lost.why, lost.new) for lost in found.not_compared] == [("different split", False)]
    assert not found.passed()
    with pytest.raises(DataError, match="no earlier commit"):
        gate_against_last([BASELINE], Past(history, 3))
    with pytest.raises(DataError, match="does not exist; `lanser-bench results history add`"):
        gate_against_last([BASELINE], Past(tmp_path / "none.parquet", 3))
    with pytest.raises(DataError, match="names no commit"):
        add_history([tmp_path / "new"], history)
    (tmp_path / "bad.parquet").write_text("no")
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        read_history(tmp_path / "bad.parquet")


def test_the_commands(history: Path, tmp_path: Path) -> None:
    new = run(tmp_path / "new", 0.3, 78)
    gated = ["gate", "--candidate", str(new), "--history", str(history)]
    code, out, _ = lanser(*gated, "--against-last", "5", "--commit", "new", "--add-to-history")
    assert code == 1
    assert "baseline of main on talk (area): commit" in out
    assert read_history(history)[-1]["commit"] == "new"
    code, _, err = lanser(*gated)
    assert (code, err) == (
        2,
        "Error: Name a --candidate, and either a --baseline or --against-last.\n",
    )
    commit = load_records([BASELINE])[0][1].commit.revision  # type: ignore[union-attr]
    code, out, _ = lanser("results", "history", "add", str(BASELINE), "--history", str(history))
    assert (code, out) == (0, f"{history}: 3 cells of {commit[:10]}.\n")


def test_false_alarms_against_the_median_are_rare() -> None:
    """Five commits and a candidate, each of three seeds, that do not differ."""
    rng = np.random.default_rng(0)

    def trained(hard: np.ndarray) -> Side:
        seeds = []
        for _ in range(3):
            logit = hard + 0.09 * rng.standard_normal() + 0.2 * rng.standard_normal(hard.shape)
            hits = rng.binomial(10, 1 / (1 + np.exp(-logit))).astype(float)
            seeds.append(ratio_mean(hits, np.full_like(hits, 10), np.full(4, 0.25)))
        return Side(seeds)

    alarms = 0
    for _ in range(150):
        hard = 0.5 * rng.standard_normal((12, 1)) + np.linspace(-1, 1, 4)
        sides = [trained(hard) for _ in range(5)]
        past = [{"uar": score_of(side).value, "side": side} for side in sides]
        contrast = difference(trained(hard), median_line(past, "uar")["side"])
        (row,) = judged([ScoreTest.of((CellId("e", "c", "d", 0), "uar"), contrast)], 0.0)
        alarms += row.verdict == "worse"
    assert alarms <= 8  # 2.5 % of 150 is 3.75; more than 8 has a probability below 2 %
