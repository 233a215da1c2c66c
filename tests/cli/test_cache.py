"""`cache size` and `cache gc`: sizes, orphans and what is kept."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest
from command_line import lanser

from lanser_bench.records.reading import load_record
from lanser_bench.records.record import StageUse, save_record
from lanser_bench.store import Spec, Store
from lanser_bench.store.plan_history import SavedCell, active_plan, plan_path, save_plan

ROOT = Path(__file__).parents[2]


def made(store: Store, stage: str, x: int = 0, **parents: str) -> str:
    spec = Spec(stage=stage, stage_version="1", params={"x": x}, parents=parents)
    with store.write(spec) as draft:
        (draft.path / "a.txt").write_text("hello")
    path = store.checked(spec.key).path
    then = time.time() - 86400
    for inner in [*path.rglob("*"), path]:
        os.utime(inner, (then, then))
    return spec.key


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Store, dict[str, str]]:
    """A store with artifacts of a record and of a plan, and an orphan."""
    monkeypatch.chdir(tmp_path)
    store = Store(tmp_path / ".lanser" / "store")
    keys = {"manifest": made(store, "manifest")}
    keys["evaluate"] = made(store, "evaluate", utterances=keys["manifest"])
    keys["planned"] = made(store, "label")
    keys["orphan"] = made(store, "embed")
    spec = store.checked(keys["planned"]).spec
    save_plan(plan_path(store, "next"), {keys["planned"]: spec}, [])
    return store, keys


@pytest.fixture
def recorded(place: tuple[Store, dict[str, str]]) -> tuple[Store, dict[str, str]]:
    use = StageUse(stage="evaluate", key=place[1]["evaluate"])
    changes = {"experiment": "e", "stages": {"evaluate targets.0": use}}
    published = min((ROOT / "results" / "real-speech").glob("*.json"))
    save_record(load_record(published).model_copy(update=changes), Path("results/e/main.json"))
    return place


def test_an_experiment_goes_with_what_no_other_needs(
    recorded: tuple[Store, dict[str, str]],
) -> None:
    store, keys = recorded
    shared = store.checked(keys["manifest"]).spec
    save_plan(plan_path(store, "other"), {keys["manifest"]: shared}, [])
    code, _, error = lanser("cache", "rm", "--experiment", "nxt")
    assert (code, "Did you mean 'next'?" in error) == (2, True)
    assert lanser("cache", "rm")[0] == 2
    code, out, _ = lanser("cache", "rm", "--experiment", "next")
    assert (code, out) == (0, "Removed the plan of next and 1 artifacts. Its records stay.\n")
    assert not plan_path(store, "next").exists()
    assert lanser("cache", "rm", "--experiment", "e")[0] == 0
    assert {*store.keys()} == {keys["manifest"], keys["orphan"]}
    assert Path("results/e/main.json").is_file()


def test_caches_elsewhere_are_named_with_size_and_command(
    place: tuple[Store, dict[str, str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "none"))
    for name in ("hub", "wandb"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_bytes(bytes(1500))
    out = lanser("cache", "size")[1]
    hub = f"models of the Hub: 2 kB in {tmp_path}/hub. Remove: hf cache ls, then hf cache rm NAME"
    assert hub in out
    assert "W&B runs here: 2 kB in wandb. Remove: wandb sync --clean" in out
    assert "mlflow" not in out
    main_out = lanser("doctor")[1]
    assert f"models of the Hub ({tmp_path}/hub) 2 kB" in main_out


def test_sizes_are_by_stage_by_experiment_and_of_orphans(
    recorded: tuple[Store, dict[str, str]],
) -> None:
    code, out, _ = lanser("cache", "size", "--json")
    found: dict[str, Any] = json.loads(out)
    assert code == 0
    assert found["total"] == {"artifacts": 4, "bytes": 20}
    assert found["stages"]["embed"] == {"artifacts": 1, "bytes": 5}
    assert found["experiments"] == {
        "e": {"artifacts": 2, "bytes": 10},
        "next": {"artifacts": 1, "bytes": 5},
    }
    assert found["orphaned"] == {"artifacts": 1, "bytes": 5}
    code, out, _ = lanser("cache", "size")
    assert code == 0
    assert "(orphaned)" in out
    made = Path(".lanser/store/datasets")
    assert str(made.resolve()) not in out
    made.mkdir()
    (made / "a.flac").write_bytes(b"12345")
    assert f"Remove: rm -r {made.resolve()}" in lanser("cache", "size")[1]


def test_gc_removes_artifacts_that_no_record_or_plan_needs(
    recorded: tuple[Store, dict[str, str]],
) -> None:
    store, keys = recorded
    assert "1 artifacts and 0 leftovers" in lanser("cache", "gc", "--dry-run")[1]
    assert keys["orphan"] in store
    assert "0 artifacts" in lanser("cache", "gc", "--older-than", "2d", "--yes")[1]
    code, out, _ = lanser("cache", "gc", "--yes")
    assert code == 0
    assert f"{keys['orphan'][:12]} embed" in out
    assert set(store.keys()) == {keys["manifest"], keys["evaluate"], keys["planned"]}
    assert lanser("cache", "gc", "--yes", "--records-only")[0] == 0
    assert set(store.keys()) == {keys["manifest"], keys["evaluate"]}


def test_gc_during_a_run_keeps_its_plan_and_what_it_is_computing(
    recorded: tuple[Store, dict[str, str]],
) -> None:
    store, keys = recorded
    with store.lock(keys["planned"]), store.lock(keys["orphan"]):
        assert "0 artifacts" in lanser("cache", "gc", "--yes", "--records-only")[1]
    with store.lock("a" * 32):
        code, _, err = lanser("cache", "gc", "--yes")
    assert code == 2
    assert f":{os.getpid()} is computing aaaaaaaaaaaa, and no plan" in err
    assert keys["orphan"] in store


def test_gc_during_two_runs_of_one_name_stops_if_one_has_no_plan(
    recorded: tuple[Store, dict[str, str]],
) -> None:
    store, keys = recorded
    code = """
        import sys
        from pathlib import Path
        from lanser_bench.store import Store
        with Store(Path(sys.argv[1])).lock("a" * 32):
            print("locked", flush=True)
            sys.stdin.read()
    """
    other = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), str(store.root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert other.stdout is not None
    other.stdout.readline()
    with store.lock(keys["planned"]):
        exit_code, _, err = lanser("cache", "gc", "--yes")
    other.communicate()
    assert exit_code == 2
    assert f":{other.pid} is computing aaaaaaaaaaaa, and no plan" in err
    assert keys["orphan"] in store


def test_gc_keeps_what_a_run_has_planned_since_the_question(
    recorded: tuple[Store, dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store, keys = recorded
    also = made(store, "embed", 1)

    def answered_late(question: str) -> bool:
        spec = store.checked(keys["orphan"]).spec
        save_plan(plan_path(store, "meanwhile"), {keys["orphan"]: spec}, [])
        return True

    monkeypatch.setattr("typer.confirm", answered_late)
    code, out, _ = lanser("cache", "gc")
    assert (code, "1 artifacts and 0 leftovers removed" in out) == (0, True)
    assert keys["orphan"] in store
    assert also not in store


def test_gc_keeps_what_an_active_run_needs(recorded: tuple[Store, dict[str, str]]) -> None:
    store, keys = recorded
    specs = {keys["orphan"]: store.checked(keys["orphan"]).spec}
    cell = SavedCell("main", None, {}, {"embed targets.0": keys["orphan"]})
    with active_plan(store, "next", specs, [cell]):
        assert "0 artifacts" in lanser("cache", "gc", "--yes")[1]
        assert keys["orphan"] in store
    assert "1 artifacts" in lanser("cache", "gc", "--yes")[1]


def test_gc_stops_at_a_file_that_is_not_a_record(recorded: tuple[Store, dict[str, str]]) -> None:
    Path("results/e/other.json").write_text("{}")
    code, _, err = lanser("cache", "gc", "--yes")
    assert code == 2
    assert "other.json is not a result record" in err
    assert recorded[1]["orphan"] in recorded[0]


@pytest.mark.parametrize("age", ["soon", "", "3", "-1d"])
def test_an_invalid_age_is_an_error(recorded: tuple[Store, dict[str, str]], age: str) -> None:
    code, _, err = lanser("cache", "gc", "--older-than", age)
    assert code == 2
    assert "write 30d, 12h or 0m" in err
