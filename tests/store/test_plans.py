from __future__ import annotations

import gzip
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from lanser_bench.store import Owner, PluginIdentity, Spec, Store
from lanser_bench.store.plan_history import (
    WORKING,
    SavedPlan,
    active_plan,
    active_plans,
    plan_path,
    save_plan,
    saved_plans,
)
from lanser_bench.store.upkeep import leftovers, sweep


@dataclass
class Cell:
    name: str
    axes: dict[str, str]
    stages: dict[str, str]
    control: str | None = None


@dataclass
class Written:
    path: Path
    specs: dict[str, Spec] = field(default_factory=dict)

    def stage(self, **params: object) -> str:
        plugin = PluginIdentity(
            kind="labeler",
            name="x",
            distribution="d",
            version="1",
            source="s",
            options={},
            weights="",
            libraries={},
        )
        spec = Spec(stage="label", stage_version="1", plugins={"labeler": plugin}, params=params)
        self.specs[spec.key] = spec
        return spec.key

    def cell(self, axes: dict[str, str], control: str | None = None, **params: object) -> Cell:
        name = ",".join([control or "", *axes.values()])
        return Cell(name, axes, {"label": self.stage(**params)}, control)

    def save(self, *cells: Cell) -> SavedPlan:
        save_plan(self.path, self.specs, cells)
        plan = SavedPlan.read(self.path)
        assert plan is not None
        return plan


@pytest.fixture
def written(tmp_path: Path) -> Written:
    return Written(plan_path(Store(tmp_path / "store"), "e"))


def test_a_plan_comes_back_as_it_was_kept(written: Written) -> None:
    cells = [
        written.cell({"b": "2", "a": "1"}, z=[1, None], a={"x": "ü"}),
        written.cell({"b": "3"}, control="shuffled", z=2),
    ]
    plan = written.save(*cells)
    assert [(c.name, c.control, c.axes, c.stages) for c in plan.cells] == [
        (c.name, c.control, c.axes, c.stages) for c in cells
    ]
    assert dict(plan.specs) == written.specs
    assert all(spec.key == key for key, spec in plan.specs.items())
    assert plan.experiment == "e"


def test_the_same_plan_is_not_written_again(written: Written) -> None:
    cell = written.cell({"a": "1"}, z=1)
    written.save(cell)
    before = written.path.stat().st_ino
    written.save(cell)
    assert written.path.stat().st_ino == before
    written.save(written.cell({"a": "2"}, z=1))
    assert written.path.stat().st_ino != before


def test_a_cell_is_compared_with_the_one_that_is_most_like_it(written: Written) -> None:
    plan = written.save(
        written.cell({}, control="shuffled", z=0),
        written.cell({"a": "1", "b": "1"}, z=1),
        written.cell({"a": "2", "b": "1"}, z=2),
        written.cell({"a": "2", "b": "2"}, z=3),
    )

    def compared(axes: dict[str, str], control: str | None = None) -> object:
        key = plan.key_at(written.cell(axes, control, z=9), "label")
        return None if key is None else plan.specs[key].params["z"]

    assert compared({"a": "2", "b": "1"}) == 2, "itself"
    assert compared({"a": "3", "b": "2"}) == 3, "one axis differs"
    assert compared({"a": "2", "b": "2", "c": "1"}) == 3, "an axis was added"
    assert compared({"b": "2"}) == 3, "an axis was taken away"
    assert compared({"a": "7", "b": "7"}) == 1, "the first one"
    assert compared({"a": "1"}, control="shuffled") == 0
    assert compared({"a": "1"}, control="gold") is None


@pytest.mark.parametrize(
    ("content", "notes"),
    [(b"", 1), (b"{", 1), (gzip.compress(b"{}"), 0), (gzip.compress(b'{"format":2}'), 1)],
    ids=["empty", "not packed", "another format", "cut off"],  # packed bytes hold the time
)
def test_a_damaged_plan_is_removed_with_a_note(
    written: Written, content: bytes, notes: int, caplog: pytest.LogCaptureFixture
) -> None:
    written.path.parent.mkdir(parents=True)
    written.path.write_bytes(content)
    assert SavedPlan.read(written.path) is None
    assert list(saved_plans(Store(written.path.parents[1]))) == []
    assert caplog.text.count(f"The cache {written.path} is damaged (") == notes


def test_the_plan_of_a_run_stays_as_long_as_it_is_at_work(written: Written) -> None:
    store = Store(written.path.parents[1])
    mine, later = written.cell({"a": "1"}, z=1), written.cell({"a": "1"}, z=2)
    written.save(mine)
    with active_plan(store, "e", written.specs, [mine]):
        (linked,) = (store.root / WORKING).glob("*/*")
        assert linked.samefile(written.path), "large plans are not written twice"
        written.save(later)
        # A part of it, or a later plan of the same name.
        with active_plan(store, "e", written.specs, [mine]):
            found = list(active_plans(store))
        assert [(plan.experiment, plan.cells[0].stages) for plan in found] == [
            ("e", mine.stages),
            ("e", mine.stages),
        ]
        assert [plan.cells[0].stages for plan in saved_plans(store)] == [later.stages]
        assert list(leftovers(store, [])) == []
    assert list(active_plans(store)) == []
    assert list((store.root / WORKING).iterdir()) == []


def test_the_plan_of_a_dead_run_is_left_over(written: Written) -> None:
    store = Store(written.path.parents[1])
    with active_plan(store, "e", {}, []):
        (folder,) = (store.root / WORKING).iterdir()
        dead = replace(Owner.here(), start="1")
        gone = folder.rename(folder.with_name(f"run-{dead.tag}-abcd"))
        (gone / "e.json.gz").touch()
    assert list(active_plans(store)) == []
    found = list(leftovers(store, []))
    assert [(one.path, one.why) for one in found] == [(gone, "plan of an ended run")]
    sweep(store, found)
    assert list(leftovers(store, [])) == []
