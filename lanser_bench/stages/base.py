"""Shared by all stages: their context, their settings, and how one stage call runs."""

from __future__ import annotations

import json
import os
import platform
import sqlite3
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict

from ..counting import tallied
from ..devices import Device
from ..errors import LanserError, PluginError, StoreError, place_in_plugin
from ..kinds.executor import StageCall, StageReport
from ..plugins.discovery import Registry, registry
from ..plugins.identity import plugin_identity
from ..plugins.isolation import collected
from ..store import Artifact, Draft, Lease, LeaseLostError, Owner, Spec, Store
from .time_limit import ended_after

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "RAYON_NUM_THREADS",  # tokenizers take all cores otherwise
)
TICKET = "ticket"
"""Input of a call that joins a running stage: the path of `Joined.ticket`."""


class StageParams(BaseModel):
    """Base of a stage's settings: unknown names are rejected, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @classmethod
    def of(cls, spec: Spec) -> Self:
        """Returns the settings that a key contains, among other params."""
        return cls.model_validate({n: v for n, v in spec.params.items() if n in cls.model_fields})


class NoFreeShardError(Exception):
    """Ends the run of a process that has joined a stage; its argument is the shards it computed."""


@dataclass(frozen=True)
class Joined:
    """How a process takes part in a map stage that another process runs and will finish."""

    rows: Path
    """The file with the rows of the stage, read-only."""
    skip: int
    """Shards in it that were taken before."""
    ticket: Path | None
    """The process leaves the stage after its current shard once this file is removed."""


@dataclass
class StageContext:
    """The inputs and helpers of a running stage."""

    spec: Spec
    store: Store
    registry: Registry
    inputs: Mapping[str, Any] = field(default_factory=dict)
    """Inputs that the key omits on purpose: ``audio`` lists files with the paths of recordings,
    JSON objects of SHA-256 → path."""
    lease: Lease | None = None
    """On the stage's key, while the stage runs."""
    joined: Joined | None = None
    """Set in a process that only helps another with the shards of its stage."""
    _reported: float = 0.0

    def name(self, role: str) -> str:
        """Returns the name of a role's plugin."""
        return self.spec.plugins[role].name

    def plugin(self, role: str) -> Any:
        """Returns the plugin of a role with its options.

        Raises:
            PluginError: its code, weights or libraries changed after the run was planned.
        """
        planned = self.spec.plugins[role]
        options = {**planned.options, **self.inputs.get("located", {}).get(role, {})}
        plugin = self.registry.create(planned.kind, planned.name, options)
        current = plugin_identity(self.registry, planned.kind, planned.name, plugin)
        if current.model_dump() != planned.model_dump():
            raise PluginError(
                f"{planned.kind} '{planned.name}' changed during the run. Run the same command "
                "again; finished stages are kept."
            )
        return plugin

    def parent(self, role: str) -> Artifact:
        """Returns a parent's artifact after checking its bytes."""
        return self.store.checked(self.spec.parents[role])

    def share(self, **state: Any) -> None:
        """Describes the shards of this stage to processes that may join; see `shards_file`."""
        _replace(shards_file(self.store, self.spec.key), state)

    def progress(self, done: int, total: int, unit: str) -> None:
        """Reports progress; cheap enough to call after every batch.

        Raises:
            LeaseLostError: another process took over the stage, so this one may stop.
        """
        if self.lease is not None:
            self.lease.check()
        now = time.monotonic()
        if done >= total or now - self._reported >= 0.2:
            self._reported = now
            tell(self.store, self.spec.key, done=done, total=total, unit=unit)


def tell(store: Store, key: str, **state: Any) -> None:
    """Writes a stage's state for progress displays only, so write errors are ignored.

    `state` is ``done``, ``total`` and ``unit``; or ``waits_for``, the process that runs the stage.
    """
    _replace(store.root / "progress" / f"{key}.json", {**state, "pid": os.getpid()})


def _replace(path: Path, state: Mapping[str, Any]) -> None:
    temporary = path.with_suffix(f".{os.getpid()}")
    with suppress(OSError):
        path.parent.mkdir(exist_ok=True)
        temporary.write_text(json.dumps(state), encoding="utf-8")
        temporary.replace(path)


def shards_file(store: Store, key: str) -> Path:
    """Returns where the process that runs a map stage describes it to those that may join.

    A JSON object: ``rows``, the file with the rows; ``shards`` to compute and ``left``, those after
    the current one; ``first_s`` and ``mean_s``, the seconds of the first and of a later shard.
    """
    return store.root / "progress" / f"{key}.shards"


def write_json(draft: Draft, name: str, result: BaseModel) -> None:
    """Writes a stage's result into its artifact."""
    (draft.path / name).write_text(result.model_dump_json(indent=1) + "\n", encoding="utf-8")


@cache
def machine() -> str:
    """Returns the processor of this machine and its number of CPUs."""
    name = platform.processor() or platform.machine()
    with suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = next(x.partition(":")[2].strip() for x in lines if x.startswith("model name"))
    return f"{name}, {os.cpu_count()} CPUs"


def device_params(device: Device) -> dict[str, str]:
    """Returns what a device adds to a key's params: nothing for a CPU, as in older keys."""
    return {} if device == "cpu" else {"device": device}


def present(parents: Mapping[str, str | None]) -> dict[str, str]:
    """Returns the parents that a stage has, without those that are None."""
    return {role: key for role, key in parents.items() if key is not None}


