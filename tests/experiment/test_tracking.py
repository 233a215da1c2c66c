from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from lanser_bench.errors import SettingsError
from lanser_bench.experiment.running import tracking
from lanser_bench.experiment.running.tracking import TrackerFeed
from lanser_bench.experiment.settings.model import PluginRef
from lanser_bench.plugins.discovery import registry
from lanser_bench.store import Store

TRACKERS = """
import os, time
from lanser_bench import PluginOptions, Tracker, hookimpl

class Options(PluginOptions):
    how: str = "write"

class Odd(Tracker[Options]):
    Options = Options
    version = "1"

    @property
    def remote(self):
        return self.options.how in ("slow", "grid hangs")

    def prepare(self):
        if self.options.how == "import":
            time.sleep(1200)

    def log_cell(self, record, events, folder):
        if self.options.how in ("hang", "slow"):
            time.sleep(1200)
        if self.options.how == "raise":
            raise RuntimeError("no server")
        if self.options.how == "die":
            os._exit(3)
        print("chatter")
        (folder / record["name"]).write_text(str([e["event"] for e in events]))
        (folder / "seen").write_text(str(record))

    def view(self, folder):
        return f"show {folder.name}"

    def log_grid(self, results, folder):
        if self.options.how == "grid hangs":
            time.sleep(1200)
        lines = [path.read_text() for path in sorted(results.glob("*.json"))]
        with (folder / "grids").open("a") as file:
            file.write(str(lines) + chr(10))

@hookimpl
def register_trackers(register):
    register("odd", f"{__name__}:Odd")
"""


class Case:
    def __init__(self, folder: Path) -> None:
        (folder / "plugins").mkdir()
        (folder / "plugins" / "odd.py").write_text(TRACKERS)
        self.folder, self.store = folder, Store(folder / "store")
        self.plugins = registry((folder / "plugins",))
        self.told: list[str] = []

    def feed(self, how: str, timeout_s: float = 600.0) -> TrackerFeed:
        return TrackerFeed(
            [PluginRef(name="odd", options={"how": how})],
            self.plugins,
            self.store,
            self.folder / "run",
            timeout_s=timeout_s,
            report=self.told.append,
        )

    def send(self, feed: TrackerFeed, name: str) -> None:
        path = self.folder / f"{name}.json"
        path.write_text(json.dumps({"name": name}))
        feed.send(f"key-{name}", name, path, [{"event": "stage"}])


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


def test_cells_arrive_once_and_chatter_goes_to_a_log(case: Case) -> None:
    feed = case.feed("write")
    assert feed.views() == {}
    for name in ("a", "b"):
        case.send(feed, name)
    feed.close()
    assert feed.views() == {"odd": "show odd"}
    folder = case.folder / "run" / "trackers" / "odd"
    assert (folder / "a").read_text() == (folder / "b").read_text() == "['stage']"
    assert (folder / "output.log").read_text() == "chatter\nchatter\n"
    assert case.told == []
    again = case.feed("write")
    assert not again.wants("key-a")
    assert again.wants("key-c")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "words"), [("raise", "no server"), ("die", "died"), ("hang", "within 0.2 s")]
)
def test_a_tracker_that_fails_is_reported_once_and_forgotten(
    case: Case, how: str, words: str
) -> None:
    feed = case.feed(how, timeout_s=0.2 if how == "hang" else 600.0)
    for name in ("a", "b", "c"):
        case.send(feed, name)
    feed.close()
    assert len(case.told) == 1
    assert words in case.told[0]
    assert case.feed(how).wants("key-a"), "the next run offers it again"


@pytest.mark.slow
def test_the_start_of_a_tracker_has_a_limit_of_its_own(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracking, "START_S", 0.3)
    feed = case.feed("import")
    case.send(feed, "a")
    feed.close()
    assert "no answer within 0.3 s" in case.told[0]


