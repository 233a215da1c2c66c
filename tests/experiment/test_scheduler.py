"""The scheduler with a fake executor: order, threads, failures."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from benchmarks import shard_planning
from virtual_workers import Steps, VirtualExecutor, Work

from lanser_bench import Executor, LanserError, PluginOptions, StageCall, StageReport, WorkerError
from lanser_bench.experiment import Listener, plan_experiment
from lanser_bench.experiment.planning.plan import Cell, Node, Plan, TargetKeys
from lanser_bench.experiment.running.resources import Need
from lanser_bench.experiment.running.scheduler import Failure, Scheduler
from lanser_bench.store import Spec, Store


class Fake(Executor[PluginOptions]):
    """Finishes the oldest call whenever the scheduler waits; fails the stages it is told to."""

    version = "1"

    def __init__(
        self,
        threads: int,
        failing: dict[str, BaseException] | None = None,
        *,
        gpus: int = 0,
        total_gib: float = math.inf,
        times: int = 10**6,
    ) -> None:
        super().__init__(PluginOptions())
        self._threads, self.failing, self.times = threads, failing or {}, times
        self._gpus, self._total_gib = gpus, total_gib
        self.most: Counter[str] = Counter()
        self.open: list[tuple[StageCall, Future[StageReport]]] = []
        self.order: list[str] = []
        self.peak_threads = 0

    @property
    def threads(self) -> int:
        return self._threads

    @property
    def gpus(self) -> int:
        return self._gpus

    @property
    def total_gib(self) -> float:
        return self._total_gib

    def submit(self, call: StageCall) -> Future[StageReport]:
        future: Future[StageReport] = Future()
        self.open.append((call, future))
        self.order.append(call.stage)
        busy = sum(min(c.threads, self._threads) for c, f in self.open if not f.done())
        self.peak_threads = max(self.peak_threads, busy)
        running = [c for c, f in self.open if not f.done()]
        for what in ("gpus", "memory_gib"):
            now = sum(getattr(c, what) for c in running)
            self.most[what] = max(self.most[what], now)
        self.most["calls"] = max(self.most["calls"], len(running))
        return future

    def step(self) -> None:
        call, future = self.open.pop(0)
        if call.stage in self.failing and self.order.count(call.stage) <= self.times:
            future.set_exception(self.failing[call.stage])
        else:
            future.set_result(StageReport(call.key, 0.1))


class Log(Listener):
    def __init__(self, executor: Fake) -> None:
        self.executor = executor
        self.done: list[str] = []
        self.ended: list[str] = []
        self.failed: list[Failure] = []
        self.retried: list[tuple[str, int]] = []

    def stage_ended(self, node: Node, report: StageReport) -> None:
        self.ended.append(node.key)

    def stage_retried(self, node: Node, error: BaseException, attempt: int) -> None:
        self.retried.append((node.stage, attempt))

    def cell_done(self, cell: Cell, path: str | None) -> None:
        self.done.append(cell.name)

    def cell_failed(self, failure: Failure) -> None:
        self.failed.append(failure)

    def tick(self, running: Any) -> None:
        if self.executor.open:
            self.executor.step()


def graph(settings: Any, edges: dict[str, list[str]], cells: dict[str, str]) -> Plan:
    """A plan from stage → parents and cell → its last stage; stage names are keys."""
    nodes = {
        name: Node(name, Spec(stage=name, stage_version="1"), name, 2, tuple(parents))
        for name, parents in edges.items()
    }
    made = [
        Cell(
            experiment="t",
            axes={"n": name},
            role="main",
            control=None,
            seed=None,
            show_seed=False,
            settings=settings,
            encoder="e",
            taxonomy=None,
            stages={last: last},
            targets=[TargetKeys("d", last, {})],
        )
        for name, last in cells.items()
    ]
    users = {cell.leaves[0]: [cell] for cell in made}
    return Plan(settings or SimpleNamespace(stage_timeout_s=None), made, nodes, {}, users=users)


def run(plan: Plan, executor: Fake, tmp_path: Path, **options: Any) -> Log:
    log = Log(executor)
    store = Store(tmp_path)
    Scheduler(plan, plan.to_run(store), executor, store, log, **options).run()
    return log


DIAMOND = {"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"], "x": [], "y": ["x"]}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lanser_bench.experiment.running.scheduler.TICK_S", 0.001)


def test_parents_come_before_children_and_each_stage_runs_once(tmp_path: Path) -> None:
    executor = Fake(8)
    log = run(graph(None, DIAMOND, {"one": "d", "two": "y"}), executor, tmp_path)
    assert sorted(executor.order) == sorted(DIAMOND)
    for child, parents in DIAMOND.items():
        for parent in parents:
            assert executor.order.index(parent) < executor.order.index(child)
    assert sorted(log.done) == ["n=one", "n=two"]


def test_the_first_part_of_a_corpus_is_labelled_before_the_last_is_transcribed(
    settings: Callable[..., dict[str, Any]], corpora: Path, plugin_dirs: tuple[Path, ...]
) -> None:
    parts = [
        {"dataset": "manifest", "root": str(corpora / "plain"), "limit": limit}
        for limit in (24, 16, 8)
    ]
    threads = {"transcribe": 1, "label": 1, "features": 1}
    made = settings(corpora=parts, threads=threads)
    plan, _, store = plan_experiment(made, plugin_dirs=plugin_dirs)
    log = Log(Fake(2))
    Scheduler(plan, plan.to_run(store), log.executor, store, log).run()
    stages = plan.cells[0].stages
    first, last = stages["label corpora.0"], stages["transcribe corpora.2"]
    assert log.ended.index(first) < log.ended.index(last)


@pytest.mark.parametrize(("threads", "most"), [(1, 1), (2, 2), (5, 4)])
def test_the_sum_of_threads_stays_within_the_executors(
    tmp_path: Path, threads: int, most: int
) -> None:
    executor = Fake(threads)
    run(graph(None, DIAMOND, {"one": "d", "two": "y"}), executor, tmp_path)
    assert executor.peak_threads == most


def test_a_failing_stage_fails_its_cells_and_the_others_go_on(tmp_path: Path) -> None:
    executor = Fake(2, {"b": LanserError("No sound.")})
    log = run(graph(None, DIAMOND, {"one": "d", "two": "y"}), executor, tmp_path)
    assert log.done == ["n=two"]
    (failure,) = log.failed
    assert failure.cell.name == "n=one"
    assert failure.sentence == "No sound."
    assert failure.traceback == ""
    assert "d" not in executor.order


def test_a_fault_of_the_program_keeps_its_traceback(tmp_path: Path) -> None:
    log = run(graph(None, DIAMOND, {"one": "d"}), Fake(2, {"a": ZeroDivisionError("oh")}), tmp_path)
    assert log.failed[0].sentence == "ZeroDivisionError: oh"
    assert "ZeroDivisionError" in log.failed[0].traceback


def test_fail_fast_starts_nothing_more(tmp_path: Path) -> None:
    executor = Fake(2, {"a": LanserError("No.")})
    log = run(graph(None, DIAMOND, {"one": "d", "two": "y"}), executor, tmp_path, fail_fast=True)
    assert executor.order == ["a", "x"] or executor.order == ["a"]
    assert log.done == []


def test_gpu_slots_and_memory_limit_what_runs_together(tmp_path: Path) -> None:
    fan: dict[str, list[str]] = {name: [] for name in "abcdef"}
    plan = graph(None, fan, {name: name for name in fan})
    needs = {name: Need(1, int(name in "abc"), 3.0 if name in "def" else 1.0) for name in fan}
    executor = Fake(99, gpus=1, total_gib=7.0)
    log = run(plan, executor, tmp_path, needs=needs)
    assert len(log.done) == 6
    assert executor.most["gpus"] == 1
    assert executor.most["memory_gib"] == 7.0
    assert executor.most["calls"] == 3, "a GPU stage beside two others"


def test_a_stage_larger_than_the_machine_runs_by_itself(tmp_path: Path) -> None:
    plan = graph(None, {"a": [], "b": []}, {"a": "a", "b": "b"})
    executor = Fake(4, total_gib=2.0)
    log = run(plan, executor, tmp_path, needs={"a": Need(1, 0, 50.0), "b": Need(1, 0, 1.0)})
    assert len(log.done) == 2
    assert executor.most["calls"] == 1


def test_what_does_not_fit_is_passed_over(tmp_path: Path) -> None:
    plan = graph(None, {"a": [], "b": [], "c": []}, {"a": "a", "b": "b", "c": "c"})
    executor = Fake(2)
    run(plan, executor, tmp_path, needs={"a": Need(1), "b": Need(2), "c": Need(1)})
    assert executor.order == ["a", "c", "b"]


@pytest.mark.parametrize(
    "error", [WorkerError("It died."), OSError("No server."), ZeroDivisionError("A fault.")]
)
def test_what_may_pass_is_tried_again(tmp_path: Path, error: BaseException) -> None:
    executor = Fake(2, {"b": error}, times=2)
    log = run(graph(None, DIAMOND, {"one": "d"}), executor, tmp_path, max_retries=2)
    assert log.retried == [("b", 1), ("b", 2)]
    assert executor.order.count("b") == 3
    assert log.done == ["n=one"]
    assert log.failed == []


def test_after_the_last_try_the_cell_fails_and_says_how_many(tmp_path: Path) -> None:
    executor = Fake(2, {"b": WorkerError("It died.")})
    log = run(graph(None, DIAMOND, {"one": "d"}), executor, tmp_path, max_retries=1)
    assert executor.order.count("b") == 2
    assert [failure.attempts for failure in log.failed] == [2]


def test_wrong_data_is_not_tried_again(tmp_path: Path) -> None:
    executor = Fake(2, {"b": LanserError("No sound.")})
    run(graph(None, DIAMOND, {"one": "d"}), executor, tmp_path, max_retries=9)
    assert executor.order.count("b") == 1


def test_workers_get_their_next_stage_before_the_record_of_a_cell_is_written(
    tmp_path: Path,
) -> None:
    class Slow(Log):
        def cell_done(self, cell: Cell, path: str | None) -> None:
            super().cell_done(cell, path)
            at_work.append([call.stage for call, _ in self.executor.open])

    at_work: list[list[str]] = []
    executor = Fake(2)
    plan = graph(None, {"a": [], "b": []}, {"one": "a", "two": "b"})
    store = Store(tmp_path)
    Scheduler(plan, plan.to_run(store), executor, store, Slow(executor)).run()
    assert at_work == [["b"], []]


def shared(
    tmp_path: Path, edges: dict[str, list[str]], works: dict[str, Work], workers: int
) -> VirtualExecutor:
    """Runs stages in virtual time, all workers with one thread."""
    store = Store(tmp_path)
    executor = VirtualExecutor(workers, works, store, start_s=1.0)
    plan = graph(None, edges, {name: name for name in edges})
    needs = {name: Need(1) for name in edges}
    Scheduler(plan, plan.to_run(store), executor, store, Steps(executor), needs=needs).run()
    return executor


def test_idle_workers_share_a_stage_and_one_that_becomes_ready_gets_one_back(
    tmp_path: Path,
) -> None:
    """`short` waits for `first`, while `long` has all other workers: for one shard at most."""
    works = {"first": Work([30.0]), "short": Work([1.0]), "long": Work([10.0] * 100)}
    found = shared(tmp_path, {"first": [], "long": [], "short": ["first"]}, works, workers=4)
    times = {(what, key): now for now, what, key in found.log if what in ("start", "end")}
    joined = [now for now, what, key in found.log if (what, key) == ("join", "long")]
    assert len(joined) >= 3, "two at first, a third in the place of `first` or `short`"
    assert times["start", "short"] <= times["end", "first"] + 10.0
    assert times["end", "long"] < 1000 / 4 * 1.2


def test_short_stages_are_not_shared(tmp_path: Path) -> None:
    """Loading takes as long as all shards: one worker is as quick."""
    found = shared(tmp_path, {"a": []}, {"a": Work([1.0] * 8, load_s=15.0)}, workers=4)
    assert [what for _, what, _ in found.log] == ["start", "end"]


def test_the_planning_benchmark_keeps_many_workers_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shard_planning.scheduler, "TICK_S", 0.0)
    record = Path(shard_planning.__file__).with_name("shard_seconds.json")
    todo = shard_planning.works(record, hours=100, row_s=6e-5, load_s=10, seed=0)
    found = shard_planning.simulated(todo, workers=8, start_s=5)
    assert set(todo) == {"transcribe", "entailment"}
    assert 0.9 < found.useful_s / (8 * found.now) <= 1
