from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lanser_bench.errors import DataError, SettingsError
from lanser_bench.evaluation.families import Declared, family_hash, filters
from lanser_bench.records.reading import load_records
from lanser_bench.records.record import save_record
from lanser_bench.reporting.comparing import compare_views as views
from lanser_bench.reporting.comparing.compare import compare
from lanser_bench.reporting.comparing.declared import declared_lines, declared_sheet
from lanser_bench.reporting.leaderboard.boards import rank
from lanser_bench.reporting.leaderboard.table import notes
from lanser_bench.reporting.report.data import Records
from lanser_bench.reporting.report.pictures import pictures_of
from lanser_bench.reporting.report.report import render
from lanser_bench.reporting.selection import Selection
from lanser_bench.reporting.tables.sheet import markdown

from .published import publish, simulated


@pytest.fixture
def grid(tmp_path: Path) -> Path:
    """Two labelers × two encoders, two seeds each; `good` is better."""
    for labeler, hit in (("good", 0.75), ("bad", 0.5)):
        for encoder in ("cnn", "resnet"):
            for seed in (0, 1):
                rng = np.random.default_rng([seed, len(labeler), len(encoder)])
                axes = {"labeler": labeler, "encoder": encoder}
                publish(
                    tmp_path,
                    f"{labeler}-{encoder}",
                    simulated(rng, hit),
                    seed=seed,
                    axes=axes,
                    labeler=labeler,
                    encoder=encoder,
                )
    return tmp_path


def test_cells_that_agree_in_everything_else_are_paired(grid: Path) -> None:
    found = compare("labeler=good", "labeler=bad", folder=grid)
    assert [line.what for line in found.lines] == [
        "encoder=cnn",
        "encoder=resnet",
    ]
    assert found.mean is not None
    means = [line.difference.value for line in found.lines]
    assert found.mean.difference.value == pytest.approx(np.mean(means))
    assert found.mean.seeds == (4, 4)
    assert all(line.p_value is not None and line.p_value < 0.05 for line in found.lines)
    for line in [*found.lines, found.mean]:
        assert line.difference.value == pytest.approx(line.a.value - line.b.value)
    assert found.left_out == []


def test_what_one_side_lacks_is_left_out_and_named(grid: Path) -> None:
    for path in grid.glob("bad-cnn-*.json"):
        path.unlink()
    found = compare("labeler=good", "labeler=bad", folder=grid)
    assert len(found.lines) == 1
    assert found.mean is None
    assert found.left_out == ["encoder=cnn: only on the first side"]


def test_commas_inside_a_value_part_no_filters() -> None:
    assert filters("a=[x,y(b=1,c=2)],role=main") == [("a", "[x,y(b=1,c=2)]"), ("role", "main")]


def test_two_records_are_compared_whatever_they_are(grid: Path) -> None:
    found = compare(grid / "good-cnn-0.json", grid / "bad-resnet-1.json")
    (line,) = found.lines
    assert line.seeds == (1, 1)
    assert not line.seeds_known
    assert "* one training seed" in views.comparison_markdown(found)


def test_other_splits_are_not_compared(grid: Path, tmp_path: Path) -> None:
    other = publish(tmp_path / "x", "o", simulated(np.random.default_rng(0)), folds=2)
    with pytest.raises(DataError, match="cannot be compared: another split"):
        compare(grid / "good-cnn-0.json", other)


