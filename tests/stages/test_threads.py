"""Every library's pool gets the stage's threads and no more: workers do not fight for cores."""

from __future__ import annotations

import os

import numpy as np
import pyarrow as pa
import pytest
import torch
from threadpoolctl import threadpool_info

from lanser_bench.stages.base import THREAD_VARIABLES, limited_threads


def test_all_pools_have_the_threads_of_the_stage_and_then_what_they_had(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(THREAD_VARIABLES[0], raising=False)
    for name in THREAD_VARIABLES[1:]:
        monkeypatch.setenv(name, "7")
    assert np.isfinite(np.ones((64, 64)) @ np.ones((64, 64))).all()

    def state() -> tuple[object, ...]:
        pools = sorted((pool["filepath"], pool["num_threads"]) for pool in threadpool_info())
        variables = {name: os.environ.get(name) for name in THREAD_VARIABLES}
        return pools, variables, torch.get_num_threads(), pa.cpu_count()

    before = state()
    for threads in (2, 1):
        with limited_threads(threads):
            assert torch.get_num_threads() == pa.cpu_count() == threads
            assert {os.environ[name] for name in THREAD_VARIABLES} == {str(threads)}
            assert {pool["num_threads"] for pool in threadpool_info()} == {threads}
        assert state() == before
