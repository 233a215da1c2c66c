from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from lanser_bench.cli._console import print_sheets
from lanser_bench.errors import SettingsError
from lanser_bench.evaluation.contrast import averaged
from lanser_bench.evaluation.results import LabelsNeeded, Metric, ZeroShotResult
from lanser_bench.numbers import percent
from lanser_bench.records.reading import latest, load_records
from lanser_bench.records.record import ResultRecord, StageUse
from lanser_bench.reporting.leaderboard.boards import rank
from lanser_bench.reporting.leaderboard.by_axis import axis_sheet, rank_by
from lanser_bench.reporting.leaderboard.table import (
    comma_separated,
    header,
    leaderboard_markdown,
    notes,
    sheet,
    sheets,
)
from lanser_bench.reporting.report.pictures import save_curves
from lanser_bench.reporting.tables.form import Format
from lanser_bench.reporting.tables.sheet import csv_text, html, latex, markdown, plain
from lanser_bench.reporting.tables.terminal import terminal

from .conftest import metric
from .published import publish, simulated
from .test_tables import drawn

Make = Callable[..., ResultRecord]


@pytest.fixture
def records(record: Make) -> list[ResultRecord]:
    control = {"role": "control", "labeler": None, "taxonomy": None, "asr": None}
    return [
        record(0.50, name="low", group="low"),
        record(0.60, name="high", group="high", labeler="<b>bold</b> [red]"),
        record(0.90, name="random_init", group="random_init", control="random_init", **control),
    ]


def shown(records: list[ResultRecord], **options: bool) -> str:
    console = Console(file=io.StringIO(), width=160)
    for table in sheets(rank(records), **options):
        console.print(terminal(table))
    return console.file.getvalue()  # type: ignore[attr-defined]


def heads_of(lines: list[str]) -> list[str]:
    rows = [line.split("┃")[1:-1] for line in lines if line.startswith("┃")]
    return [" ".join(" ".join(parts).split()) for parts in zip(*rows, strict=True)]


def test_a_narrow_terminal_shows_what_fits_and_names_the_rest(records: list[ResultRecord]) -> None:
    boards = rank(records)
    narrow, wide = (drawn(sheet(boards[0]), width) for width in (90, 300))
    every = [column.head or "" for column in sheet(boards[0]).shown if column.names != "name"]
    assert heads_of(wide) == every
    heads = " ".join(" ".join(line for line in narrow if "┃" in line).replace("┃", " ").split())
    assert heads.startswith("# row labeler")
    assert f"UAR {boards[0].budget}" in heads
    away = [head for head in every if head not in heads]
    assert away
    assert all(head in " ".join(narrow[-3:]) for head in away)
    assert not any("hidden for width" in line for line in wide)


def test_main_rows_are_ranked_and_controls_stand_apart(records: list[ResultRecord]) -> None:
    (board,) = rank(records)
    assert [row.name for row in board.main] == ["high", "low"]
    assert [row.name for row in board.controls] == ["random_init"]
    lines = shown(records).splitlines()
    words = ("60.0 [55.0, 65.0]", "50.0 [45.0, 55.0]", "random init", "majority")
    place = {word: next(i for i, line in enumerate(lines) if word in line) for word in words}
    assert list(place.values()) == sorted(place.values())


