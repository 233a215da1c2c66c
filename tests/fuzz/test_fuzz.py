"""Generated bad inputs of every kind: `python -m tests.fuzz` runs many more."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CASES = int(os.environ.get("LANSER_FUZZ_CASES", "25"))
"""Of each kind. CI runs 200, and CONTRIBUTING.md names the number for a night."""
KINDS, PARTS = 16, 4
"""Each part loads all libraries anew, and they may run side by side."""


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_bad_input_of_every_kind_ends_with_a_sentence(
    part: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "fuzz"
    words = ("--cases", str(CASES), "--part", f"{part}/{PARTS}", "--work", str(shared))
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", *words],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(f": {CASES} cases") == KINDS // PARTS
