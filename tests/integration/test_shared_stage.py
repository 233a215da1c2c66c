"""Two workers on the shards of one stage: the same bytes as one, and a killed one costs a shard."""

from __future__ import annotations

import copy
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from lanser_bench.experiment import Listener
from lanser_bench.experiment.labelling import label_corpus
from lanser_bench.experiment.planning.plan import Node
from lanser_bench.experiment.running import helpers
from lanser_bench.kinds.executor import StageReport
from lanser_bench.store import Artifact, Store

TEXTS = [f"text {i} .{'!' * i}" for i in range(60)]
SHARD_ROWS = 4
LABELER = '''
"""A labeler whose first process waits in its second shard until others label, and may die."""
import os, signal, time
from itertools import count
from pathlib import Path
import numpy as np
from lanser_bench import Labeler, PluginOptions, Scores, hookimpl

OWN = []

class Meeting(Labeler[PluginOptions]):
    version = "1"

    def score(self, records, taxonomy):
        folder, wanted = Path(os.environ["MEETING"]), int(os.environ["MEETING_SIZE"])
        again = bool(OWN)
        for rank in () if again else count():
            try:
                (folder / f"{rank}.scored").open("x").close()
            except FileExistsError:
                continue
            OWN.append(rank)
            break
        with (folder / f"{OWN[0]}.scored").open("a") as file:
            file.writelines(f"{record.text}\\n" for record in records)
        until = time.monotonic() + 120
        while again and len(list(folder.glob("*.scored"))) < wanted and time.monotonic() < until:
            time.sleep(0.005)
        if os.environ["MEETING_VICTIM"] == str(OWN[0]) and (again or OWN[0]):
            os.kill(os.getpid(), signal.SIGKILL)
        values = np.array([[len(r.text) + i for i in range(len(taxonomy.names))] for r in records])
        values = (values / values.sum(1, keepdims=True)).astype(np.float32)
        return Scores(values, "distribution", np.zeros(len(records), bool))

@hookimpl
def register_labelers(register):
    register("meeting", f"{__name__}:Meeting")
'''


class Log(Listener):
    """Counts what happened."""

    def __init__(self) -> None:
        self.counts = Counter[str]()

    def workers_changed(self, node: Node, workers: int, report: StageReport | None = None) -> None:
        self.counts["joined"] += workers > 1
        if report is not None:
            self.counts["shards elsewhere"] += report.counts["shards"]

    def stage_retried(self, node: Node, error: BaseException, attempt: int) -> None:
        self.counts["retried"] += 1

    def note(self, sentence: str) -> None:
        self.counts["lost"] += "died" in sentence


def content(artifact: Artifact) -> dict[str, Any]:
    """All bytes of an artifact, and its marker without times."""
    files = {p.name: p.read_bytes() for p in artifact.path.iterdir() if p.name != "done.json"}
    return {**files, **{n: artifact.meta[n] for n in ("spec", "files", "parts", "counts")}}


def prepare(root: Path, monkeypatch: pytest.MonkeyPatch, *, size: int, victim: str = "") -> Path:
    """Writes the plugin and the texts; returns the folder where processes meet."""
    (root / "plugins").mkdir(parents=True)
    (root / "plugins" / "meeting.py").write_text(LABELER)
    (root / "texts").mkdir()
    (root / "texts" / "texts.csv").write_text("text\n" + "\n".join(TEXTS) + "\n")
    meeting = root / "meeting"
    meeting.mkdir()
    monkeypatch.setenv("MEETING", str(meeting))
    monkeypatch.setenv("MEETING_SIZE", str(size))
    monkeypatch.setenv("MEETING_VICTIM", victim)
    return meeting


