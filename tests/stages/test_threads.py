"""Every library's pool gets the stage's threads and no more: workers do not fight for cores."""

from __future__ import annotations

import os

import numpy as np
import pyarrow as pa
import pytest
import torch
from threadpoolctl import threadpool_info

from lanser_bench.stages.base import THREAD_VARIABLES, _limit_threads


def test_all_pools_have_the_threads_of_the_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in THREAD_VARIABLES:
        monkeypatch.setenv(name, "7")
    assert np.isfinite(np.ones((64, 64)) @ np.ones((64, 64))).all()
    for threads in (2, 1):
        _limit_threads(threads)
        assert torch.get_num_threads() == pa.cpu_count() == threads
        assert {os.environ[name] for name in THREAD_VARIABLES} == {str(threads)}
    assert {pool["num_threads"] for pool in threadpool_info()} == {1}
