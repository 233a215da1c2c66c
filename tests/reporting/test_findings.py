"""Findings follow the experiment's question and use a row's own controls only."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lanser_bench.evaluation.results import Interval, Metric
from lanser_bench.measurements import MEASUREMENTS
from lanser_bench.records.reading import load_records
from lanser_bench.records.record import ResultRecord
from lanser_bench.reporting.comparing.compare import compare
from lanser_bench.reporting.comparing.dose import dose_response
from lanser_bench.reporting.comparing.responses import Response
from lanser_bench.reporting.report import costs, forest, questions
from lanser_bench.reporting.report.clips import Clips
from lanser_bench.reporting.report.content import board_content, curve_lines, row_costs
from lanser_bench.reporting.report.data import Records, cell_anchor, row_anchor
from lanser_bench.reporting.report.finding import Difference
from lanser_bench.reporting.report.matrix import matrices
from lanser_bench.reporting.report.pictures import write_pictures
from lanser_bench.reporting.report.questions import TITLES, Answer, answer
from lanser_bench.reporting.report.report import render

from .published import publish, simulated
from .test_report import MAIN, control

RESULTS = Path(__file__).parents[2] / "results"


def answered(*names: str, **settings: Any) -> Answer:
    """The answer on the first board of a committed study."""
    found = load_records([RESULTS / name for name in names])
    if settings:
        found = [
            (path, one.model_copy(update={"settings": {**one.settings, **settings}}))
            for path, one in found
        ]
    records = Records(found)
    boards = [b for m in MEASUREMENTS if m.matrix is not None for b in matrices(records, m)]
    return answer(records, records.boards[0], boards)


def test_a_row_is_compared_with_its_own_controls_only() -> None:
    """The winner learns from synthetic speech, whose labels were shuffled in no row."""
    found = answered("ravdess").finding
    gaps = {d.name: d.difference.value for d in found.differences}
    folder = RESULTS / "ravdess"
    for encoder, name in (("resnet", "shuffled labels"), ("cnn", None)):
        line = compare(
            f"encoder={encoder},control=none,corpora=[librispeech,librispeech,ljspeech]",
            f"encoder={encoder},control=shuffled",
            folder=folder,
        ).lines[0]
        own = gaps if name else {d.name: d.difference.value for d in dict(found.others)[CNN]}
        assert own["shuffled labels"] == pytest.approx(line.difference.value, abs=1e-12)
    assert {d.name for d in found.differences if d.decides} == {
        "shuffled labels",
        "random weights",
        "labels shuffled within speakers",
    }
    synthetic = [lines for name, lines in found.others if "synthetic" in name]
    assert synthetic
    assert all(d.name != "shuffled labels" for lines in synthetic for d in lines)


CNN = "cnn on entailment × ekman-6 (corpora=librispeech ×2 + ljspeech)"


@pytest.mark.parametrize(
    ("study", "question", "headline"),
    [
        ("congruence", "dose", "UAR shows no detectable trend with congruence on synthetic"),
        ("talkies-hours", "dose", "UAR shows no detectable trend with hours on ravdess"),
        ("ravdess-flatten", "cues", "whisper-encoder loses with F0 flattened on ravdess"),
        ("noise-transfer", "labelers", "No labeler is clearly best on synthetic"),
        pytest.param(
            "ravdess-transfer",
            "transfer",
            "carries over no better than its best control",
            marks=pytest.mark.slow,
        ),
        ("ravdess-finetune", "fine-tuning", "no conclusion on weak pre-training after fine-tuning"),
    ],
)
def test_the_question_is_stated_by_the_experiment_or_read_from_what_varies(
    study: str, question: str, headline: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Records from before there were questions have that of the shipped experiment."""
    stated = answered(study)
    assert (stated.question, stated.stated) == (TITLES[question], True)  # type: ignore[index]
    assert headline in stated.finding.headline
    monkeypatch.setattr(questions, "shipped", dict)
    found = answered(study)
    assert not found.stated
    assert found.finding == stated.finding


def test_another_question_gives_another_finding() -> None:
    gain, area = (
        answered("congruence", question="gain"),
        answered("congruence", question="label-efficiency"),
    )
    assert gain.question == TITLES["gain"]
    assert "in label efficiency" in area.finding.headline
    assert gain.finding.differences != area.finding.differences


def test_a_question_that_the_records_cannot_answer_falls_back_to_the_gain() -> None:
    found = answered("congruence", question="listen-or-read")
    assert (found.question, found.stated) == (TITLES["gain"], False)


def test_the_slope_of_the_finding_is_that_of_dose() -> None:
    found = answered("congruence").finding
    records = load_records([RESULTS / "congruence"])
    [board] = dose_response("corpora.0.congruence", records, Response())
    line = next(x for x in board.lines if x.control is None)
    slope = next(d for d in found.differences if d.decides)
    assert slope.difference.value == pytest.approx(line.slopes[0].value.value)  # over 0 to 1
    assert "p 0.4" in slope.note


def test_without_shuffled_labels_nothing_is_said_of_the_labels(tmp_path: Path) -> None:
    for group, hit in (("main", 0.9), ("random_init", 0.3)):
        changes = MAIN if group == "main" else control(group)
        publish(tmp_path, group, simulated(np.random.default_rng(0), hit), **changes)
    records = Records(load_records([tmp_path]))
    assert "its labels were not tested" in answer(records, records.boards[0]).finding.headline


def spread(value: float, low: float, high: float) -> Metric:
    return Metric(value=value, interval=Interval(low=low, high=high, method="t"))


