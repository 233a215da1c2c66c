from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from lanser_bench.evaluation.results import Metric
from lanser_bench.reporting.leaderboard import (
    as_json,
    header,
    markdown,
    over_seeds,
    percent,
    rank,
    tables,
)
from lanser_bench.reporting.plots import save_pictures
from lanser_bench.reporting.records import ResultRecord, StageUse, latest

from .conftest import metric

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
    for table in tables(rank(records), **options):
        console.print(table)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_main_rows_are_ranked_and_controls_stand_apart(records: list[ResultRecord]) -> None:
    (board,) = rank(records)
    assert [row.name for row in board.main] == ["high", "low"]
    assert [row.name for row in board.controls] == ["random_init"]
    lines = shown(records).splitlines()
    words = ("60.0 [55.0, 65.0]", "50.0 [45.0, 55.0]", "random init", "majority")
    place = {word: next(i for i, line in enumerate(lines) if word in line) for word in words}
    assert list(place.values()) == sorted(place.values())


def test_user_text_is_shown_as_it_is(records: list[ResultRecord]) -> None:
    assert "[red]" in shown(records)
    page = markdown(rank(records))
    assert "&lt;b>bold" in page
    assert "<b>" not in page


def test_other_sets_and_splits_are_never_in_one_table(record: Make) -> None:
    boards = rank([record(), record(split="s2"), record(dataset="else")])
    assert len(boards) == 3


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
        record(0.4, name=f"random_init, seed={i}", seed=i, settings={"label": {"shard_rows": i}},
               created=f"2026-01-0{i + 1}T00:00:00+00:00", **control)
        for i in (0, 1)
    ]  # fmt: skip
    assert latest(found) == found


def test_a_seed_that_is_there_under_two_names_counts_once(record: Make) -> None:
    alone = record(0.4, name="main", settings={"pretrain": {"seeds": [0]}})
    again = [
        record(u, name=f"main, seed={i}", seed=i, settings={"pretrain": {"seeds": [0, 1]}},
               created="2026-02-02T00:00:00+00:00")
        for i, u in enumerate((0.4, 0.6))
    ]  # fmt: skip
    assert len(latest([alone, *again])) == 2
    (board,) = rank([alone, *again])
    (row,) = board.main
    assert row.n_seeds == 2
    assert row.uar.value == pytest.approx(0.5)


def test_targets_are_shown_on_request(records: list[ResultRecord]) -> None:
    assert "prosody.f0_mean_st (raw)" not in shown(records)
    assert "prosody.f0_mean_st (raw)" in shown(records, targets=True)


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
    mean = over_seeds([metric(0.5), metric(0.5)])
    assert mean.interval is not None
    assert (mean.interval.low, mean.interval.high) == pytest.approx((0.45, 0.55))


def test_no_interval_where_one_seed_has_none() -> None:
    assert over_seeds([metric(0.5), metric(0.7, None)]).interval is None


def test_numbers_without_interval_have_no_brackets() -> None:
    assert percent(Metric(value=0.123)) == "12.3"
    assert percent(None) == "–"


def test_json_holds_every_row(records: list[ResultRecord]) -> None:
    (board,) = json.loads(json.dumps(as_json(rank(records))))
    assert [row["uar"]["value"] for row in board["main"]] == [0.6, 0.5]
    assert board["controls"][0]["control"] == "random_init"


def test_markdown_has_a_row_per_row(records: list[ResultRecord]) -> None:
    rows = [line for line in markdown(rank(records)).splitlines() if line.startswith("|")]
    assert len(rows) == 2 + 2 + 1 + 1
    assert len({line.count("|") for line in rows}) == 1


def test_pictures_are_whole_and_the_same_each_time(
    records: list[ResultRecord], tmp_path: Path
) -> None:
    (first,) = save_pictures(rank(records), tmp_path / "a")
    (second,) = save_pictures(rank(records), tmp_path / "b")
    assert first.read_bytes()[:4] == b"\x89PNG"
    assert first.read_bytes() == second.read_bytes()
    svg = first.with_suffix(".svg")
    assert svg.read_bytes() == second.with_suffix(".svg").read_bytes()
    assert "random init" in svg.read_text()
    assert sorted(p.suffix for p in (tmp_path / "a").iterdir()) == [".png", ".svg"]
