"""Stage calls as Ray tasks, on one small cluster of this machine."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from lanser_bench_plugins.executors.ray import _own_error

from lanser_bench import LanserError, SettingsError, StageCall, StageReport, WorkerError
from lanser_bench.errors import DataError
from lanser_bench.plugins.discovery import load_plugins


class Pid(StageCall):
    """Returns the id of its process, and prints something."""

    def run(self) -> StageReport:
        print("last words of", self.key, flush=True)
        time.sleep(float(self.spec.get("sleep", 0)))
        counts = {"pid": os.getpid(), "cuda": os.environ.get("CUDA_VISIBLE_DEVICES")}
        return StageReport(self.key, 0.0, counts=counts)


class Refuse(StageCall):
    def run(self) -> StageReport:
        raise DataError("not today")


class Fault(StageCall):
    def run(self) -> StageReport:
        raise ZeroDivisionError("a fault")


class Die(StageCall):
    """Dies as a process without memory does, so many times."""

    def run(self) -> StageReport:
        tries = self.store / "tries"
        with tries.open("a") as file:
            file.write("x")
        if tries.stat().st_size <= self.spec["times"]:
            os.kill(os.getpid(), signal.SIGKILL)
        return StageReport(self.key, 0.0)


def call(kind: type[StageCall], tmp_path: Path, **spec: object) -> StageCall:
    return kind(stage="s", key="k" * 32, spec=spec, store=tmp_path)


def ray_executor(**options: object) -> Any:
    return load_plugins(only="").create("executor", "ray", options)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    from ray import cloudpickle

    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    executor = ray_executor(threads=2, gpus=2, memory_gib=4, max_retries=1)
    yield executor
    executor.close(cancel=True)
    cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


def test_sizes_of_a_running_cluster_are_its_own() -> None:
    with pytest.raises(SettingsError, match="has its own"):
        ray_executor(address="auto", threads=3)


def test_a_lost_worker_is_told_from_a_fault_of_the_stage(tmp_path: Path) -> None:
    from ray.exceptions import NodeDiedError, TaskCancelledError

    lost = _own_error(call(Pid, tmp_path), NodeDiedError("The node is gone.\nDetails"))
    assert isinstance(lost, WorkerError)
    assert "died and was not replaced: The node is gone. Its log is in" in str(lost)
    assert "cancelled" in str(_own_error(call(Pid, tmp_path), TaskCancelledError()))


@pytest.mark.slow
def test_calls_run_in_workers_and_their_words_are_kept(cluster: Any, tmp_path: Path) -> None:
    assert (cluster.threads, cluster.gpus, cluster.total_gib) == (2, 2, 4.0)
    asked = [replace(call(Pid, tmp_path, sleep=0.5), gpus=n, memory_gib=1.0) for n in (0, 0)]
    futures = [cluster.submit(one) for one in asked]
    pids = {future.result(timeout=600).counts["pid"] for future in futures}
    assert len(pids) == 2
    assert os.getpid() not in pids
    said = [path.read_text() for path in tmp_path.glob("logs/worker-*.log")]
    assert sum(text.count("last words of") for text in said) == 2


@pytest.mark.slow
def test_a_gpu_call_sees_its_own_gpu_and_others_none(cluster: Any, tmp_path: Path) -> None:
    asked = [replace(call(Pid, tmp_path, sleep=0.5), gpus=n) for n in (1, 1, 0)]
    futures = [cluster.submit(one) for one in asked]
    seen = [future.result(timeout=600).counts["cuda"] for future in futures]
    assert sorted(seen[:2]) == ["0", "1"]
    assert seen[2] == ""


@pytest.mark.slow
def test_exceptions_arrive_as_the_stages_own(cluster: Any, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^not today$"):
        cluster.submit(call(Refuse, tmp_path)).result(timeout=600)
    fault = cluster.submit(call(Fault, tmp_path)).exception(timeout=600)
    assert type(fault) is ZeroDivisionError
    assert "raise ZeroDivisionError" in str(fault.__cause__), "where it failed is not lost"
    assert not isinstance(fault, LanserError)


@pytest.mark.slow
def test_a_dead_worker_is_replaced_as_often_as_asked(cluster: Any, tmp_path: Path) -> None:
    cluster.submit(call(Die, tmp_path, times=1)).result(timeout=600)
    assert (tmp_path / "tries").stat().st_size == 2
    (tmp_path / "tries").unlink()
    with pytest.raises(WorkerError, match="run the same command again"):
        cluster.submit(call(Die, tmp_path, times=9)).result(timeout=600)
    assert (tmp_path / "tries").stat().st_size == 2


@pytest.mark.slow
def test_a_call_larger_than_the_cluster_runs_all_the_same(cluster: Any, tmp_path: Path) -> None:
    large = replace(call(Pid, tmp_path), threads=64, memory_gib=900.0)
    assert cluster.submit(large).result(timeout=600).counts["pid"] != os.getpid()


@pytest.mark.slow
def test_cancelling_stops_what_is_running(cluster: Any, tmp_path: Path) -> None:
    running = cluster.submit(call(Pid, tmp_path, sleep=1200))
    cluster.close(cancel=True)
    with pytest.raises(LanserError):
        running.result(timeout=600)
