"""What a run that has nothing to do reads."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lanser_bench.experiment import run_experiment

Make = Callable[..., dict[str, Any]]
_heard: list[str] | None = None


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and _heard is not None:
        _heard.append(str(arguments[0]))


sys.addaudithook(_hear)  # it cannot be taken off again, but does nothing outside of these tests


@pytest.fixture
def opened() -> Iterator[list[str]]:
    """Paths of the files that are opened while the test runs."""
    global _heard
    _heard = []
    yield _heard
    _heard = None


@pytest.mark.slow
def test_a_run_with_nothing_to_do_opens_each_marker_at_most_once_and_no_payload(
    settings: Make, plugin_dirs: tuple[Path, ...], opened: list[str]
) -> None:
    given = settings(grid={"labeler": ["words", "random"], "evaluate.seed": [0, 1, 2]})
    first = run_experiment(given, plugin_dirs=plugin_dirs)
    assert first.ok
    opened.clear()
    again = run_experiment(given, plugin_dirs=plugin_dirs)
    assert again.executed == []
    assert again.written == []
    store = Path(given["paths"]["store"])
    inside = [Path(p).relative_to(store) for p in opened if p.startswith(str(store / "objects"))]
    stages = [path for path in inside if path.parts[2] in again.plan.nodes]
    assert {path.name for path in stages} == {"done.json"}
    assert set(Counter(stages).values()) == {1}
    leaves = {key for cell in again.plan.cells for key in cell.leaves}
    assert {path.parts[2] for path in stages} == leaves, "what results are made of is not asked for"