def test_a_wrong_option_is_an_error_before_anything_runs(case: Case) -> None:
    with pytest.raises(SettingsError, match=r"unknown key 'hwo'.*'how'"):
        TrackerFeed(
            [PluginRef(name="odd", options={"hwo": "x"})],
            case.plugins,
            case.store,
            case.folder,
            timeout_s=1.0,
            report=case.told.append,
        )


def test_a_finished_run_does_not_wait_for_a_server(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracking, "GRACE_S", 0.3)
    feed = case.feed("slow")
    for name in ("a", "b"):
        case.send(feed, name)
    feed.close()
    assert len(case.told) == 1
    assert "2 cells have not arrived" in case.told[0]
    assert feed.undelivered() == 2


def test_a_server_that_has_long_been_silent_gets_no_grace(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracking, "GRACE_S", 600.0)
    monkeypatch.setattr(tracking, "STUCK_S", 0.3)
    feed = case.feed("slow")
    case.send(feed, "a")
    feed.close()
    assert "1 cells have not arrived" in case.told[0]


def test_a_full_queue_drops_and_does_not_block(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking, "CAPACITY", 2)
    feed = case.feed("hang")
    for i in range(20):
        case.send(feed, str(i))
    feed.close(cancel=True)
    assert feed.undelivered() == 20


@pytest.mark.slow
def test_trackers_see_neither_secrets_nor_paths(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLANTED_TOKEN", "planted-secret")
    feed = case.feed("write")
    path = case.folder / "x.json"
    path.write_text(json.dumps({"name": "x", "a": "planted-secret", "b": str(case.folder / "y")}))
    feed.send("k", "x", path, [])
    feed.close()
    seen = (case.folder / "run" / "trackers" / "odd" / "seen").read_text()
    assert seen == str({"name": "x", "a": "[hidden]", "b": "…/y"})


PUBLISHED = Path(__file__).parents[2] / "results" / "ravdess-finetune"


def published(folder: Path) -> Path:
    """An experiment's folder with one record, whose settings name a path and a token."""
    folder.mkdir()
    path = min(PUBLISHED.glob("*.json"))
    for beside in PUBLISHED.glob(f"{path.stem}.*"):
        shutil.copy(beside, folder)
    content = json.loads(path.read_text())
    content["settings"] |= {"token": "planted-secret", "place": "/home/somebody/data"}
    (folder / path.name).write_text(json.dumps(content))
    (folder / "notes.json").write_text("{}")
    return folder


@pytest.mark.slow
def test_a_grid_arrives_once_as_copies_without_secrets_and_paths(case: Case) -> None:
    place = published(case.folder / "study")
    for _ in range(2):
        feed = case.feed("write")
        feed.send_grid(place)
        feed.close()
    folder = case.folder / "run" / "trackers" / "odd"
    [line] = (folder / "grids").read_text().splitlines()
    names = {path.name for path in place.iterdir()} - {"notes.json"}
    assert {path.name for path in (folder / "results" / "study").iterdir()} == names
    for secret in ("planted-secret", "/home/somebody"):
        assert secret not in line
    assert "…/data" in line
    assert case.told == []
    (place / "another.json").write_text("{}")
    feed = case.feed("write")
    feed.send_grid(place)
    feed.close()
    assert len((folder / "grids").read_text().splitlines()) == 2


@pytest.mark.slow
def test_a_grid_that_hangs_stops_no_run_and_is_offered_again(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracking, "GRACE_S", 0.1)
    monkeypatch.setattr(tracking, "GRID_GRACE_S", 0.3)
    place = published(case.folder / "study")
    feed = case.feed("grid hangs")
    case.send(feed, "a")
    feed.close(patient=True)
    feed = case.feed("grid hangs")
    feed.send_grid(place)
    feed.close()
    [told] = case.told
    assert "the grid's summary has not arrived" in told
    assert feed.undelivered() == 0
    assert feed.views() == {}
