"""A few generated bad inputs of every kind: `python -m tests.fuzz` runs many more."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CASES = 25
"""Of each kind: 16 kinds take about a minute of one core. CONTRIBUTING.md names
the number for a night."""


@pytest.mark.slow
def test_bad_input_of_every_kind_ends_with_a_sentence() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", "--cases", str(CASES)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(f": {CASES} cases") == 16
