"""A stranger's plugin, installed by pip as its users would, beside the built-ins."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lanser_bench import PluginOptions
from lanser_bench.testing import LabelerSuite

EXAMPLE = Path(__file__).parents[1] / "example_plugin"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for PYTHONPATH with the package and its metadata, built by pip from a copy."""
    if importlib.util.find_spec("setuptools") is None:
        pytest.skip("setuptools is not installed, so nothing can be built without a network")
    folder = tmp_path_factory.mktemp("example")
    source, target = folder / "source", folder / "site"
    shutil.copytree(EXAMPLE, source, ignore=shutil.ignore_patterns("build", "*.egg-info"))
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        "--target",
        str(target),
        str(source),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return target


def python(installed: Path, code: str) -> Any:
    """Runs code in a process that sees the package; returns the JSON that it prints."""
    environment = os.environ | {"PYTHONPATH": str(installed)}
    environment.pop("LANSER_LOAD_PLUGINS", None)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
def test_it_is_listed_under_its_distribution(installed: Path) -> None:
    found = python(
        installed,
        "import json; from lanser_bench.plugins import load_plugins; r = load_plugins();"
        "e = r.entry('labeler', 'keyword');"
        "print(json.dumps([e.distribution, e.reference, [str(b) for b in r.broken]]))",
    )
    assert found == ["lanser-bench-example", "lanser_bench_example:Keyword", []]


@pytest.mark.slow
def test_it_labels_through_the_command_line(installed: Path) -> None:
    found = python(
        installed,
        "from lanser_bench.cli import main;"
        "main(['label', 'text', 'I was scared.', '--labeler', 'keyword', '--json'])",
    )
    assert found["label"] == "fear"
    assert found["scores"]["fear"] == 1.0


@pytest.mark.slow
def test_its_identity_names_its_own_source(installed: Path) -> None:
    found = python(
        installed,
        "import json; from lanser_bench.plugins import load_plugins, plugin_identity;"
        "r = load_plugins();"
        "i = plugin_identity(r, 'labeler', 'keyword', r.create('labeler', 'keyword'));"
        "print(json.dumps([i.distribution, i.version, len(i.source)]))",
    )
    assert found == ["lanser-bench-example", "1", 16]


def test_it_is_short_enough_for_a_first_plugin() -> None:
    lines = (EXAMPLE / "lanser_bench_example.py").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 60


class TestKeywordContract(LabelerSuite):
    """The suite that the guide tells authors to inherit, on the guide's own plugin."""

    texts = ("I was so happy!", "I am angry and sad.", "furious", "delighted", "sad sad sad", "x")

    def make(self) -> Any:
        spec = importlib.util.spec_from_file_location(
            "example", EXAMPLE / "lanser_bench_example.py"
        )
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        options: PluginOptions = module.KeywordOptions()
        return module.Keyword(options)