def test_rows_without_labels_and_fine_tuned_ones_have_columns_where_they_are_there(
    record: Make, records: list[ResultRecord]
) -> None:
    assert not any("zero-shot" in line for line in shown(records).splitlines())
    both = [record(seed=0), record(seed=1)]
    changed = []
    for found, uar in zip(both, (0.3, 0.4), strict=True):
        target = found.datasets[0]
        heard = ZeroShotResult(
            source="head",
            taxonomy="mood",
            labels=["glad", "sad"],
            n_utterances=40,
            n_speakers=8,
            coverage=Metric(value=1.0),
            uar=Metric(value=uar),
            wa=Metric(value=uar),
            macro_f1=Metric(value=uar),
            recalls={"glad": uar, "sad": uar},
            confusion=[[1, 0, 0], [0, 1, 0]],
        )
        more = {"zero_shot": heard, "finetune": target.evaluation}
        changed.append(found.model_copy(update={"datasets": [target.model_copy(update=more)]}))
    (board,) = rank(changed)
    assert board.main[0].more["zero_shot"] is not None
    assert board.main[0].more["zero_shot"].value == pytest.approx(0.35)
    assert plain(board.main[0])["zero_shot"]["value"] == pytest.approx(0.35)
    page = leaderboard_markdown([board])
    assert "| UAR fine-tuned | UAR zero-shot |" in page
    assert "| 35.0 |" in page


def test_user_text_is_shown_as_it_is(records: list[ResultRecord]) -> None:
    assert "[red]" in shown(records)
    page = leaderboard_markdown(rank(records))
    assert "&lt;b>bold" in page
    assert "<b>" not in page


def test_other_sets_and_splits_are_never_in_one_table(record: Make) -> None:
    boards = rank([record(), record(split="s2"), record(dataset="else")])
    assert len(boards) == 3


def test_a_set_is_headed_by_the_title_that_its_user_gave_it(record: Make) -> None:
    ref = {"dataset": "talk", "options": {"title": "Calls of May"}}
    (board,) = rank([record(settings={"targets": [ref]})])
    assert header(board).startswith("Calls of May (talk): ")
    assert board.dataset == "talk"
    (plain,) = rank([record(settings={"targets": [{"dataset": "talk", "options": {}}]})])
    assert header(plain).startswith("talk: ")


def test_boards_of_one_set_have_titles_that_tell_them_apart(record: Make) -> None:
    alone, twice = record(dataset="else"), record(split="s2")
    other = twice.model_copy(update={"experiment": "other"})
    third = record(split="s3").model_copy(update={"experiment": "other"})
    titles = [board.title for board in rank([alone, record(), other, third])]
    assert titles[0] == "else"
    assert titles[1].endswith(f" in {record().experiment}")
    assert [title[-12:] for title in titles[2:]] == ["in other (3)", "in other (4)"]


def test_other_budgets_labels_and_permuted_gold_are_never_in_one_table(record: Make) -> None:
    def with_evaluation(**changes: object) -> ResultRecord:
        made = record()
        result = made.datasets[0]
        evaluation = result.evaluation.model_copy(update=changes)
        return made.model_copy(
            update={"datasets": [result.model_copy(update={"evaluation": evaluation})]}
        )

    plain = with_evaluation()
    small = with_evaluation(budgets=plain.datasets[0].evaluation.budgets[:1])
    boards = rank([plain, small, with_evaluation(control="permuted gold")])
    assert len(boards) == 3
    assert "control: permuted gold" in header(boards[2])


def test_seeds_of_other_settings_are_not_averaged(record: Make) -> None:
    short, long = {"pretrain": {"epochs": 5, "seeds": [0, 1]}}, {"pretrain": {"epochs": 9}}
    stages = {"pretrain": StageUse(stage="pretrain", key="k")}
    old = [
        record(0.4, name=f"main, seed={i}", seed=i, settings=short, stages=stages) for i in (0, 1)
    ]
    new = record(
        0.8, name="main", settings=long, stages=stages, created="2026-02-02T00:00:00+00:00"
    )
    assert latest([*old, new]) == [new]
    (board,) = rank([*old, new])
    assert sorted((row.uar.value, row.n_seeds) for row in board.main) == [(0.4, 2), (0.8, 1)]


def test_settings_that_take_no_part_do_not_part_repetitions(record: Make) -> None:
    control = {"group": "random_init", "role": "control", "control": "random_init"}
    found = [
        record(
            0.4,
            name=f"random_init, seed={i}",
            seed=i,
            settings={"label": {"shard_rows": i}},
            created=f"2026-01-0{i + 1}T00:00:00+00:00",
            **control,
        )
        for i in (0, 1)
    ]
    assert latest(found) == found


