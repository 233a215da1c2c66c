"""The published records load, and the leaderboard that stands beside them is made from them."""

from __future__ import annotations

from pathlib import Path

import pytest

from lanser_bench.cli import main
from lanser_bench.records.checks import check_records
from lanser_bench.records.reading import load_records

RESULTS = Path(__file__).parents[1] / "results"
STUDIES = sorted(p for p in RESULTS.iterdir() if p.is_dir() and p.name != "scratch")


RANKED = [study for study in STUDIES if study.name != "baseline"]
"""The gate's baseline is no study: a leaderboard of it would tell nobody anything."""


@pytest.mark.parametrize("study", STUDIES, ids=lambda p: p.name)
def test_published_records_load_and_tell_where_they_come_from(study: Path) -> None:
    records = [record for _, record in load_records([study])]
    for record in records:
        assert record.commit is not None
        assert not record.commit.dirty
        assert {d.evaluation.split_hash for d in record.datasets}
    # All rows of a study of `noisy` labels read gold, so they are controls.
    assert {r.role for r in records} - {"main"} == {"control"}


@pytest.mark.slow
@pytest.mark.parametrize("study", STUDIES, ids=lambda p: p.name)
def test_published_scores_follow_from_the_predictions_beside_them(study: Path) -> None:
    for found in check_records([study]):
        assert found.faults == []
        assert found.notes == []


@pytest.mark.slow
def test_the_leaderboard_page_is_that_of_the_records(tmp_path: Path) -> None:
    page = tmp_path / "LEADERBOARD.md"
    with pytest.raises(SystemExit) as ended:
        main(["leaderboard", *map(str, RANKED), "--markdown", str(page)])
    assert ended.value.code == 0
    assert page.read_text() == (RESULTS / "LEADERBOARD.md").read_text(), (
        "results/LEADERBOARD.md is stale: lanser-bench leaderboard FOLDERS --markdown "
        "results/LEADERBOARD.md, with all folders of results but the baseline"
    )
