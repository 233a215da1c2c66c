"""What a run has written is what report, leaderboard, gate and trackers show."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from lanser_bench.evaluation.summaries import LabelSummary, TrainingReport, TranscriptSummary
from lanser_bench.experiment import run_experiment
from lanser_bench.records.reading import load_records
from lanser_bench.reporting.comparing.compare import compare
from lanser_bench.reporting.comparing.dose import dose_of
from lanser_bench.reporting.comparing.gate import gate
from lanser_bench.reporting.leaderboard.boards import rank
from lanser_bench.reporting.leaderboard.table import notes
from lanser_bench.reporting.report.report import render
from lanser_bench.store import Store

pytestmark = pytest.mark.slow


class Tables(HTMLParser):
    """Collects each table's label, and its rows of cells as texts; the first row are heads."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, list[list[str]]]] = []
        self._label, self._open = "", False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if given.get("role") == "region":
            self._label = str(given["aria-label"])
        elif tag == "table":
            self.found.append((self._label, []))
        elif tag == "tr":
            self.found[-1][1].append([])
        elif tag in ("td", "th"):
            self.found[-1][1][-1].append("")
            self._open = True

    def handle_endtag(self, tag: str) -> None:
        self._open = self._open and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self._open:
            self.found[-1][1][-1][-1] += data.strip()


def tables(page: str) -> dict[str, list[list[str]]]:
    """Label of a table → its rows."""
    reader = Tables()
    reader.feed(page)
    return {label: rows for label, rows in reader.found if rows}


def empty_columns(page: str) -> list[str]:
    """Columns of all tables in which every row has a dash."""
    found = []
    for label, (heads, *rows) in tables(page).items():
        for column, head in enumerate(heads):
            cells = [row[column] for row in rows if column < len(row)]
            if cells and set(cells) <= {"–"}:
                found.append(f"{label}: {head}")
    return found


@pytest.fixture(scope="module")
def home(
    settings_in: Callable[..., dict[str, Any]],
    corpora: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A folder with the store and the results of one small run: two seeds, controls, probes."""
    home = tmp_path_factory.mktemp("run")
    settings = settings_in(home, pretrain={"epochs": 2, "seeds": [0, 1, 2]})
    settings["corpora"] = settings["targets"]
    settings["evaluate"] |= {"budgets": [0.5, 1.0], "seeds": 2}
    settings["controls"] |= {"text_only": True, "gold_of_tested": "declare"}
    run_experiment(settings, plugin_dirs=(corpora / "plugins",))
    return home


@pytest.fixture
def results(home: Path, tmp_path: Path) -> Path:
    """A copy of the run's results, which a test may change."""
    return Path(shutil.copytree(home / "results", tmp_path / "results"))


def test_a_record_repeats_what_the_stages_wrote(home: Path) -> None:
    store = Store(home / "store")
    record = next(r for _, r in load_records([home / "results"]) if r.role == "main")
    corpus = "corpora.0 manifest"

    def written(stage: str, file: str) -> Any:
        key = next(use.key for use in record.stages.values() if use.stage == stage)
        return json.loads((store.checked(key).path / file).read_text())

    labels = written("label", "labels.json")
    assert LabelSummary.model_validate(labels) == record.labels[corpus]
    assert not {"beside", "settled"} & labels.keys()
    assert "not_compared" not in labels["gold"]
    transcripts = TranscriptSummary.model_validate(written("transcribe", "transcripts.json"))
    assert transcripts == record.transcripts[corpus]
    training = TrainingReport.model_validate(written("pretrain", "training.json"))
    assert record.training is not None
    assert record.training.chosen_epoch == training.chosen_epoch
    frozen = next(r for _, r in load_records([home / "results"]) if r.control == "logmel_stats")
    assert frozen.training is None
    assert frozen.model_dump(mode="json")["training"] == {}


def test_the_report_shows_agreement_with_gold_and_no_column_is_empty(results: Path) -> None:
    found = load_records([results])
    page = render(found)
    heads, row, *_ = tables(page)["Table of weak labels"]
    shown = dict(zip(heads, row, strict=True))
    # The transcripts say the label outright.
    assert shown["agrees with gold, %"].startswith("100.0")
    assert shown["kappa"] == "1.00"
    assert shown["labelled"] == "24 of 24"
    assert empty_columns(page) == []
    main = next(r for _, r in found if r.role == "main")
    assert dose_of(main, "label-accuracy") == 1.0


def test_leaderboard_report_axis_compare_and_gate_show_one_score(results: Path) -> None:
    found = load_records([results])
    (board,) = rank(found)
    (row,) = board.main
    assert row.n_seeds == 3
    line = compare("control=none", "control=random_init", folder=results).lines[0]
    for metric in ("uar", "wa", "macro_f1", "area"):
        mine = getattr(row, metric)
        other = (
            compare("control=none", "control=random_init", folder=results, metric=metric).lines[0].a
        )
        assert mine.value == pytest.approx(other.value, abs=1e-12)
        assert (mine.interval is None) == (other.interval is None)
        assert mine.interval is not None
        assert mine.interval.low == pytest.approx(other.interval.low, abs=1e-9)
        assert mine.interval.high == pytest.approx(other.interval.high, abs=1e-9)
    assert "quadrature" not in repr(line.a)
    assert not any("wider" in note for note in notes(board) if "zero-shot" not in note)
    text = f"{100 * row.uar.value:.1f} [{100 * row.uar.interval.low:.1f}"
    cells = tables(render(found))["Leaderboard of manifest"][1]
    assert text in " ".join(cells).replace("[", " [")
    result = gate([results], [results])
    assert {cell.verdict for cell in result.compared} == {"same"}
