"""Labels saved, on the records of a real run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lanser_bench.cli import main
from lanser_bench.errors import DataError, SettingsError
from lanser_bench.records.reading import load_records
from lanser_bench.reporting.comparing.saved import compare_labels

FOLDER = Path(__file__).parents[2] / "results/congruence"
A, B = "control=none,corpora.0.congruence=1.0", "control=shuffled"


def curve(control: str | None, congruence: float) -> tuple[list[float], list[float]]:
    """Labels and mean UAR by budget, from the scores in the records."""
    members = [
        record.datasets[0].evaluation
        for _, record in load_records([FOLDER])
        if (record.control, record.axes.get("corpora.0.congruence")) == (control, str(congruence))
    ]
    assert len(members) == 3
    labels = [budget.n_labels for budget in members[0].budgets]
    return labels, list(np.mean([[b.uar.value for b in m.budgets] for m in members], axis=0))


def test_ratios_equal_the_interpolation_of_the_scores_in_the_records() -> None:
    found = compare_labels(A, B, folder=FOLDER)
    labels, ours = curve(None, 1.0)
    same, theirs = curve("shuffled", 0.0)
    assert labels == same
    assert np.all(np.diff(theirs) > 0)  # so that np.interp is the inverse
    measured = 0
    for line, n, score in zip(found.lines, labels, ours, strict=True):
        assert (line.n_labels, line.score.value) == (n, pytest.approx(score, abs=1e-9))
        assert line.saved.beyond == (score > theirs[-1])
        if theirs[0] <= score <= theirs[-1]:
            needed = np.exp(np.interp(score, theirs, np.log(labels)))
            assert line.saved.ratio == pytest.approx(needed / n, abs=1e-9)
            assert line.saved.interval is not None
            low, high = line.saved.interval
            assert (low or 0) <= line.saved.ratio <= (high or np.inf)
            measured += 1
    assert measured >= 2


def run(capsys: pytest.CaptureFixture[str], *more: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main(["compare", A, B, "--in", str(FOLDER), "--labels-saved", *more])
    assert ended.value.code == 0
    return capsys.readouterr().out


def test_the_command_prints_markdown_html_and_json(capsys: pytest.CaptureFixture[str]) -> None:
    lines = compare_labels(A, B, folder=FOLDER).lines
    [row] = [line for line in run(capsys, "--format", "md").splitlines() if "| 10% |" in line]
    assert row.split(" | ")[-1].startswith(f"{lines[1].saved.ratio:.2g}\N{NO-BREAK SPACE}[")
    assert "<td" in run(capsys, "--format", "html")
    content: dict[str, Any] = json.loads(run(capsys, "--format", "json", "--budget", "10%"))
    [only] = content["lines"]
    assert only["saved"]["ratio"] == lines[1].saved.ratio
    assert only["saved"]["interval"] == list(lines[1].saved.interval or ())


def test_what_has_no_curve_is_refused() -> None:
    with pytest.raises(SettingsError, match="area is a score of all budgets"):
        compare_labels(A, B, folder=FOLDER, metric="area")
    with pytest.raises(DataError, match="has the budget 7%"):
        compare_labels(A, B, folder=FOLDER, budget="7%")
