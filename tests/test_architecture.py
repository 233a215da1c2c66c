"""The laws of the house that can be read off its source."""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable, Iterable
from pathlib import Path

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


@functools.cache
def parsed(path: Path) -> tuple[ast.Module, tuple[ast.AST, ...]]:
    """The module and every node of it, read once for all the laws."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return tree, tuple(ast.walk(tree))


def imports(path: Path, *, top_level_only: bool = False) -> list[tuple[int, str]]:
    """(relative level, module) of every import."""
    tree, nodes = parsed(path)
    found: list[tuple[int, str]] = []
    for node in tree.body if top_level_only else nodes:
        if isinstance(node, ast.Import):
            found += [(0, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append((node.level, node.module or ""))
    return found


def breaches(paths: Iterable[Path], law: Callable[[Path], set[str]]) -> dict[str, set[str]]:
    """What breaks a law, by file."""
    found = {path.relative_to(ROOT).as_posix(): law(path) for path in paths}
    return {name: broken for name, broken in found.items() if broken}


def roots(path: Path) -> set[str]:
    return {name.partition(".")[0] for level, name in imports(path) if level == 0}


def test_the_files_are_found() -> None:
    assert len(HARNESS) > 150
    assert len(PLUGINS) > 80


def test_the_harness_knows_no_model() -> None:
    models = MODEL_LIBRARIES | {"lanser_bench_plugins", "plugins"}
    assert not breaches(HARNESS, lambda path: roots(path) & models)


def test_built_ins_use_only_public_names() -> None:
    def law(path: Path) -> set[str]:
        reached = {name for level, name in imports(path) if level == 0}
        return {name for name in reached if name.startswith("lanser_b")} - {"lanser_bench"}

    assert not breaches(PLUGINS, law)


def test_private_names_stay_in_their_module() -> None:
    def law(path: Path) -> set[str]:
        return {
            f"from {node.module} import {alias.name}"
            for node in parsed(path)[1]
            if isinstance(node, ast.ImportFrom) and node.module
            for alias in node.names
            if alias.name.startswith("_") and not alias.name.startswith("__")
        }

    assert not breaches([*HARNESS, *PLUGINS], law)


def test_private_modules_stay_in_their_package() -> None:
    def law(path: Path) -> set[str]:
        package = path.relative_to(ROOT).parts[:-1]
        found = set()
        for level, name in imports(path):
            target = (*package[: len(package) - level + 1], *name.split("."))
            private = next((i for i, part in enumerate(target) if part.startswith("_")), None)
            if level and private is not None and package[:private] != target[:private]:
                found.add(".".join(target))
        return found

    assert not breaches(HARNESS, law)


def test_imports_run_one_way() -> None:
    def law(path: Path) -> set[str]:
        parts = path.relative_to(ROOT / "lanser_bench").with_suffix("").parts
        here = LEVELS.get(parts[0])
        if here is None:  # the package's own __init__, or data
            return set()
        base = ["lanser_bench", *parts[:-1]]
        found = set()
        for level, name in imports(path, top_level_only=True):
            target = [*base[: len(base) - level + 1], *(name.split(".") if name else [])]
            if level and len(target) > 1 and LEVELS.get(target[1], here) > here:
                found.add(target[1])
        return found

    assert not breaches(HARNESS, law)


def test_no_pickle_no_eval() -> None:
    forbidden = {"pickle", "cloudpickle", "joblib", "dill", "shelve", "marshal"}
    calls = {"eval", "exec", "torch.load", "yaml.load", "yaml.unsafe_load"}

    def law(path: Path) -> set[str]:
        used = set()
        for node in parsed(path)[1]:
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                used.add(node.func.id)
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                used.add(f"{node.value.id}.{node.attr}")
        return roots(path) & forbidden | used & calls

    assert not breaches([*HARNESS, *PLUGINS], law)


def test_files_stay_short() -> None:
    def law(path: Path) -> set[str]:
        lines = len(path.read_text(encoding="utf-8").splitlines())
        return {f"{lines} lines"} if lines > 420 else set()

    assert not breaches([*HARNESS, *PLUGINS], law)


def test_hookspecs_fit_one_screen() -> None:
    assert len((ROOT / "lanser_bench" / "hookspecs.py").read_text().splitlines()) < 60