def test_a_forest_holds_all_intervals_and_0() -> None:
    lines = [
        Difference("a", True, spread(0.04, 0.01, 0.07)),
        Difference("b", False, spread(-0.12, -0.23, -0.01)),
    ]
    made = forest.forest(lines, ("left", "right"))
    assert [text for _, text in made["ticks"]] == ["−30", "−20", "−10", "0", "+10"]
    (_, first), (_, second) = made["lines"]
    assert first == {"at": 85.0, "low": 77.5, "high": 92.5}
    assert second["low"] == pytest.approx(17.5)


def test_the_front_has_the_rows_that_none_beats_in_cost_and_score() -> None:
    def row(name: str, seconds: float, uar: float) -> costs.Priced:
        return costs.Priced(name, name, True, seconds, Metric(value=uar))

    made = costs.priced([row("c", 9, 0.5), row("a", 1, 0.2), row("b", 5, 0.6), row("d", 5, 0.1)])
    assert [(one.name, one.front) for one in made] == [
        ("a", True),
        ("b", True),
        ("d", False),
        ("c", False),
    ]


def test_costs_are_the_wall_times_of_all_stages_of_one_seed() -> None:
    found = load_records([RESULTS / "real-speech"])
    records = Records(found)
    (board,) = records.boards
    row = next(row for row in board.main if row.labeler)
    own = [record for _, record in found if record.group == row.name]
    expected = sum(use.seconds or 0 for r in own for use in r.stages.values()) / len(own)
    assert len(own) == 3
    [priced] = [one for one in row_costs(records, board) if one.anchor == row_anchor(row)]
    assert priced.seconds == pytest.approx(expected)


def test_anchors_of_cells_do_not_change_with_other_records(tmp_path: Path) -> None:
    publish(tmp_path / "a", "main", simulated(np.random.default_rng(0)), **MAIN)
    alone = render(load_records([tmp_path / "a"]))
    publish(tmp_path / "b", "other", simulated(np.random.default_rng(1)), **MAIN)
    both = render(load_records([tmp_path]))
    anchors = [re.findall(r'<tr class="main"[^>]* id="(cell-\w+)"', page) for page in (alone, both)]
    assert set(anchors[0]) < set(anchors[1])
    (_, record), *_ = load_records([tmp_path / "a"])
    assert anchors[0] == [cell_anchor(record.experiment, record.group)]


def test_more_than_twelve_labels_have_a_list_of_confusions(
    record: Callable[..., ResultRecord], tmp_path: Path
) -> None:
    names = [f"label {i}" for i in range(20)]
    counts = np.diag(np.full(20, 15))
    counts[3, [3, 7, 8]] = 5, 12, 3
    made = record()
    [result] = made.datasets
    wide = {"labels": names, "confusion": counts.tolist()}
    result = result.model_copy(update={"evaluation": result.evaluation.model_copy(update=wide)})
    found = [(tmp_path / "a.json", made.model_copy(update={"datasets": [result]}))]
    records = Records(found)
    [shown] = board_content(records, records.boards[0], [], [], Clips(None))["confusions"]
    assert shown["errors"] == [("label 3", "label 7", 12, 60.0), ("label 3", "label 8", 3, 15.0)]
    page = render(found)
    assert "The most frequent of 15 confusions" in page
    assert 'class="heat confusion"' not in page


def test_a_label_keeps_its_colour_where_another_does_not_occur() -> None:
    page = render(load_records([RESULTS / "ravdess-finetune"]))
    keys = re.findall(r'<i class="(s\d)" style="flex:\d+" title="(\w+) \d+"></i>', page)
    colours: dict[str, set[str]] = {}
    for colour, label in keys:
        colours.setdefault(label, set()).add(colour)
    assert len(colours) == 6
    assert {len(of) for of in colours.values()} == {1}
    bars = re.findall(r'<i class="(s\d)" style="flex:\d+" title="(\w+) \d+">', page)
    assert all(colours[label] == {colour} for colour, label in bars)
    assert ("s0", "anger") not in bars[-5:]  # the last corpus has no anger


@pytest.mark.slow
def test_all_links_of_a_page_lead_somewhere() -> None:
    for study in ("ravdess-flatten", "ravdess-transfer", "ravdess-finetune"):
        page = render(load_records([RESULTS / study]))
        wanted = set(re.findall(r'href="#([^"]+)"', page))
        ids = re.findall(r' id="([^"]+)"', page)
        assert wanted <= set(ids)
        assert len(ids) == len(set(ids))


@pytest.mark.slow
def test_pictures_are_pdf_with_embedded_fonts_and_svg(tmp_path: Path) -> None:
    found = write_pictures([RESULTS / "real-speech"], tmp_path)
    kinds = {re.sub(r"^ravdess-\w+?-|\.\w+$", "", path.name) for path in found}
    assert {"finding", "label-efficiency", "cost", "prosody", "confusions-1"} <= kinds
    assert {path.suffix for path in found} == {".pdf", ".svg"}
    pdf = next(p for p in found if p.name.endswith("label-efficiency.pdf")).read_bytes()
    assert b"/FontFile2" in pdf
    box = re.search(rb"/MediaBox \[ 0 0 ([\d.]+)", pdf)
    assert box is not None
    assert float(box.group(1)) == pytest.approx(72 * 3.35, abs=1)


def test_the_curves_show_the_row_of_the_finding_and_its_controls() -> None:
    records = Records(load_records([RESULTS / "ravdess"]))
    shown = [x.name for x in curve_lines(records, records.boards[0]) if not x.off]
    assert "encoder=resnet, corpora=librispeech ×2 + ljspeech" in shown
    assert "shuffled (encoder=resnet, corpora=librispeech ×2 + ljspeech)" in shown
