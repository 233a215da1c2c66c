"""Runs stages as jobs of a Slurm cluster, through submitit.

All nodes share the path of the store and of the environment. Calls that become ready together and
request the same resources are one job array.
"""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future, wait
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from lanser_bench import (
    Executor,
    LanserError,
    PluginOptions,
    StageCall,
    StageReport,
    WorkerError,
)

from .._optional import require
from ._worker import CancelledCallError, carry_out_elsewhere, log_folder

POLL_S = 1.0
"""Time between looks at waiting calls and results."""
PATIENCE_S = 5.0
"""Time that a cancelled local job has to end."""
STATES_S = 30.0
"""Time between questions to Slurm about the states of all jobs."""

Open = tuple[StageCall, Future[StageReport]]


class SlurmOptions(PluginOptions):
    """Options of `slurm`: what each job requests, and how much all jobs together may request."""

    threads: int = Field(default=64, ge=1)
    """CPUs that all jobs together may request."""
    gpus: int = Field(default=0, ge=0)
    """GPUs that all jobs together may request."""
    memory_gib: float = Field(default=float("inf"), gt=0)
    """Main memory that all jobs together may request."""
    hours: float = Field(default=24.0, gt=0)
    """Time limit of a job. A stage that takes longer is requeued."""
    partition: str | None = None
    """Slurm partition; by default the cluster's."""
    account: str | None = None
    """Account that is charged."""
    qos: str | None = None
    """Quality of service."""
    setup: tuple[str, ...] = ()
    """Shell lines before each job, such as ``module load cuda``."""
    python: str | None = None
    """Command that starts Python in a job, such as ``apptainer exec --nv lanser.sif python``."""
    sbatch: dict[str, str | int] = Field(default_factory=dict)
    """Further options of `sbatch`, such as ``{constraint: a100}``."""
    requeues: int = Field(default=3, ge=0)
    """How often a job is requeued after its time limit."""
    cluster: Literal["slurm", "local"] = "slurm"
    """`local` runs the jobs as processes of this machine, to test an experiment without Slurm."""


