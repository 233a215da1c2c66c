"""The built wheel and the recipes of container images: complete, and of the pinned versions."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import typer

ROOT = Path(__file__).parents[1]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
RECIPE = (ROOT / "apptainer.def").read_text(encoding="utf-8")


def copied() -> list[str]:
    """What the Dockerfile copies from the repository."""
    lines = re.findall(r"^COPY (.+) \S+$", DOCKERFILE, re.MULTILINE)
    return [name for line in lines for name in line.split()]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of the files that container images copy: nothing else may be needed."""
    context, out = tmp_path_factory.mktemp("context"), tmp_path_factory.mktemp("dist")
    for name in copied():
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, context / name)
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--outdir", str(out), str(context)],
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
        "lanser_bench/templates/moods.yaml",
        "lanser_bench/templates/test_plugin.txt",
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


def test_the_dockerfile_has_no_fault_that_a_linter_sees() -> None:
    linter = Path(sys.executable).with_name("hadolint")
    if not linter.exists():
        pytest.skip("hadolint is not installed")
    done = subprocess.run([linter, ROOT / "Dockerfile"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_both_images_have_the_same_files_versions_and_extras() -> None:
    pinned = re.search(r"^torch==\S+", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert pinned is not None
    assert f"ARG TORCH_SPEC={pinned[0]}\n" in DOCKERFILE
    assert f"'{pinned[0]}'" in RECIPE
    for extras in re.findall(r"'\.\[(.*?)\]'", DOCKERFILE + RECIPE):
        assert extras == "all,ray,slurm"
    in_recipe = re.findall(r"^ {4}(\S+) /opt/lanser-bench/\S+$", RECIPE, re.MULTILINE)
    assert in_recipe == copied()
    shown = (ROOT / ".dockerignore").read_text().splitlines()
    assert [line[1:] for line in shown if line.startswith("!")] == copied()