def labelled(
    root: Path, monkeypatch: pytest.MonkeyPatch, *, workers: int, victim: str = ""
) -> tuple[list[dict[str, Any]], list[str], Log]:
    """Labels the texts in a store of its own; returns the artifacts, the texts scored, the log."""
    meeting = prepare(root, monkeypatch, size=workers, victim=victim)
    # Shards of this test take milliseconds, for which nobody would start a worker.
    monkeypatch.setattr(helpers, "is_worth", lambda state, workers: True)
    log = Log()
    overrides = [
        f"paths.store={root / 'store'}",
        f"executor.threads={workers}",
        "threads={transcribe: 1, label: 1}",
        f"label.shard_rows={SHARD_ROWS}",
    ]
    dataset = {"dataset": "text", "root": str(root / "texts")}
    (found,) = label_corpus(
        dataset,
        "meeting",
        "ekman-6",
        overrides=overrides,
        plugin_dirs=[root / "plugins"],
        listener=log,
    )
    store = Store(root / "store")
    labels = store.checked(found.labels)
    shards = map(store.checked, labels.meta["parts"])
    scored = [line for p in meeting.glob("*.scored") for line in p.read_text().splitlines()]
    return [content(artifact) for artifact in (labels, *shards)], scored, log


@pytest.fixture(scope="module")
def alone_once(tmp_path_factory: pytest.TempPathFactory) -> Iterable[list[dict[str, Any]]]:
    with pytest.MonkeyPatch.context() as patch:
        yield labelled(tmp_path_factory.mktemp("alone"), patch, workers=1)[0]


@pytest.fixture
def alone(alone_once: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The artifacts of one worker; the first is the stage's, the others its shards."""
    return copy.deepcopy(alone_once)


@pytest.mark.slow
@pytest.mark.parametrize(
    "victim", ["", "0", "1"], ids=["nobody", "the first", "the one that joined"]
)
def test_two_workers_make_the_bytes_of_one_also_if_one_is_killed(
    victim: str, alone: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, scored, log = labelled(tmp_path, monkeypatch, workers=2, victim=victim)
    if victim == "0":  # whoever continues reuses what is finished, as after any interruption
        assert found[0]["counts"].pop("shards_reused") > 0
        del alone[0]["counts"]["shards_reused"]
    assert found == alone
    assert set(scored) == set(TEXTS)
    again = sum(Counter(scored).values()) - len(TEXTS)
    assert log.counts["joined"] > 0
    if victim:
        assert 0 < again <= SHARD_ROWS, "a killed worker costs one shard"
        assert log.counts["retried" if victim == "0" else "lost"] == 1
    else:
        assert again == 0, "each shard is computed once"
        assert log.counts["shards elsewhere"] > 0


@pytest.mark.slow
def test_a_second_run_joins_the_stage_of_the_first(
    alone: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(tmp_path, monkeypatch, size=2)
    command = ["label", "corpus", "text", "texts", "--labeler", "meeting", "--store", "store"]
    command += ["--taxonomy", "ekman-6", "--plugins-dir", "plugins"]
    for setting in (f"label.shard_rows={SHARD_ROWS}", "executor.threads=1", "threads.label=1"):
        command += ["--set", setting]
    lanser = [sys.executable, "-m", "lanser_bench", *command]
    with subprocess.Popen(lanser, cwd=tmp_path, stdout=subprocess.DEVNULL) as first:
        while not (tmp_path / "meeting" / "0.scored").exists():
            assert first.poll() is None
            time.sleep(0.02)
        second = subprocess.run(lanser, cwd=tmp_path, capture_output=True, text=True)
    assert (first.returncode, second.returncode) == (0, 0), second.stderr
    parts = [p.read_text().splitlines() for p in (tmp_path / "meeting").glob("*.scored")]
    assert len(parts) == 2
    assert sorted(text for part in parts for text in part) == sorted(TEXTS), "each shard once"
    store = Store(tmp_path / "store")
    made = [store.checked(key) for key in store.keys()]  # noqa: SIM118 - a store is no mapping
    [labels] = [content(one) for one in made if one.spec.stage == "label"]
    names = [name for name in labels if name.endswith((".parquet", ".json"))]
    assert names
    assert {name: labels[name] for name in names} == {name: alone[0][name] for name in names}
