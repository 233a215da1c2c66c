"""What a row holds beyond its best control, from the files beside the records."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from lanser_bench.evaluation.classes import PredictedClasses, chance, class_hits, class_statistics
from lanser_bench.evaluation.predictions import Predicted, regression_metrics
from lanser_bench.evaluation.results import ClassScore, ProbeResult, TargetScore
from lanser_bench.evaluation.statistics import metric
from lanser_bench.records.attachments import attach
from lanser_bench.records.checks import check_record
from lanser_bench.records.reading import load_record, load_records
from lanser_bench.records.record import save_record
from lanser_bench.reporting.comparing.compare import compare
from lanser_bench.reporting.comparing.compare_views import title
from lanser_bench.reporting.leaderboard.table import leaderboard_markdown
from lanser_bench.reporting.leaderboard.targets import target_sheet
from lanser_bench.reporting.report.data import Records
from lanser_bench.reporting.report.probe_gaps import with_gaps
from lanser_bench.reporting.report.report import write_report
from lanser_bench.reporting.tables.sheet import plain
from lanser_bench.store import Spec, Store

from .published import publish, simulated

IDS = [f"u{i:03d}" for i in range(160)]
SPEAKERS = [f"s{i // 16:02d}" for i in range(160)]
CLASSES = ["calm", "glad"]


class _Target:
    """A labelled set's keys in a store."""

    def __init__(self, evaluation: str, probes: dict[str, str]) -> None:
        self.evaluation, self.measured = evaluation, {"probes": probes}


def _artifact(store: Store, name: str, table: pa.Table) -> str:
    from lanser_bench.evaluation.predictions import PREDICTIONS, write_table

    spec = Spec(stage=name, stage_version="1", params={"rows": table.to_pydict()})
    with store.write(spec) as draft:
        write_table(draft.path / PREDICTIONS, table)
    return spec.key


def _published(folder: Path, group: str, seed: int, right: float, **more: Any) -> None:
    rng = np.random.default_rng([seed, len(group)])
    truth = np.random.default_rng(1).standard_normal(160)
    data = Predicted(IDS, SPEAKERS, truth, truth + 0.3 * rng.standard_normal(160), 0 * truth)
    said = [CLASSES[i % 2] for i in range(160)]
    heard = [s if rng.random() < right else CLASSES[s == "calm"] for s in said]
    told = PredictedClasses(IDS, SPEAKERS, [""] * 160, said, heard)
    hits = class_hits(told)
    number = TargetScore(
        target="f0", scale="speaker", layer="l", strength=1.0, n=160, **regression_metrics(data)
    )
    scores = {name: metric(found) for name, found in class_statistics(hits).items()}
    classes = ClassScore(
        target="emotion",
        scale="speaker",
        layer="l",
        strength=1.0,
        n=160,
        n_classes=2,
        chance=chance(hits),
        **scores,
    )
    path = publish(folder, group, simulated(rng, 0.6), seed=seed, **more)
    record = load_record(path)
    result = record.datasets[0]
    probes = [
        ProbeResult(probe="prosody", targets=[number], n_speakers=10),
        ProbeResult(probe="fixed", targets=[], classes=[classes], n_speakers=10),
    ]
    store = Store(folder.with_name(f"{folder.name}-store"))
    same = {"id": IDS, "speaker": SPEAKERS, "scale": ["speaker"] * 160}
    keys = {
        "prosody": pa.table(
            {
                **same,
                "target": ["f0"] * 160,
                "truth": truth,
                "predicted": data.predicted,
                "baseline": data.baseline,
            }
        ),
        "fixed": pa.table(
            {
                **same,
                "target": ["emotion"] * 160,
                "stratum": [""] * 160,
                "truth": said,
                "predicted": heard,
            }
        ),
    }
    evaluated = _evaluation(store, path)
    made = {name: _artifact(store, "probe", table) for name, table in keys.items()}
    update = {"datasets": [result.model_copy(update={"probes": probes})]}
    update |= attach(store, [_Target(evaluated, made)], path, record)
    save_record(record.model_copy(update=update), path)


