"""Runs stages on a Ray cluster, or on a cluster that it starts on this machine.

All machines share the path of the store. A task gets this path and its call; only reports are sent
through Ray.
"""

from __future__ import annotations

import os
import re
from concurrent.futures import CancelledError, Future, wait
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import Field

from lanser_bench import (
    Executor,
    LanserError,
    PluginOptions,
    SettingsError,
    StageCall,
    StageReport,
    WorkerError,
)

from .._optional import require
from ._machine import GIB, available_gib, gpu_names
from ._worker import CancelledCallError, carry_out_elsewhere, log_folder

OBJECT_STORE_BYTES = 80 * 2**20
"""Ray's shared memory, near its minimum: results go to the store, not through Ray."""

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


class RayOptions(PluginOptions):
    """Options of `ray`: the cluster to use, or the size of a local one."""

    address: str | None = None
    """A running cluster: ``auto`` or ``HOST:PORT``. Null: a local one for the length of the run."""
    threads: int | None = Field(default=None, ge=1)
    """CPU threads of the local cluster; by default all. Each running call is a process."""
    gpus: int | None = Field(default=None, ge=0)
    """GPUs of the local cluster; by default all."""
    memory_gib: float | None = Field(default=None, gt=0)
    """Main memory of the local cluster; by default the memory available at start."""
    max_retries: int = Field(default=3, ge=0)
    """How often Ray restarts a call whose worker or node died, before the stage fails."""


class Ray(Executor[RayOptions]):
    """Stage calls as Ray tasks that request CPUs, GPUs and memory."""

    Options = RayOptions
    version = "1"

    def __init__(self, options: RayOptions) -> None:
        """Keeps the options; the cluster is started or contacted at first use."""
        super().__init__(options)
        require("ray", "The executor 'ray' needs Ray", "pip install 'lanser-bench[ray]'.")
        sizes = (options.threads, options.gpus, options.memory_gib)
        if options.address is not None and any(size is not None for size in sizes):
            raise SettingsError(
                "executor: threads, gpus and memory_gib set the size of a local cluster, but the "
                f"one at {options.address} has its own. Remove them."
            )
        self._open: dict[Any, Future[StageReport]] = {}
        self._started = False

    @property
    def threads(self) -> int:
        """CPUs of all live nodes."""
        if self.options.address is None:
            return self.options.threads or os.cpu_count() or 1
        return max(1, int(self._total("CPU")))

    @property
    def gpus(self) -> int:
        """GPUs of all live nodes."""
        if self.options.address is None:
            return len(gpu_names()) if self.options.gpus is None else self.options.gpus
        return int(self._total("GPU"))

    @property
    def total_gib(self) -> float:
        """Memory of all live nodes."""
        return self._local_gib if self.options.address is None else self._total("memory") / GIB

    @cached_property
    def _local_gib(self) -> float:
        return self.options.memory_gib or available_gib()

    def submit(self, call: StageCall) -> Future[StageReport]:
        """Passes a call to Ray, which restarts it if a worker or a node dies."""
        ray = self._ray
        most = self._largest_node()
        task = ray.remote(carry_out_elsewhere).options(
            name=f"{call.stage} {call.key[:8]}",
            # A stage that requests more than any node has would wait forever.
            num_cpus=min(call.threads, most["CPU"]),
            num_gpus=call.gpus,
            memory=int(min(call.memory_gib * GIB, most["memory"])),
            max_retries=self.options.max_retries,
            retry_exceptions=False,
        )
        outer: Future[StageReport] = Future()
        outer.set_running_or_notify_cancel()
        reference = task.remote(call, str(Path.cwd()))
        self._open[reference] = outer
        reference.future().add_done_callback(lambda inner: self._finish(call, reference, inner))
        return outer

    def _finish(self, call: StageCall, reference: Any, inner: Future[StageReport]) -> None:
        outer = self._open.pop(reference, None)
        if outer is None:  # closed meanwhile
            return
        try:
            outer.set_result(inner.result())
        # The future must get whatever Ray raises here, or the run would wait forever.
        except (Exception, CancelledError) as error:  # noqa: BLE001
            outer.set_exception(_own_error(call, error))

    @cached_property
    def _ray(self) -> Any:
        """Ray, connected to a cluster."""
        # Ray reads these once, at import; without the first it contacts a server.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        import ray

        if ray.is_initialized():
            return ray
        quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "error"}
        if self.options.address is not None:
            try:
                ray.init(address=self.options.address, **quiet)
            except (ConnectionError, ValueError, RuntimeError) as error:
                raise LanserError(
                    f"No Ray cluster at {self.options.address}: {error}. Start one with "
                    "`ray start --head`, or remove executor.address to use this machine."
                ) from None
        else:
            ray.init(
                address="local",
                num_cpus=self.threads,
                num_gpus=self.gpus,
                _memory=int(self._local_gib * GIB),
                object_store_memory=OBJECT_STORE_BYTES,
                include_dashboard=False,
                # Otherwise idle workers end after a second, and start and import again later; and
                # two workers of low priority leave a twentieth of the processors idle.
                _system_config={"num_workers_soft_limit": self.threads, "worker_niceness": 0},
                **quiet,
            )
        self._started = True
        return ray

    def _total(self, resource: str) -> float:
        return float(self._ray.cluster_resources().get(resource, 0.0))

    def _largest_node(self) -> dict[str, float]:
        alive = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        return {
            resource: max((node.get(resource, 0.0) for node in alive), default=least) or least
            for resource, least in (("CPU", 1.0), ("memory", 0.0))
        }

    def close(self, *, cancel: bool = False) -> None:
        """Waits for open calls, or stops them if `cancel`; ends a local cluster."""
        if "_ray" not in self.__dict__:
            return
        ray = self._ray
        if cancel:
            for reference in list(self._open):
                with suppress(ray.exceptions.RayError, ValueError):
                    ray.cancel(reference, force=True)
        else:
            wait(list(self._open.values()))
        if self._started:
            ray.shutdown()
        del self._ray
        # Ray drops callbacks when it ends, and a run must not wait forever for stopped calls.
        for reference in list(self._open):
            outer = self._open.pop(reference, None)
            if outer is not None:
                outer.set_exception(CancelledCallError())


def _own_error(call: StageCall, error: BaseException) -> BaseException:
    """Returns the stage's own exception, or one that reports the loss of its worker."""
    from ray import exceptions

    if isinstance(error, CancelledError | exceptions.TaskCancelledError):
        return CancelledCallError()
    if isinstance(error, exceptions.RayTaskError):
        cause = error.cause if isinstance(error.cause, Exception) else RuntimeError(str(error))
        cause.__cause__ = RuntimeError(f"in a Ray worker:\n{_COLOURS.sub('', str(error))}")
        return cause
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    return WorkerError(
        f"The Ray worker of stage {call.stage} ({call.key[:8]}) died and was not replaced: "
        f"{reason.rstrip('.')}. Its log is in {log_folder(call)}. Finished stages are kept; run "
        "the same command again."
    )
