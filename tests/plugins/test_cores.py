"""Batches side by side: all are done, with one thread each, and torch is left as it was."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import torch
from lanser_bench_plugins._cores import on_cores

from lanser_bench import fitting
from lanser_bench.counting import tallied


@pytest.fixture(params=[1, 3])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def test_as_many_parts_run_at_once_as_torch_has_threads(threads: int) -> None:
    together = threading.Barrier(threads, timeout=600)
    inside: dict[int, int] = {}

    def work(part: int) -> None:
        together.wait()
        inside[part] = torch.get_num_threads()

    on_cores(work, range(2 * threads))
    assert inside == dict.fromkeys(range(2 * threads), 1)
    assert torch.get_num_threads() == threads


def test_a_failing_part_ends_the_work_and_leaves_torch_as_it_was(threads: int) -> None:
    def work(part: int) -> None:
        raise ValueError(f"part {part}")

    with pytest.raises(ValueError, match="part 0"):
        on_cores(work, range(5))
    assert torch.get_num_threads() == threads


def test_halvings_are_counted(threads: int) -> None:
    def work(part: int) -> None:
        def run(size: int) -> None:
            if size > 2:
                raise MemoryError

        fitting(run, 8)

    with tallied() as tally:
        on_cores(work, range(1))
    assert tally["memory_halvings"] == 2
