"""Stage calls as Slurm jobs: with submitit's own local jobs, and with Slurm where it runs."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from lanser_bench_plugins.executors.slurm import _alike

from lanser_bench import LanserError, StageCall, StageReport, WorkerError
from lanser_bench.errors import DataError
from lanser_bench.plugins.discovery import load_plugins

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("submitit") is None, reason="submitit is not installed"),
]


def slurm_runs() -> bool:
    """Whether jobs can be submitted to a cluster."""
    if shutil.which("sbatch") is None:
        return False
    return subprocess.run(["sinfo"], capture_output=True).returncode == 0


TINY = """
name: tiny
targets: [{dataset: synthetic, clips: 42, speakers: 6, seed: 2}]
labeler: random
taxonomy: ekman-6
encoder: logmel-stats
evaluate: {folds: 3, seeds: 1, budgets: [1.0]}
controls: {random_init: false, logmel_stats: false, shuffled: none}
"""
CLUSTERS = [
    "local",
    pytest.param("slurm", marks=pytest.mark.skipif(not slurm_runs(), reason="no Slurm cluster")),
]


class Tell(StageCall):
    """Tells about its process."""

    def run(self) -> StageReport:
        time.sleep(float(self.spec.get("sleep", 0)))
        seen = {"pid": os.getpid(), "cuda": os.environ.get("CUDA_VISIBLE_DEVICES")}
        seen |= {"array": os.environ.get("SLURM_ARRAY_JOB_ID")}
        return StageReport(self.key, 0.0, counts=seen)


class Refuse(StageCall):
    def run(self) -> StageReport:
        raise DataError("not today")


class Die(StageCall):
    def run(self) -> StageReport:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


class Resume(StageCall):
    """Is preempted at first; then finds what it had done."""

    def run(self) -> StageReport:
        begun = self.store / "begun"
        if begun.exists():
            return StageReport(self.key, 0.0, counts={"resumed": True})
        begun.touch()
        os.kill(os.getpid(), signal.SIGUSR2)
        time.sleep(60)
        raise AssertionError


def call(kind: type[StageCall], tmp_path: Path, **spec: object) -> StageCall:
    return kind(stage="s", key="k" * 32, spec=spec, store=tmp_path, threads=1)


@pytest.fixture(params=CLUSTERS)
def executor(request: pytest.FixtureRequest) -> Iterator[Any]:
    import cloudpickle

    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    made = load_plugins(only="").create("executor", "slurm", {"cluster": request.param, "gpus": 1})
    yield made
    made.close(cancel=True)
    cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


def test_calls_run_in_jobs_and_leave_nothing_behind(executor: Any, tmp_path: Path) -> None:
    futures = [executor.submit(call(Tell, tmp_path)) for _ in range(3)]
    seen = [future.result(timeout=300).counts for future in futures]
    assert len({one["pid"] for one in seen} | {os.getpid()}) == 4
    assert {one["cuda"] for one in seen} == {""}, "no GPU was requested"
    if executor.options.cluster == "slurm":
        assert len({one["array"] for one in seen}) == 1, "calls that are ready together: one array"
    assert not list(tmp_path.glob("logs/slurm/**/*.pkl"))


def test_an_exception_arrives_as_the_stages_own(executor: Any, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^not today$"):
        executor.submit(call(Refuse, tmp_path)).result(timeout=300)


def test_a_dead_job_is_reported_with_its_log(executor: Any, tmp_path: Path) -> None:
    with pytest.raises(WorkerError, match=r"of stage s .* died") as caught:
        executor.submit(call(Die, tmp_path)).result(timeout=300)
    assert str(tmp_path / "logs" / "slurm") in str(caught.value)


def test_a_preempted_job_is_requeued(executor: Any, tmp_path: Path) -> None:
    outcome = executor.submit(call(Resume, tmp_path)).result(timeout=600)
    assert outcome.counts == {"resumed": True}


def test_closing_cancels_running_and_waiting_jobs(executor: Any, tmp_path: Path) -> None:
    running = executor.submit(call(Tell, tmp_path, sleep=40))
    time.sleep(3)
    waiting = executor.submit(call(Tell, tmp_path, sleep=40))
    executor.close(cancel=True)
    for future in (running, waiting):
        with pytest.raises(LanserError, match="cancelled"):
            future.result(timeout=60)


def test_closing_waits_for_open_jobs(executor: Any, tmp_path: Path) -> None:
    future = executor.submit(call(Tell, tmp_path, sleep=1))
    executor.close()
    assert future.result(timeout=0).counts["pid"] != os.getpid()


def test_a_refusal_of_slurm_is_one_sentence(tmp_path: Path, monkeypatch: Any) -> None:
    refuses = tmp_path / "bin" / "sbatch"
    refuses.parent.mkdir()
    for name in ("sbatch", "srun"):
        (refuses.parent / name).write_text(
            "#!/bin/sh\necho 'invalid partition specified: x' >&2; exit 1\n"
        )
        (refuses.parent / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{refuses.parent}:{os.environ['PATH']}")
    executor = load_plugins(only="").create("executor", "slurm", {"partition": "x"})
    try:
        with pytest.raises(LanserError, match=r"did not accept a job: .*invalid partition"):
            executor.submit(call(Tell, tmp_path)).result(timeout=60)
    finally:
        executor.close(cancel=True)


def test_arrays_hold_calls_with_equal_requests(tmp_path: Path) -> None:
    one = call(Tell, tmp_path)
    wide, other = replace(one, threads=2), replace(one, stage="t")
    groups = _alike([(each, None) for each in (one, wide, one, other)])  # type: ignore[misc]
    assert [[each for each, _ in group] for group in groups] == [[one, one], [wide], [other]]


def test_numbers_and_artifacts_are_those_of_local(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(TINY)
    found = {}
    for executor in ("{name: local, threads: 2}", "{name: slurm, cluster: local, threads: 2}"):
        name = executor[7:12]
        paths = [f"paths.{kind}={tmp_path / name / kind}" for kind in ("store", "results")]
        command = [sys.executable, "-m", "lanser_bench", "run", "tiny.yaml", *paths]
        subprocess.run([*command, f"executor={executor}"], check=True, cwd=tmp_path)
        [record] = (tmp_path / name / "results").rglob("*.json")
        found[name] = (
            json.loads(record.read_text())["datasets"],
            record.with_suffix(".predictions.parquet").read_bytes(),
        )
    local, slurm = found.values()
    assert local == slurm
