"""Dose and response over records."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lanser_bench.cli import main
from lanser_bench.errors import DataError, LanserError, SettingsError
from lanser_bench.records.reading import load_records
from lanser_bench.reporting.comparing.dose import DoseBoard, dose_response
from lanser_bench.reporting.comparing.dose_views import picture, sheets
from lanser_bench.reporting.comparing.responses import Response
from lanser_bench.reporting.tables.sheet import plain

from .published import labelled, publish, simulated

DOSES = (0.0, 0.5, 1.0)
BASELINE = Path(__file__).parents[2] / "results/baseline/regression"


def cells(
    folder: Path,
    control: str | None,
    hits: tuple[float, ...],
    axis: str = "corpora.0.congruence={}",
    seeds: int = 3,
) -> None:
    for dose, hit in zip(DOSES, hits, strict=True):
        name, _, value = axis.format(dose).partition("=")
        for seed in range(seeds):
            rng = np.random.default_rng([seed, int(100 * hit)])
            publish(
                folder,
                f"{control or 'main'}-{dose}",
                simulated(rng, hit),
                seed=seed,
                axes={name: value, "encoder": "cnn"},
                role="control" if control else "main",
                control=control,
                labels=labelled(0.25 + 0.5 * dose),
            )


@pytest.fixture(scope="module")
def dial(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dial")
    cells(folder, None, (0.35, 0.5, 0.65))
    cells(folder, "shuffled", (0.36, 0.35, 0.37))
    for seed in range(3):
        rng = np.random.default_rng([seed, 7])
        publish(
            folder,
            "random_init",
            simulated(rng, 0.35),
            seed=seed,
            axes={"encoder": "cnn"},
            role="control",
            control="random_init",
        )
    return folder


def boards(folder: Path, axis: str, response: Response | None = None) -> list[DoseBoard]:
    return dose_response(axis, load_records([folder]), response or Response())


def test_a_line_rises_with_its_dose_and_its_shuffled_control_does_not(dial: Path) -> None:
    [board] = boards(dial, "corpora.0.congruence")
    main_line, shuffled = board.lines
    assert [point.seeds for point in main_line.points] == [3, 3, 3]
    own, ahead = main_line.slopes
    assert ahead.of == "ahead of shuffled"
    for slope in (own, ahead):
        assert slope.value.value == pytest.approx(0.3, abs=0.06)
        assert slope.value.interval is not None
        assert slope.value.interval.low > 0
        assert slope.p_value is not None
        assert slope.p_value < 0.05
    [flat] = shuffled.slopes
    assert flat.value.interval is not None
    assert flat.value.interval.low < 0 < flat.value.interval.high
    assert set(main_line.points[0].ahead) == {"shuffled", "random init"}
    assert list(board.references) == ["random init"]


def test_labelers_that_differ_in_their_numbers_make_a_line_by_measured_accuracy(
    tmp_path: Path,
) -> None:
    cells(tmp_path, "reads_gold", (0.35, 0.5, 0.65), "labeler=noisy(accuracy={})", seeds=2)
    publish(
        tmp_path,
        "words",
        simulated(np.random.default_rng(3)),
        labels=labelled(0.4),
        axes={"labeler": "words", "encoder": "cnn"},
    )
    [board] = boards(tmp_path, "label-accuracy")
    single, line = board.lines
    assert (single.points[0].dose, single.slopes) == (0.4, [])
    assert line.name == "reads gold: noisy"
    assert line.slopes[0].value.value == pytest.approx(0.6, abs=0.2)


def test_tables_json_and_picture_show_every_cell(dial: Path) -> None:
    [board] = boards(dial, "corpora.0.congruence")
    points, slopes = sheets(board)
    assert len(points.rows) == 7
    assert len(slopes.rows) == 3
    [content] = plain([board])
    assert json.loads(json.dumps(content))["lines"][0]["points"][2]["dose"] == 1.0
    axes = picture(board).axes[0]
    assert len(axes.lines) == 3
    assert axes.get_xlabel() == "congruence"


def test_the_command_prints_and_draws(
    dial: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = tmp_path / "curve.png"
    arguments = ["dose", str(dial), "--by", "corpora.0.congruence", "--format", "md"]
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--picture", str(image)])
    assert ended.value.code == 0
    assert "| shuffled | 0.5 |" in capsys.readouterr().out
    assert image.read_bytes()[:4] == b"\x89PNG"


def test_r2_of_probes_is_read_from_the_sums_beside_a_record() -> None:
    records = load_records([BASELINE])
    [board] = dose_response("label-accuracy", records, Response("r2"))
    [line] = board.lines
    assert line.slopes == []  # one cell makes no curve
    assert line.points[0].score.interval is not None
    one = dose_response("label-accuracy", records, Response("r2:f0_mean_st", scale="raw"))[0]
    scores = [
        t.r2.value
        for _, r in records
        if r.role == "main"
        for p in r.datasets[0].probes
        for t in p.targets
        if (t.target, t.scale) == ("f0_mean_st", "raw")
    ]
    assert one.lines[0].points[0].score.value == pytest.approx(np.mean(scores), abs=1e-9)


@pytest.mark.parametrize(
    ("ask", "error", "said"),
    [
        (lambda f: boards(f, "corpora.0.congruenc"), SettingsError, "corpora.0.congruence'"),
        (lambda f: boards(f, "encoder"), DataError, "not numbers: cnn"),
        (lambda f: Response("ua"), SettingsError, "Did you mean 'uar'"),
        (lambda f: Response("r2", scale="row"), SettingsError, "speaker or raw"),
        (lambda f: boards(f, "label-accuracy", Response("r2")), DataError, "beside its record"),
        (
            lambda f: dose_response("label-accuracy", load_records([BASELINE]), Response("r2:f0")),
            DataError,
            "f0_mean_st",
        ),
    ],
)
def test_what_cannot_be_shown_is_said(
    dial: Path, ask: Callable[[Path], Any], error: type[LanserError], said: str
) -> None:
    with pytest.raises(error, match=said):
        ask(dial)


def hours(folder: Path) -> Path:
    """`dial` along an axis of hours: 0.5, 1 and 2."""
    doses = (0.5, 1.0, 2.0)
    for control, hits in ((None, (0.35, 0.5, 0.65)), ("shuffled", (0.36, 0.35, 0.37))):
        for dose, hit in zip(doses, hits, strict=True):
            publish(
                folder,
                f"{control or 'main'}-{dose}",
                simulated(np.random.default_rng(int(100 * hit)), hit),
                axes={"corpora.0.hours": str(dose)},
                role="control" if control else "main",
                control=control,
            )
    return folder


def test_scores_are_extrapolated_along_the_line_of_the_measured_ones(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    records = load_records([hours(tmp_path)])
    [board] = dose_response("corpora.0.hours", records, Response(), extrapolate=4)
    ours, theirs = board.lines
    scores = np.array([[p.score.value for p in line.points] for line in (ours, theirs)])
    itself, ahead = ours.predictions
    for made, values in ((itself, scores[0]), (ahead, scores[0] - scores[1])):
        slope, start = np.polyfit([-1, 0, 1], values, 1)
        assert made.value.value == pytest.approx(start + 2 * slope, abs=1e-9)
        assert made.per_doubling.value == pytest.approx(slope, abs=1e-9)
        assert not made.seeds_known
    assert ahead.of == "ahead of shuffled"
    arguments = ["dose", str(tmp_path), "--by", "corpora.0.hours", "--extrapolate", "4"]
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--format", "md"])
    assert ended.value.code == 0
    printed = capsys.readouterr().out
    assert "## Extrapolated: uar at hours 4" in printed
    assert "assumes that the line holds up to 4, beyond what was measured" in printed
    assert "| main | ahead of shuffled | 0.5 to 2 | +" in printed


def test_a_dose_without_a_logarithm_is_refused(dial: Path) -> None:
    records = load_records([dial])
    with pytest.raises(DataError, match="has the value 0, which has no logarithm"):
        dose_response("corpora.0.congruence", records, Response(), extrapolate=4)
    with pytest.raises(SettingsError, match="it must be above 0"):
        dose_response("corpora.0.congruence", records, Response(), extrapolate=-1)
