"""Tiny models on disk, made once."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_models import nli_folder, sentence_folder

CLASSES = ("CONTRADICTION", "NEUTRAL", "ENTAILMENT")


@pytest.fixture(scope="session")
def nli(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return nli_folder(tmp_path_factory.mktemp("nli"), CLASSES)


@pytest.fixture(scope="session")
def sentences(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sentence_folder(tmp_path_factory.mktemp("sentences"))
