from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from lanser_bench_plugins.executors._machine import available_gib

from lanser_bench import LanserError, StageCall, StageReport, WorkerError
from lanser_bench.plugins.discovery import load_plugins
from lanser_bench.testing import ExecutorSuite

PATIENCE_S = 600.0
"""Only a fault takes so long, even on a machine with much else to do."""


class Pid(StageCall):
    """Returns the id of its process."""

    def run(self) -> StageReport:
        time.sleep(float(self.spec.get("sleep", 0)))
        return StageReport(self.key, 0.0, counts={"pid": os.getpid(), "parent": os.getppid()})


class Gpus(StageCall):
    """Returns the GPUs that its worker sees."""

    def run(self) -> StageReport:
        time.sleep(0.2)
        return StageReport(self.key, 0.0, counts={"sees": os.environ["CUDA_VISIBLE_DEVICES"]})


class Die(StageCall):
    """Dies as a process without memory does."""

    def run(self) -> StageReport:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


class Refuse(StageCall):
    def run(self) -> StageReport:
        raise LanserError("not today")


class TwoWordsError(Exception):
    """Python cannot build it again from its message, as it does behind a process."""

    def __init__(self, one: str, other: str) -> None:
        super().__init__(f"{one} and {other}")


class Odd(StageCall):
    def run(self) -> StageReport:
        raise TwoWordsError("this", "that")


def local(**options: object):  # type: ignore[no-untyped-def]
    return load_plugins(only="").create("executor", "local", options)


class TestInlineContract(ExecutorSuite):
    def make(self) -> object:
        return local(inline=True)


@pytest.mark.slow
class TestLocalContract(ExecutorSuite):
    patience_s = PATIENCE_S

    def make(self) -> object:
        return local(threads=2)


def call(kind: type[StageCall], tmp_path: Path, **spec: object) -> StageCall:
    return kind(stage="s", key="k" * 32, spec=spec, store=tmp_path)


def test_inline_runs_in_this_process_and_carries_errors(tmp_path: Path) -> None:
    executor = local(inline=True, threads=4)
    assert executor.threads == 1
    assert executor.submit(call(Pid, tmp_path)).result().counts["pid"] == os.getpid()
    with pytest.raises(LanserError, match="not today"):
        executor.submit(call(Refuse, tmp_path)).result()
    executor.close()


@pytest.mark.slow
def test_workers_are_kept_and_a_dead_one_takes_only_its_own_call(tmp_path: Path) -> None:
    executor = local(threads=2)
    try:
        slow = executor.submit(call(Pid, tmp_path, sleep=1.0))
        dying = executor.submit(call(Die, tmp_path))
        with pytest.raises(LanserError, match=r"worker process of stage s .* died"):
            dying.result(timeout=PATIENCE_S)
        assert isinstance(dying.exception(), WorkerError)
        first = slow.result(timeout=PATIENCE_S).counts["pid"]
        pids = {executor.submit(call(Pid, tmp_path)).result(timeout=PATIENCE_S).counts["pid"]}
        assert pids == {first} != {os.getpid()}
        with pytest.raises(LanserError, match="not today"):
            executor.submit(call(Refuse, tmp_path)).result(timeout=PATIENCE_S)
        with pytest.raises(RuntimeError, match="TwoWordsError: this and that"):
            executor.submit(call(Odd, tmp_path)).result(timeout=PATIENCE_S)
    finally:
        executor.close()


@pytest.mark.slow
def test_a_call_that_waited_behind_a_dying_one_is_not_lost(tmp_path: Path) -> None:
    executor = local(threads=2, workers=1)
    try:
        dying = executor.submit(call(Die, tmp_path))
        waiting = [executor.submit(call(Pid, tmp_path)) for _ in range(2)]
        assert isinstance(dying.exception(timeout=PATIENCE_S), WorkerError)
        assert len({future.result(timeout=PATIENCE_S).counts["pid"] for future in waiting}) == 1
    finally:
        executor.close()


@pytest.mark.slow
def test_cancelling_stops_a_running_call_at_once(tmp_path: Path) -> None:
    executor = local(threads=1)
    warm = executor.submit(call(Pid, tmp_path)).result(timeout=PATIENCE_S).counts["pid"]
    executor.submit(call(Pid, tmp_path, sleep=2 * PATIENCE_S))
    time.sleep(0.2)
    begin = time.monotonic()
    executor.close(cancel=True)
    assert time.monotonic() - begin < PATIENCE_S
    assert not alive(warm)


DRIVER = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_local_executor import Pid, call, local
if __name__ == "__main__":
    executor = local(threads=1)
    found = executor.submit(call(Pid, Path(sys.argv[2]))).result()
    print(found.counts["pid"], flush=True)
    executor.submit(call(Pid, Path(sys.argv[2]), sleep=1200))
    time.sleep(1200)
"""


@pytest.mark.slow
def test_workers_die_with_a_killed_driver(tmp_path: Path) -> None:
    script = tmp_path / "driver.py"
    script.write_text(DRIVER)
    here = str(Path(__file__).parent)
    with subprocess.Popen(
        [sys.executable, str(script), here, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as driver:
        assert driver.stdout is not None
        worker = int(driver.stdout.readline())
        assert alive(worker)
        driver.kill()
        driver.wait()
        end = time.monotonic() + PATIENCE_S
        while alive(worker) and time.monotonic() < end:
            time.sleep(0.05)
        assert not alive(worker)


def alive(pid: int) -> bool:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        return not Path("/proc").is_dir()
    return text.rpartition(")")[2].split()[0] != "Z"


@pytest.mark.slow
def test_a_call_sees_its_own_gpu_and_one_that_asks_for_none_sees_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    executor = local(threads=2)
    assert executor.gpus == 2
    try:
        asked = [replace(call(Gpus, tmp_path), gpus=n) for n in (1, 1, 0, 2)]
        futures = [executor.submit(one) for one in asked]
        seen = [future.result(timeout=PATIENCE_S).counts["sees"] for future in futures]
    finally:
        executor.close()
    assert sorted(seen[:2]) == ["3", "5"]
    assert seen[2:] == ["", "3,5"]


def test_the_memory_is_what_is_available_or_what_the_container_may_use(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 16777216 kB\nMemAvailable: 8388608 kB\n")
    assert available_gib(meminfo, tmp_path) == 8.0
    (tmp_path / "memory.max").write_text(f"{3 * 2**30}\n")
    (tmp_path / "memory.current").write_text(f"{2**30}\n")
    assert available_gib(meminfo, tmp_path) == 2.0
    (tmp_path / "memory.max").write_text("max\n")
    assert available_gib(meminfo, tmp_path) == 8.0
    assert local(threads=1, memory_gib=1.5).total_gib == 1.5


def test_gpus_are_counted_without_a_gpu_library(monkeypatch: pytest.MonkeyPatch) -> None:
    for visible, count in (("", 0), ("-1", 0), ("0", 1), ("GPU-a, GPU-b", 2)):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        assert local(threads=1).gpus == count