@pytest.mark.parametrize(
    ("side", "words"),
    [("labler=good", "Did you mean 'labeler'"), ("labeler=god", "Did you mean 'good'")],
)
def test_a_filter_that_fits_nothing_is_a_sentence(grid: Path, side: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        compare(side, "labeler=bad", folder=grid)


def test_table_page_and_json_say_the_same(grid: Path, tmp_path: Path) -> None:
    found = compare("labeler=good", "labeler=bad", folder=grid)
    assert len(views.sheet(found).rows) == 3
    page = views.comparison_markdown(found)
    assert page.count("\n| ") == 5
    content = json.loads(json.dumps(views.as_json(found)))
    assert content["lines"][0]["difference"]["value"] == found.lines[0].difference.value
    views.picture(found, tmp_path / "c.png")
    assert (tmp_path / "c.png").read_bytes()[:4] == b"\x89PNG"


@pytest.fixture
def declaring(grid: Path) -> Path:
    """The same records, made under a declaration of three comparisons; one has no records."""
    said = [
        Declared(a="labeler=good,encoder=cnn", b="labeler=bad,encoder=cnn"),
        Declared(a="encoder=cnn", b="encoder=resnet"),
        Declared(a="encoder=cnn", b="encoder=late"),
    ]
    settings = {"comparisons": [one.model_dump() for one in said]}
    for path, record in load_records([grid]):
        changes = {"settings": settings, "family": family_hash(said)}
        save_record(record.model_copy(update=changes), path)
    return grid


def test_a_declared_comparison_is_adjusted_over_the_declared_family(declaring: Path) -> None:
    sides = "labeler=bad,encoder=cnn", "encoder=cnn,labeler=good"  # either way round
    found = compare(*sides, folder=declaring)
    assert found.family.confirmatory
    assert "over the 4 tests of the 3 declared comparisons" in views.comparison_markdown(found)
    others = [
        line.p_value
        for line in compare("encoder=cnn", "encoder=resnet", budget="100%", folder=declaring).lines
    ]
    assert len(found.family.others) == len(others) + 1
    assert found.family.others[-1] == 1.0  # what was not run is counted all the same
    alone = compare(*sides, metric="wa", folder=declaring)
    assert found.lines[0].detectable is not None
    assert alone.lines[0].detectable is not None
    assert not alone.family.confirmatory
    assert "exploratory, not among the 3 declared" in views.comparison_markdown(alone)


def test_part_of_the_seeds_is_not_what_was_declared(declaring: Path) -> None:
    sides = declaring / "good-cnn-0.json", declaring / "bad-cnn-0.json"
    assert not compare(*sides).family.confirmatory


def test_a_declaration_that_was_changed_afterwards_is_refused(declaring: Path) -> None:
    path = declaring / "good-cnn-0.json"
    path.write_text(path.read_text().replace("encoder=late", "encoder=cnn2"))
    with pytest.raises(DataError, match="not those it was written with"):
        compare("labeler=good", "labeler=bad", folder=declaring)


@pytest.mark.parametrize("more", [{"metric": "wa"}, {"budget": "10%"}])
def test_probe_targets_take_no_metric_and_no_budget(grid: Path, more: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match="leave --metric and --budget out"):
        compare("labeler=good", "labeler=bad", folder=grid, targets=True, **more)


def test_without_a_declaration_the_table_is_the_family(grid: Path) -> None:
    found = compare("labeler=good", "labeler=bad", folder=grid)
    assert "no comparison was declared in advance" in views.comparison_markdown(found)


def test_the_leaderboard_says_what_was_declared(declaring: Path) -> None:
    [board] = rank(load_records([declaring]))
    assert "encoder=cnn against encoder=late (uar)" in " ".join(notes(board))


def test_all_declared_comparisons_are_one_table_with_the_p_values_of_compare(
    declaring: Path,
) -> None:
    lines = declared_lines(Selection(load_records([declaring])))
    assert [(*one.settings, one.score, one.sides) for one in lines] == [
        ("encoder=cnn", "uar", "labeler=good minus labeler=bad"),
        ("uar", "encoder=cnn minus encoder=resnet"),
        ("uar", "encoder=cnn minus encoder=resnet"),
    ]
    alone = compare("labeler=good,encoder=cnn", "labeler=bad,encoder=cnn", folder=declaring)
    assert lines[0].line == replace(alone.lines[0], what=lines[0].line.what, axes={})
    table = markdown(declared_sheet(lines))
    assert "| encoder=cnn | uar | labeler=good minus labeler=bad |" in table
    records = Records(load_records([declaring]))
    drawn = [name for board in records.boards for name, _ in pictures_of(records, board)]
    assert drawn.count("declared") == 1
    page = render(load_records([declaring]))
    judged = ["above 0" if (one.line.p_value or 1) <= 0.05 else "other" for one in lines]
    headline = page.split("<h1 ")[1].split(">")[1].split("<")[0]
    assert headline.startswith("Of 3 declared comparisons on talk, ")
    assert f"{judged.count('above 0')} above 0" in headline
    assert page.count("Comparisons declared before the run") == 1
    assert "confirmatory: declared before the run" in page
    line = page.split("encoder=cnn, UAR: labeler=good minus labeler=bad</th>")[1]
    assert "p (Holm) 0.0" in line.split("</tr>")[0]