def test_a_seed_that_is_there_under_two_names_counts_once(record: Make) -> None:
    alone = record(0.4, name="main", settings={"pretrain": {"seeds": [0]}})
    again = [
        record(
            u,
            name=f"main, seed={i}",
            seed=i,
            settings={"pretrain": {"seeds": [0, 1]}},
            created="2026-02-02T00:00:00+00:00",
        )
        for i, u in enumerate((0.4, 0.6))
    ]
    assert len(latest([alone, *again])) == 2
    (board,) = rank([alone, *again])
    (row,) = board.main
    assert row.n_seeds == 2
    assert row.uar.value == pytest.approx(0.5)


def test_targets_are_shown_on_request(records: list[ResultRecord]) -> None:
    assert "prosody.f0_mean_st (raw)" not in shown(records)
    assert "prosody.f0_mean_st (raw)" in shown(records, targets=True)


def test_a_narrow_terminal_shows_the_targets_of_the_rows_that_fit(
    records: list[ResultRecord],
) -> None:
    boards = rank(records)
    [_, table] = sheets(boards, targets=True)
    narrow, wide = drawn(table, 70), drawn(table, 300)
    names = ["labeler=<b>bold</b> [red]", "labeler=words", "random init"]
    assert heads_of(wide) == ["target", "score", *names]
    assert heads_of(narrow) == ["target", "score", names[0]]
    text = " ".join(" ".join(narrow).split())
    assert "hidden for width: labeler=words, random init" in text
    assert not any("hidden for width" in line for line in wide)
    assert "prosody.f0_mean_st (raw)" in text


def test_labels_needed_have_a_column_where_targets_were_fixed_beforehand(record: Make) -> None:
    made = record(0.50)
    (result,) = made.datasets
    wanted = [
        LabelsNeeded(target=0.4, n_labels=33.6, fraction=0.2),
        LabelsNeeded(target=0.9, censored_at=600.0),
    ]
    evaluation = result.evaluation.model_copy(update={"labels_needed": wanted})
    told = result.model_copy(update={"evaluation": evaluation})
    (board,) = rank([made.model_copy(update={"datasets": [told]})])
    found = sheet(board)
    row = dict(zip(found.heads, found.texts(found.rows[0]), strict=True))
    assert (row["labels to 40"], row["labels to 90"]) == ("34", "> 600")
    assert found.texts(found.rows[-1])[1] == "majority"
    (without,) = rank([made])
    assert not any(head.startswith("labels to") for head in sheet(without).heads)


def test_the_mean_of_r2_is_over_one_probe_and_names_those_that_it_leaves_out(
    record: Make,
) -> None:
    made = record(0.50)
    (result,) = made.datasets
    (prosody,) = result.probes
    words = prosody.targets[0].model_copy(update={"target": "words_pc_01", "r2": metric(0.9)})
    text = prosody.model_copy(update={"probe": "text", "targets": [words]})
    both = result.model_copy(update={"probes": [prosody, text]})
    (before,), (after,) = rank([made]), rank([made.model_copy(update={"datasets": [both]})])
    assert after.main[0].r2 == before.main[0].r2
    assert "R²: mean over probe targets, raw scale" in notes(before)
    assert "R²: mean over the targets of prosody, raw scale (not of text)" in notes(after)


def test_seeds_are_averaged_and_counted(record: Make) -> None:
    found = [record(u, name=f"main, seed={i}", seed=i) for i, u in enumerate((0.4, 0.5, 0.6))]
    (board,) = rank(found)
    (row,) = board.main
    assert row.n_seeds == 3
    assert row.uar.value == pytest.approx(0.5)
    assert row.uar.interval is not None
    # 0.05 over speakers and t(2) · 0.1 / √3 over seeds, in quadrature.
    half = (0.05**2 + (4.302653 * 0.1 / 3**0.5) ** 2) ** 0.5
    assert row.uar.interval.high - row.uar.value == pytest.approx(half, rel=1e-6)
    assert [point.budget for point in row.curve] == ["10%", "100%"]


