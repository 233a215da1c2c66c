"""A W&B project with a grid of 23 cells: names, groups, axes and number of files."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from wandb_files import OfflineRun, offline_runs

from lanser_bench.experiment import RunOutcome, run_experiment

pytestmark = pytest.mark.slow
Make = Callable[..., dict[str, Any]]
LABELERS, SEEDS = 5, 2
CELLS = (2 * LABELERS + 1) * SEEDS + 1
"""Main rows, their shuffled controls and random weights, with seeds each, and one without."""


@pytest.fixture(scope="module")
def tracked(
    settings_in: Make, corpora: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[RunOutcome, list[OfflineRun], Path]:
    """A grid of tiny cells, run once, as W&B wrote it offline."""
    root = tmp_path_factory.mktemp("grid")
    settings = settings_in(
        root,
        name="sharpness",
        pretrain={"epochs": 1, "seeds": list(range(SEEDS))},
        probes=[],
        grid={"labeler": [{"name": "words", "sharp": 1 + n / 4} for n in range(LABELERS)]},
        trackers=[{"name": "wandb", "mode": "offline", "entity": "team", "project": "p"}],
        tracker_timeout_s=600,
    )
    del settings["labeler"]
    settings["evaluate"]["budgets"] = [0.5, 1.0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(root))
        outcome = run_experiment(settings, plugin_dirs=[corpora / "plugins"])
    assert outcome.ok
    return outcome, offline_runs(root / "store"), root


def test_each_cell_is_a_run_and_the_grid_is_one(tracked: Any) -> None:
    outcome, runs, _ = tracked
    assert len(outcome.records) == CELLS
    assert outcome.notes == []
    assert len(runs) == CELLS + 1
    assert len({found.run.run_id for found in runs}) == CELLS + 1
    kinds = Counter(found.run.job_type for found in runs)
    assert kinds == {
        "main": LABELERS * SEEDS,
        "shuffled": LABELERS * SEEDS,
        "random_init": SEEDS,
        "logmel_stats": 1,
        "grid": 1,
    }


def test_seeds_share_a_group_and_names_are_short_and_stable(tracked: Any) -> None:
    outcome, runs, _ = tracked
    groups = defaultdict(set)
    for found in runs:
        groups[found.run.run_group].add(found.run.display_name)
    assert Counter(map(len, groups.values())) == {SEEDS: 2 * LABELERS + 1, 1: 2}
    records = [json.loads(path.read_text()) for path in outcome.records]
    assert groups == {
        **{
            f"sharpness/{of}": {r["name"] for r in records if r["group"] == of}
            for of in {r["group"] for r in records}
        },
        "sharpness/grid": {"sharpness: all cells"},
    }
    assert all(len(name) <= 128 for names in (groups, *groups.values()) for name in names)


def test_summaries_have_few_keys_and_curves_have_the_labels_as_axis(tracked: Any) -> None:
    _, runs, _ = tracked
    cells = [found for found in runs if found.run.job_type != "grid"]
    charts = {
        name
        for found in cells
        for name, metric in found.metrics.items()
        if metric.step_metric == "manifest/curve/n_labels" and not metric.options.hidden
    }
    assert charts == {f"manifest/curve/{score}" for score in ("uar", "wa", "macro_f1")}
    keys = [
        {k for k in found.summary if k not in found.history and not k.startswith("_")}
        for found in cells
    ]
    assert max(map(len, keys)) <= 45
    assert all("manifest/uar" in of_run for of_run in keys)


def test_the_grids_run_has_a_linked_table_a_picture_and_the_report(tracked: Any) -> None:
    _, runs, root = tracked
    [grid] = [found for found in runs if found.run.job_type == "grid"]
    [path] = grid.folder.rglob("*.table.json")
    table = json.loads(path.read_text())
    rows = [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]
    assert len(rows) == 2 * LABELERS + 2
    of_groups = {found.run.run_group for found in runs} - {"sharpness/grid"}
    assert {row["group"] for row in rows} == of_groups
    for row in rows:
        assert row["link"].startswith("https://wandb.ai/team/p/groups/sharpness%2F")
        if row["role"] == "main":
            for control in ("random_init", "shuffled", "logmel_stats"):
                assert -1 <= row[f"minus_{control}"] <= 1
                low, high = (row[f"minus_{control}_{end}"] for end in ("low", "high"))
                assert low <= row[f"minus_{control}"] <= high
    by_group = {row["group"]: row for row in rows}
    best = rows[0]
    control = by_group[best["group"].replace("sharpness/", "sharpness/shuffled [") + "]"]
    assert best["minus_shuffled"] == pytest.approx(best["uar"] - control["uar"])
    assert grid.summary["cells"] == CELLS
    assert grid.summary["manifest/best/uar"] == best["uar"]
    assert list(grid.folder.rglob("confusions-1*.png"))
    assert list(grid.folder.rglob("label-efficiency*.png"))
    assert grid.artifacts["report"].manifest.contents[0].path == "report.html"
    [report] = root.rglob("trackers/wandb/report.html")
    assert "sharpness" in report.read_text()


def test_a_cell_costs_few_files(tracked: Any) -> None:
    _, runs, root = tracked
    [folder] = root.rglob("trackers/wandb/wandb")
    files = [path for path in folder.glob("offline-run-*/**/*") if path.is_file()]
    media = [path for path in files if "media" in path.parts]
    assert len(files) <= 4 * len(runs) + len(media)  # the run and its logs
    assert len(media) < 15
    assert not (root / ".cache" / "wandb").exists()
    assert not (root / ".local" / "share" / "wandb").exists()


def test_the_run_names_the_command_that_uploads_all(tracked: Any) -> None:
    outcome, _, root = tracked
    [folder] = root.rglob("trackers/wandb/wandb")
    assert outcome.views == {"wandb": f"wandb sync {folder}"}
