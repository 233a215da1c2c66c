"""Pre-training by several processes, each on its own GPU or CPU threads.

Each process computes its share of every step (`Share`), and all take the same step along the sum of
their gradients. The parent only waits. When a process dies, it ends the others, which would wait.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from multiprocessing import get_context, parent_process
from typing import Any

import torch

from ...counting import tallied, tally
from ...errors import LanserError, SettingsError, WorkerError
from ...plugins.discovery import registry
from ...store import Spec, Store
from ..base import RunnableCall, StageContext, limited_threads
from .checkpoint import Checkpoint
from .share import Share
from .training import Training

TIMEOUT = timedelta(minutes=10)
"""Longest wait of a process for the others."""
HERE = "127.0.0.1"
spawn: Any = torch.multiprocessing
distributed: Any = torch.distributed
ENDED_BADLY = (spawn.ProcessRaisedException, spawn.ProcessExitedException)


Prepare = Callable[[StageContext, Share], Training]
"""Makes the training of a share."""


def train_together(context: StageContext, processes: int, prepare: Prepare) -> None:
    """Trains to the end; the last checkpoint then has the finished training.

    Raises:
        SettingsError: there are fewer GPUs than processes.
        WorkerError: a process died, or waited too long for another.
    """
    device, gpus = context.spec.params.get("device", "cpu"), torch.cuda.device_count()
    if device == "mps" or (device == "cuda" and gpus < processes):
        raise SettingsError(
            f"pretrain.processes is {processes}, but this stage has {gpus} GPUs of CUDA. Lower it, "
            "or run where there are more."
        )
    store, spec, messages = context.store, context.spec, get_context("spawn").SimpleQueue()
    call = RunnableCall(
        *(spec.stage, spec.key, spec.model_dump(), store.root, store.layers),
        threads=spec.threads or 1,
        plugin_dirs=context.registry.plugin_dirs,
        inputs=dict(context.inputs),
    )
    # The system chooses a free port for 0, and this store keeps it.
    meeting = distributed.TCPStore(HERE, 0, is_master=True, wait_for_workers=False)
    running = spawn.start_processes(
        _train_share, (processes, meeting.port, call, messages, prepare), processes, join=False
    )
    try:
        while not running.join(timeout=1):
            if context.lease is not None:
                context.lease.check()
    except ENDED_BADLY as error:
        while not messages.empty():
            if isinstance(fault := messages.get(), LanserError):
                raise fault from None
        reason = str(error).strip().splitlines()[-1].rstrip(".")
        raise WorkerError(
            f"A process of pre-training died, and the others were stopped: {reason}. The usual "
            "cause is lack of memory. Finished epochs are kept; run the same command again."
        ) from error
    finally:
        for process in running.processes:
            process.kill()
    while not messages.empty():
        for name, count in messages.get().items():
            tally(name, count)


def _train_share(
    rank: int, processes: int, port: int, call: RunnableCall, messages: Any, prepare: Prepare
) -> None:
    """Trains one process's share of each step; the first process writes checkpoints."""
    parent: Any = parent_process()
    threading.Thread(target=lambda: (parent.join(), os._exit(1)), daemon=True).start()
    on_gpu = call.spec["params"].get("device") == "cuda"
    if on_gpu:
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        os.environ["CUDA_VISIBLE_DEVICES"] = visible.split(",")[rank] if visible else str(rank)
    if sys.platform == "linux":
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")  # the machine's name may not resolve
    spec, store = Spec.model_validate(call.spec), Store(call.store, call.layers)
    context = StageContext(spec, store, registry(call.plugin_dirs), call.inputs)
    try:
        with limited_threads(call.threads), tallied() as counts:
            distributed.init_process_group(
                "nccl" if on_gpu else "gloo",
                store=distributed.TCPStore(HERE, port, wait_for_workers=False),
                rank=rank,
                world_size=processes,
                timeout=TIMEOUT,
            )
            training = prepare(context, Share(rank, processes))
            checkpoint = Checkpoint(store, spec.key)
            report: Any = context.progress if rank == 0 else lambda *_, unit: None
            progress, best = training.run(checkpoint, partial(report, unit="batches"))
            if rank == 0:
                training.save(checkpoint, progress, best)
            distributed.destroy_process_group()
        messages.put(counts)
        # Threads of the libraries may abort the interpreter's own end.
        os._exit(0)
    except LanserError as error:
        messages.put(error)
        raise