def test_equal_seeds_add_nothing_to_the_interval() -> None:
    mean = averaged([metric(0.5), metric(0.5)])
    assert mean.interval is not None
    assert (mean.interval.low, mean.interval.high) == pytest.approx((0.45, 0.55))


def test_no_interval_where_one_seed_has_none() -> None:
    assert averaged([metric(0.5), metric(0.7, None)]).interval is None


def test_numbers_without_interval_have_no_brackets() -> None:
    assert percent(Metric(value=0.123)) == "12.3"
    assert percent(None) == "–"


def test_json_holds_every_row(records: list[ResultRecord]) -> None:
    (board,) = json.loads(json.dumps(plain(rank(records))))
    assert [row["uar"]["value"] for row in board["main"]] == [0.6, 0.5]
    assert board["controls"][0]["control"] == "random_init"


def test_markdown_has_a_row_per_row(records: list[ResultRecord]) -> None:
    rows = [
        line for line in leaderboard_markdown(rank(records)).splitlines() if line.startswith("|")
    ]
    assert len(rows) == 2 + 2 + 1 + 1
    assert len({line.count("|") for line in rows}) == 1


def test_pictures_are_whole_and_the_same_each_time(
    records: list[ResultRecord], tmp_path: Path
) -> None:
    for name in "ab":
        save_curves(rank(records), tmp_path / name)
    first, second = sorted(tmp_path.rglob("*.png"))
    assert first.read_bytes()[:4] == b"\x89PNG"
    assert first.read_bytes() == second.read_bytes()
    svg = first.with_suffix(".svg")
    assert svg.read_bytes() == second.with_suffix(".svg").read_bytes()
    assert "random init" in svg.read_text()
    assert sorted(p.suffix for p in (tmp_path / "a").iterdir()) == [".png", ".svg"]


