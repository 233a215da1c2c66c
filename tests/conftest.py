"""Fixtures shared by all tests."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

gc.disable()  # until all tests are collected: what they import is no garbage
# Where bytecode is not kept, each worker compiles and rewrites all tests anew at every run.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

if "PYTEST_XDIST_WORKER" in os.environ:
    # Before torch or NumPy is loaded: workers that each take every core hold one another up.
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Two workers for a suite; files named on the command line run in this process, at once."""
    named = any(Path(name.partition("::")[0]).suffix == ".py" for name in config.args)
    return 0 if named else min(2, os.cpu_count() or 1)


HEAVY_FOLDERS = ("asr", "encoders", "labelers", "model", "nli", "stages")
HEAVY_FILES = ("test_hub.py", "test_reported.py", "test_run.py")
"""Tests that train, or load transformers and the like; the first of them waits for seconds."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts heavy tests at the start of the second half.

    Each of two workers starts with one half and takes over tests from the end of the other's, so
    only one of them loads the heavy libraries.
    """

    def is_heavy(item: pytest.Item) -> bool:
        return item.path.parent.name in HEAVY_FOLDERS or item.path.name in HEAVY_FILES

    light = [item for item in items if not is_heavy(item)]
    half = min(len(light), len(items) // 2)
    items[:] = [*light[:half], *filter(is_heavy, items), *light[half:]]


def pytest_collection_finish() -> None:
    """Spares the collector what is loaded by now, as no module is ever garbage."""
    gc.freeze()
    gc.enable()


@pytest.fixture(autouse=True, scope="session")
def _no_power_cuts() -> Iterator[None]:
    """Waits for no disk: a killed process keeps what it wrote, and no test cuts the power."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture
def data_root() -> Path:
    """The folder of development data; the test is skipped where LANSER_DATA_ROOT names none."""
    root = os.environ.get("LANSER_DATA_ROOT")
    if not root or not Path(root).is_dir():
        pytest.skip("LANSER_DATA_ROOT does not name a folder with the development data")
    return Path(root)