class Slurm(Executor[SlurmOptions]):
    """Stage calls as Slurm jobs.

    Jobs that run when the driver dies finish, and the next run uses their artifacts. A preempted
    job is requeued and starts its stage again; streamed stages continue after their last shard.
    """

    Options = SlurmOptions
    version = "1"

    def __init__(self, options: SlurmOptions) -> None:
        """Keeps the options; raises `MissingDependencyError` if submitit is not installed."""
        super().__init__(options)
        install = "pip install 'lanser-bench[slurm]'."
        require("submitit", "The executor 'slurm' needs submitit", install)
        self._lock = threading.Lock()
        self._waiting: list[Open] = []
        self._jobs: dict[Any, Open] = {}
        self._futures: set[Future[StageReport]] = set()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def threads(self) -> int:
        """CPUs of all jobs together."""
        return self.options.threads

    @property
    def gpus(self) -> int:
        """GPUs of all jobs together."""
        return self.options.gpus

    @property
    def total_gib(self) -> float:
        """Main memory of all jobs together."""
        return self.options.memory_gib

    def submit(self, call: StageCall) -> Future[StageReport]:
        """Queues a call for the next array."""
        future: Future[StageReport] = Future()
        future.set_running_or_notify_cancel()
        self._futures.add(future)
        future.add_done_callback(self._futures.discard)
        with self._lock:
            self._waiting.append((call, future))
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="slurm", daemon=True)
                self._thread.start()
        return future

    def close(self, *, cancel: bool = False) -> None:
        """Waits for open calls, or cancels their jobs."""
        if not cancel:
            wait(list(self._futures))
        self._closing.set()
        if self._thread is not None:
            self._thread.join()
        for job in self._jobs:
            with suppress(OSError):
                job.cancel(check=False)
                if self.options.cluster == "local":
                    _end(job)
        for future in list(self._futures):
            future.set_exception(CancelledCallError())

    def _work(self) -> None:
        asked = time.monotonic()
        while not self._closing.wait(POLL_S):
            with self._lock:
                waiting, self._waiting = self._waiting, []
            for array in _alike(waiting):
                self._submit(array)
            due = time.monotonic() - asked > STATES_S
            for job in list(self._jobs):
                # One question updates the states of all jobs.
                if job.done(force_check=due):
                    _finish(job, *self._jobs.pop(job))
                if due:
                    asked, due = time.monotonic(), False

    def _submit(self, array: list[Open]) -> None:
        """Submits calls with equal requests; a refusal of Slurm ends them all."""
        try:
            jobs = self._submitted([call for call, _ in array])
        # Whatever submitit raises here must end the calls, or the run would wait forever.
        except Exception as error:  # noqa: BLE001
            reason = (str(error).strip() or type(error).__name__).splitlines()[-1].rstrip(".")
            for _, future in array:
                future.set_exception(
                    LanserError(
                        f"Slurm did not accept a job: {reason}. Check the executor's options "
                        "(partition, account, hours, sbatch), and that sbatch works here."
                    )
                )
        else:
            self._jobs |= dict(zip(jobs, array, strict=True))

    def _submitted(self, calls: list[StageCall]) -> list[Any]:
        import submitit

        first, options = calls[0], self.options
        executor = submitit.AutoExecutor(
            log_folder(first).absolute() / "slurm" / "%j",
            cluster=options.cluster,
            slurm_max_num_timeout=options.requeues,
            slurm_python=options.python,
        )
        named = {"partition": options.partition, "account": options.account, "qos": options.qos}
        executor.update_parameters(
            name=f"lanser-{first.stage}",
            timeout_min=max(1, round(60 * options.hours)),
            cpus_per_task=min(first.threads, options.threads),
            **({"mem_gb": first.memory_gib} if first.memory_gib else {}),
            **({"gpus_per_node": first.gpus} if first.gpus else {}),
            slurm_array_parallelism=len(calls),
            slurm_setup=list(options.setup),
            slurm_additional_parameters=options.sbatch,
            **{f"slurm_{name}": value for name, value in named.items() if value is not None},
        )
        folder = str(Path.cwd())
        with executor.batch():
            return [executor.submit(_Job(), call, folder) for call in calls]


class _Job:
    """What a job runs; requeued, it runs the same call again."""

    def __call__(self, call: StageCall, folder: str) -> StageReport | Exception:
        try:
            return carry_out_elsewhere(call, folder)
        # submitit would return an exception as text only.
        except Exception as error:  # noqa: BLE001
            return error

    def checkpoint(self, call: StageCall, folder: str) -> Any:
        """Returns what submitit requeues after a preemption or a time limit."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self, call, folder)


def _end(job: Any) -> None:
    """Waits for a cancelled local job, and kills it if it ignores the signal, as under nohup."""
    deadline = time.monotonic() + PATIENCE_S
    while not job.done() and time.monotonic() < deadline:
        time.sleep(0.1)
    if not job.done():
        job._process.kill()
        job._process.wait()


def _alike(waiting: list[Open]) -> list[list[Open]]:
    """Groups calls by what their jobs request."""
    groups: dict[tuple[object, ...], list[Open]] = {}
    for call, future in waiting:
        request = (call.stage, call.threads, call.gpus, call.memory_gib, log_folder(call))
        groups.setdefault(request, []).append((call, future))
    return list(groups.values())


def _finish(job: Any, call: StageCall, future: Future[StageReport]) -> None:
    """Passes on a job's outcome, and deletes its files unless it died."""
    try:
        outcome = job.result()
    # Whatever submitit raises here must end the call, or the run would wait forever.
    except Exception as error:  # noqa: BLE001
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        outcome = WorkerError(
            f"Slurm job {job.job_id} of stage {call.stage} ({call.key[:8]}) died ({job.state}): "
            f"{reason.rstrip('.')}. Its log is {job.paths.stderr}. Finished stages are kept; run "
            "the same command again."
        )
    else:
        for path in (job.paths.submitted_pickle, job.paths.result_pickle):
            path.unlink(missing_ok=True)
    if isinstance(outcome, Exception):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)
