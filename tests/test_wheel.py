"""The built wheel holds the plugins and taxonomies and works outside the source tree."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import typer
from filelock import FileLock

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    # Two test workers must not build at once: setuptools works in one folder of the source tree.
    with FileLock(tmp_path_factory.getbasetemp().parent / "wheel.lock"):
        subprocess.run(
            [sys.executable, "-m", "build", "--wheel", "--outdir", str(out), str(ROOT)],
            check=True,
            capture_output=True,
        )
    [path] = out.glob("*.whl")
    return path


@pytest.mark.slow
def test_wheel_holds_code_taxonomies_data_and_types(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    expected = {
        "lanser_bench/py.typed",
        "lanser_bench/experiments/quickstart.yaml",
        "lanser_bench/reporting/report/templates/report.html.j2",
        "lanser_bench_plugins/labelers/entailment.py",
        "lanser_bench_plugins/nli/adapter/adapter.safetensors",
        "lanser_bench_plugins/datasets/synthetic_sentences.tsv",
        "lanser_bench_taxonomies/ekman-6.yaml",
    }
    assert expected <= names
    assert not [n for n in names if n.startswith("tests/")]
    sources = {
        f"{package}/{path.relative_to(ROOT / folder)}"
        for package, folder in (
            ("lanser_bench", "lanser_bench"),
            ("lanser_bench_plugins", "plugins"),
        )
        for path in (ROOT / folder).rglob("*.py")
    }
    assert sources <= names, "a new package must be named in pyproject.toml"


@pytest.mark.slow
def test_wheel_runs_in_an_environment_without_the_source_tree(wheel: Path, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "env")], check=True)
    python = tmp_path / "env" / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-deps", str(wheel)], check=True)
    # The dependencies are borrowed from where this environment finds them, which may itself be
    # elsewhere: a path line does not run .pth files, so the editable install stays out.
    [site] = (tmp_path / "env" / "lib").glob("python*/site-packages")
    (site / "borrowed.pth").write_text(f"{Path(typer.__file__).parents[1]}\n")
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}

    def lanser(*arguments: str) -> str:
        return subprocess.run(
            [tmp_path / "env" / "bin" / "lanser-bench", *arguments],
            check=True,
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=environment,
        ).stdout

    assert "lanser-bench" in lanser("--help")
    listed = json.loads(lanser("plugins", "--json"))
    assert not listed["broken"]
    assert json.loads(lanser("taxonomy", "show", "ekman-6", "--json"))["name"] == "ekman-6"
    location = subprocess.run(
        [python, "-c", "import lanser_bench; print(lanser_bench.__file__)"],
        check=True,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment,
    ).stdout
    assert str(site) in location