# -- ranks, from the predictions beside records ------------------------------------------------


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Three labelers × two encoders, three seeds each: `good` is better, the others are alike."""
    for labeler, hit in (("good", 0.9), ("plain", 0.5), ("other", 0.5)):
        for encoder in ("cnn", "resnet"):
            for seed in (0, 1, 2):
                rng = np.random.default_rng([7, seed, ord(labeler[0]), len(encoder)])
                publish(
                    tmp_path,
                    f"{labeler}-{encoder}",
                    simulated(rng, hit, speakers=12),
                    seed=seed,
                    axes={"labeler": labeler, "encoder": encoder},
                    labeler=labeler,
                    encoder=encoder,
                )
    return tmp_path


def test_rows_that_cannot_be_told_apart_share_their_ranks(study: Path) -> None:
    (board,) = rank(load_records([study]))
    assert {row.labeler for row in board.main[:2]} == {"good"}
    places = [row.standing.text for row in board.main if row.standing]
    assert places == ["1–2"] * 2 + ["3–6"] * 4
    assert board.main[0].standing is not None
    assert board.main[0].standing.behind is None
    last = board.main[-1].standing
    assert last is not None
    assert last.behind is not None
    assert last.behind.value == pytest.approx(board.main[-1].uar.value - board.main[0].uar.value)
    assert last.p_value is not None
    assert last.p_value < 0.05


def test_ranks_need_predictions_of_every_row(study: Path) -> None:
    found = load_records([study])
    (board,) = rank(
        [(p, r.model_copy(update={"predictions": None})) for p, r in found[:1]] + list(found[1:])
    )
    assert all(row.standing is None for row in board.main)
    assert "to best" not in " ".join(sheet(board).heads)
    (board,) = rank([record for _, record in found])
    found = sheet(board)
    assert [found.texts(row)[0] for row in found.rows[:6]] == [str(i) for i in range(1, 7)]


def test_rows_may_be_ranked_by_another_score(record: Make) -> None:
    first, second = record(0.6, name="a", group="a"), record(0.5, name="b", group="b")
    result = second.datasets[0]
    top = result.evaluation.budgets[-1].model_copy(update={"macro_f1": metric(0.9)})
    evaluation = result.evaluation.model_copy(update={"budgets": [top]})
    first_top = first.datasets[0].evaluation.model_copy(
        update={"budgets": first.datasets[0].evaluation.budgets[-1:]}
    )
    change = {"evaluation": evaluation}
    second = second.model_copy(update={"datasets": [result.model_copy(update=change)]})
    first = first.model_copy(
        update={"datasets": [first.datasets[0].model_copy(update={"evaluation": first_top})]}
    )
    assert [r.name for r in rank([first, second])[0].main] == ["a", "b"]
    assert [r.name for r in rank([first, second], metric="macro_f1")[0].main] == ["b", "a"]


def test_what_the_encoder_knows_of_the_set_stands_below_the_table(record: Make) -> None:
    one = record()
    told = one.datasets[0].model_copy(update={"notes": ["It has learnt them by heart."]})
    (board,) = rank([one.model_copy(update={"datasets": [told]})])
    assert notes(board)[-1] == "It has learnt them by heart."


def test_warnings_are_in_the_order_of_their_numbers(record: Make) -> None:
    made = record()
    result = made.datasets[0]
    said = ["Budget 10%: few.", "Budget 5%: few.", "Budget 1%: few."]
    evaluation = result.evaluation.model_copy(update={"warnings": said})
    update = {"datasets": [result.model_copy(update={"evaluation": evaluation})]}
    (board,) = rank([made.model_copy(update=update)])
    assert board.warnings == said[::-1]


def test_an_axis_is_ranked_over_the_cells_that_all_its_values_have(study: Path) -> None:
    (board,) = rank_by("labeler", load_records([study]))
    assert board.rows[0].value == "good"
    assert [row.standing.text for row in board.rows] == ["1", "2–3", "2–3"]
    assert {(row.cells, row.records) for row in board.rows} == {(2, 6)}
    for path in study.glob("other-cnn*.json"):
        path.unlink()
    (board,) = rank_by("labeler", load_records([study]))
    assert {row.cells for row in board.rows} == {1}
    assert board.left_out == ["labeler=good, encoder=cnn", "labeler=plain, encoder=cnn"]
    with pytest.raises(SettingsError, match="No record has the axis 'colour'"):
        rank_by("colour", load_records([study]))


def test_every_form_holds_every_row(study: Path) -> None:
    boards = rank(load_records([study]))
    lines = list(csv.DictReader(io.StringIO(comma_separated(boards))))
    assert [float(line["uar"]) for line in lines] == [row.uar.value for row in boards[0].main]
    assert lines[-1]["rank_worst"] == "6"
    page = html(list(map(sheet, boards)), "Leaderboard")
    assert page.count("<tr") == 1 + 6 + 1
    assert "<script" not in page
    axis = rank_by("labeler", load_records([study]))
    by = axis_sheet(axis[0])
    assert csv_text([by]).count("\n") == 4
    assert len(plain(axis[0])["rows"]) == 3
    assert len(plain(by)["rows"]) == 3
    assert markdown(by).count("\n| ") == 1 + 1 + 3
    assert sum(line.startswith("│") for line in drawn(by, 120)) == 3
    assert latex(by).count(r"\\") == 1 + 3


def test_user_text_cannot_be_markup_in_a_page(record: Make) -> None:
    boards = rank([record(name="x", group="x", labeler="<script>alert(1)</script>"), record()])
    page = html(list(map(sheet, boards)), "Leaderboard")
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def test_a_table_that_is_no_terminals_is_as_wide_as_its_texts(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wide = "a-very-long-name-" * 12
    found = [
        (p, r.model_copy(update={"labeler": f"{wide}{r.labeler}", "axes": {}}))
        for p, r in load_records([study])
    ]
    print_sheets(sheets(rank(found)), Format.table)
    assert wide in capsys.readouterr().out
