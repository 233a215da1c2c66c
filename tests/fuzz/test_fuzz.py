"""Generated bad inputs of every kind: `python -m tests.fuzz` runs many more."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

from .kinds import KINDS
from .world import make_world

CASES = 200
"""Of each kind. CONTRIBUTING.md names the number for a night."""
PARTS = 4
"""Tests that share the kinds: each loads all libraries anew, and they may run side by side."""


@pytest.fixture
def work(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the run that is damaged, which is made once for all workers."""
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "fuzz"
    with FileLock(f"{shared}.lock"):
        if not shared.exists():
            make_world(tmp_path / "world").rename(shared)
    (tmp_path / "world").symlink_to(shared)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_bad_input_of_every_kind_ends_with_a_sentence(part: int, work: Path) -> None:
    kinds = list(KINDS)[part::PARTS]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "tests.fuzz", "--cases", str(CASES), "--work", str(work)),
            *(word for kind in kinds for word in ("--kind", kind)),
        ],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(f": {CASES} cases") == len(kinds) == len(KINDS) // PARTS