def stage_module(name: str) -> Any:
    """Returns the module that runs a stage (or its shard, such as ``label.shard``).

    It is ``<stage>/run.py``, or ``<stage>.py`` of a small stage.
    """
    stem = name.partition(".")[0]
    folder = Path(__file__).parent / stem
    if (folder / "run.py").is_file():
        return import_module(f".{stem}.run", __package__)
    if folder.with_suffix(".py").is_file():
        return import_module(f".{stem}", __package__)
    raise StoreError(f"Unknown stage '{name}'.")


@dataclass(frozen=True, slots=True)
class RunnableCall(StageCall):
    """A stage call that any process with the harness can run."""

    def run(self) -> StageReport:
        """Runs the stage in this process, unless its artifact is in the store."""
        return run_call(self)


def run_call(call: StageCall) -> StageReport:
    """Runs a stage call in this process, unless its artifact is in the store.

    With a `TICKET` among its inputs it only joins a process that runs the stage.
    """
    spec = Spec.model_validate(call.spec)
    store = Store(call.store, call.layers)
    if TICKET in call.inputs:
        with ended_after(call.timeout_s, store, call.key):
            return _join(call, spec, store, Path(call.inputs[TICKET]))
    while True:
        try:
            return _run_locked(call, spec, store)
        except LeaseLostError:
            continue  # another process took over: wait for its artifact


def _run_locked(call: StageCall, spec: Spec, store: Store) -> StageReport:
    joined = False

    def waiting(owner: Owner | None) -> None:
        nonlocal joined
        tell(store, call.key, waits_for=owner.name if owner is not None else "?")
        if not joined and shards_file(store, call.key).exists():
            joined = True  # once: afterwards every shard is taken
            _join(call, spec, store)

    if (artifact := store.get(call.key)) is not None:
        return StageReport(call.key, 0.0, reused=True, counts=artifact.meta["counts"])
    with store.lock(call.key, waiting) as lease:
        if (artifact := store.get(call.key)) is not None:
            return StageReport(call.key, 0.0, reused=True, counts=artifact.meta["counts"])
        limit = ended_after(call.timeout_s, store, call.key)
        with limited_threads(spec.threads or call.threads), limit:
            return _computed(call, spec, store, lease)


def _join(call: StageCall, spec: Spec, store: Store, ticket: Path | None = None) -> StageReport:
    """Computes free shards of a stage that another process runs, until none is left."""
    begin, shards = time.perf_counter(), 0
    try:
        state = json.loads(shards_file(store, call.key).read_text(encoding="utf-8"))
    except (OSError, ValueError):  # the stage has ended
        return StageReport(call.key, 0.0, counts={"shards": 0})
    joined = Joined(Path(state["rows"]), state["shards"] - state["left"], ticket)
    context = StageContext(spec, store, registry(call.plugin_dirs), call.inputs, joined=joined)
    with limited_threads(spec.threads or call.threads), collected() as notes:
        # The error also keeps the draft from being published.
        try:
            with store.write(spec) as draft:
                stage_module(spec.stage).run(context, draft)
        except NoFreeShardError as end:
            shards = end.args[0]
        except sqlite3.Error:  # the other process has ended, and its file is gone
            pass
    added = {"plugin_notes": notes} if notes else {}
    return StageReport(call.key, time.perf_counter() - begin, counts={"shards": shards, **added})


def _computed(call: StageCall, spec: Spec, store: Store, lease: Lease) -> StageReport:
    context = StageContext(spec, store, registry(call.plugin_dirs), call.inputs, lease)
    begin = time.perf_counter()
    _peak_mib(reset=True)
    try:
        with store.write(spec) as draft, tallied() as tally, collected() as notes:
            stage_module(spec.stage).run(context, draft)
            draft.counts |= tally
            draft.seconds += time.perf_counter() - begin
            draft.cost["peak_mib"] = _peak_mib()
    except Exception as error:
        if not isinstance(error, LanserError) and (place := place_in_plugin(error)):
            error.add_note(place.strip())  # unlike the traceback, it reaches the driver
        raise
    finally:
        with suppress(OSError):
            (store.root / "progress" / f"{call.key}.json").unlink(missing_ok=True)
            shards_file(store, call.key).unlink(missing_ok=True)
    added = {"plugin_notes": notes} if notes else {}
    return StageReport(call.key, draft.seconds, counts=draft.counts | added)


def _peak_mib(reset: bool = False) -> int | None:
    """Returns this process's peak of memory in MiB, or resets it; None except on Linux."""
    with suppress(OSError):
        if reset:
            Path("/proc/self/clear_refs").write_text("5")
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM"))
    return None


@contextmanager
def limited_threads(threads: int) -> Iterator[None]:
    """Limits the threads of a stage's libraries, and restores the process's own limits afterwards.

    The number is part of keys where it changes floats. The variables reach libraries that have not
    started their thread pools yet; running pools are resized directly. torch is not imported for
    this: it takes seconds, and many stages do without.
    """
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(threads)))
    # Threads that spin at a barrier starve each other if they outnumber the cores: beside busy
    # processes two such threads trained two to nine times slower than sleeping ones.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # Otherwise products of matrices on the same GPU may differ between runs.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    import pyarrow as pa
    from threadpoolctl import threadpool_limits

    own = (before["OMP_NUM_THREADS"] or "").partition(",")[0]
    arrow, tensors = pa.cpu_count(), int(own) if own.isdecimal() else os.cpu_count() or 1
    pa.set_cpu_count(threads)
    if torch := sys.modules.get("torch"):
        tensors = torch.get_num_threads()
        torch.set_num_threads(threads)
    try:
        with threadpool_limits(threads):
            yield
    finally:
        pa.set_cpu_count(arrow)
        if torch := sys.modules.get("torch"):
            torch.set_num_threads(tensors)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
