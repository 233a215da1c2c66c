"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture
def data_root() -> Path:
    """The folder of development data; the test is skipped where LANSER_DATA_ROOT names none."""
    root = os.environ.get("LANSER_DATA_ROOT")
    if not root or not Path(root).is_dir():
        pytest.skip("LANSER_DATA_ROOT does not name a folder with the development data")
    return Path(root)