def _evaluation(store: Store, path: Path) -> str:
    from lanser_bench.records.attachments import read_attached

    record = load_record(path)
    assert record.predictions is not None
    return _artifact(store, "evaluate", read_attached(path, record.predictions))


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A pre-trained row that holds more emotion than random weights, and no more pitch."""
    row: dict[str, Any] = {"labeler": "words", "taxonomy": "mood"}
    for seed in (0, 1, 2):
        _published(tmp_path, "main", seed, 0.9, **row)
        _published(tmp_path, "random", seed, 0.55, control="random_init", role="control")
    return tmp_path


def records(folder: Path) -> Sequence[Any]:
    return load_records(sorted(folder.glob("*.json")))


def test_a_row_is_held_against_its_best_control_on_numbers_and_classes(study: Path) -> None:
    found = Records(records(study))
    (row,) = with_gaps(found.boards[0], found).main
    gap = row.gaps["fixed.emotion (speaker)"]
    assert gap.control == "random weights"
    assert gap.difference.interval is not None
    assert gap.difference.interval.low > 0.2
    same = row.gaps["prosody.f0 (speaker)"].difference
    assert same.interval is not None
    assert same.interval.low < 0 < same.interval.high
    assert row.chance == {"fixed.emotion (speaker)": 0.5}
    assert row.r2 is None  # a mean over targets of the raw scale, and never of classes


def test_what_learnt_from_human_labels_is_a_ceiling_and_no_control(study: Path) -> None:
    _published(study, "ceiling", 0, 0.99, labeler="words", control="gold", role="control")
    found = Records(records(study))
    board = with_gaps(found.boards[0], found)
    assert {row.control for row in board.controls} == {"random_init", "gold"}
    gap = board.main[0].gaps["fixed.emotion (speaker)"]
    assert gap.control == "random weights"


def test_the_target_table_prints_scores_with_their_differences(study: Path) -> None:
    kept = Records(records(study))
    board = with_gaps(kept.boards[0], kept)
    found = target_sheet(board)
    heads, rows = found.heads, [found.texts(row) for row in found.rows]
    assert heads[:4] == ["target", "score", "main", "to best control"]
    assert [row[1] for row in rows] == ["R²", "UAR, chance 50.0"]
    assert all("random weights" in row[3] for row in rows)
    assert rows[1][3].startswith("+3")
    assert all(len(row) == len(heads) for row in rows)
    assert "to best control" in leaderboard_markdown([board], targets=True)
    assert "to best control" not in leaderboard_markdown([board])
    assert plain([board])[0]["main"][0]["gaps"]["prosody.f0 (speaker)"]["control"]


def test_two_sides_are_compared_target_by_target(study: Path) -> None:
    found = compare("control=none", "control=random_init", folder=study, targets=True)
    lines = {line.what.rpartition(", ")[2]: line for line in found.lines}
    assert lines.keys() == {"fixed.emotion (speaker)", "prosody.f0 (speaker)"}
    told, same = lines["fixed.emotion (speaker)"], lines["prosody.f0 (speaker)"]
    assert told.p_value is not None
    assert told.p_value < 0.01
    assert same.p_value is not None
    assert same.p_value > 0.05
    assert told.seeds == (3, 3)
    assert found.mean is None
    assert "R² and UAR" in title(found)


def test_the_report_shows_classes_with_their_chance(study: Path, tmp_path: Path) -> None:
    page = write_report(sorted(map(str, study.glob("*.json"))), tmp_path / "r.html").read_text()
    assert "fixed (UAR)" in page
    assert "chance 0.50; above random weights" in page
    assert "of 1 targets, 0 are predicted better" in page


def test_class_scores_are_computed_again_from_their_hits(study: Path) -> None:
    path = study / "main-0.json"
    assert check_record(path).faults == []
    path.write_text(path.read_text().replace('"target": "emotion"', '"target": "else"'))
    (fault,) = check_record(path).faults
    assert "there are no sums of UAR of fixed else speaker" in fault
