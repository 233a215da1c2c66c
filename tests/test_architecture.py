"""The laws of the house that can be read off its source."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HARNESS = sorted((ROOT / "lanser_bench").rglob("*.py"))
PLUGINS = sorted((ROOT / "plugins").rglob("*.py"))
MODEL_LIBRARIES = {
    "transformers",
    "whisper",
    "faster_whisper",
    "ctranslate2",
    "sentence_transformers",
    "onnxruntime",
    "onnx",
    "espeakng_loader",
    "wandb",
    "ray",
}
LEVELS = {  # a folder may import those of its own level and below
    "errors": 0, "halving": 0, "_version": 0, "_yaml": 0, "validation": 0, "kinds": 1,
    "taxonomy": 1, "hookspecs": 1, "plugins": 2, "store": 3, "audio": 3, "utterances": 3,
    "evaluation": 3, "audiomemo": 4, "survey": 4, "manifest": 4, "stages": 5, "experiment": 6,
    "reporting": 7, "model": 7, "testing": 7, "cli": 8,
}  # fmt: skip


def imports(path: Path, *, top_level_only: bool = False) -> list[tuple[int, str]]:
    """(relative level, module) of every import."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = tree.body if top_level_only else list(ast.walk(tree))
    found: list[tuple[int, str]] = []
    for node in nodes:
        if isinstance(node, ast.Import):
            found += [(0, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append((node.level, node.module or ""))
    return found


def ident(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", HARNESS, ids=ident)
def test_the_harness_knows_no_model(path: Path) -> None:
    roots = {name.partition(".")[0] for level, name in imports(path) if level == 0}
    assert not roots & (MODEL_LIBRARIES | {"lanser_bench_plugins", "plugins"})


@pytest.mark.parametrize("path", PLUGINS, ids=ident)
def test_built_ins_use_only_public_names(path: Path) -> None:
    reached = [name for level, name in imports(path) if level == 0 and name.startswith("lanser_b")]
    assert set(reached) <= {"lanser_bench"}


@pytest.mark.parametrize("path", HARNESS, ids=ident)
def test_imports_run_one_way(path: Path) -> None:
    parts = path.relative_to(ROOT / "lanser_bench").with_suffix("").parts
    here = LEVELS.get(parts[0])
    if here is None:
        pytest.skip("the package's own __init__, or data")
    base = ["lanser_bench", *parts[:-1]]
    for level, name in imports(path, top_level_only=True):
        if level == 0:
            continue
        target = [*base[: len(base) - level + 1], *(name.split(".") if name else [])]
        if len(target) > 1 and target[1] in LEVELS:
            assert LEVELS[target[1]] <= here, f"{parts[0]} imports {target[1]}"


@pytest.mark.parametrize("path", [*HARNESS, *PLUGINS], ids=ident)
def test_no_pickle_no_eval(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    roots = {name.partition(".")[0] for _, name in imports(path)}
    assert not roots & {"pickle", "cloudpickle", "joblib", "dill", "shelve", "marshal"}
    called = {
        node.func.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not called & {"eval", "exec"}
    attributes = {
        f"{node.value.id}.{node.attr}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }
    assert not attributes & {"torch.load", "yaml.load", "yaml.unsafe_load"}


@pytest.mark.parametrize("path", [*HARNESS, *PLUGINS], ids=ident)
def test_files_stay_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 420


def test_hookspecs_fit_one_screen() -> None:
    assert len((ROOT / "lanser_bench" / "hookspecs.py").read_text().splitlines()) < 60
