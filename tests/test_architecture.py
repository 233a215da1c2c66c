"""The laws of the house that can be read off its source."""

from __future__ import annotations

import ast
import functools
import itertools
import re
import statistics
import sys
import tomllib
from collections.abc import Callable, Iterable
from importlib.metadata import packages_distributions
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
PULLED_IN = {"markupsafe", "PIL", "ctranslate2", "pydantic_core"}
"""Parts of declared packages: of jinja2, matplotlib, faster-whisper and pydantic."""
ORDER = [
    *("errors", "_version", "_face", "_digest", "paths", "_yaml", "validation", "counting"),
    *("halving", "allocator", "devices", "languages", "wording", "printing", "console"),
    *("taxonomy", "kinds", "store", "plugins", "audio", "data", "evaluation"),
    "numbers",
    *("stages", "measurements", "records", "model", "testing"),
    *("experiment.settings", "experiment.planning", "experiment.running", "experiment"),
    *("reporting.tables", "reporting", "reporting.leaderboard", "reporting.comparing"),
    *("reporting.report", "reporting.labels", "reporting.rerun", "reporting.results"),
    *("reporting.run_views", "reporting.frames", "scripting", "cli"),
]
"""Folders and single modules; each imports itself and those before it."""


JUDGED = (ast.Import, ast.ImportFrom, ast.Call, ast.Attribute, ast.FunctionDef)


@functools.cache
def parsed(path: Path) -> tuple[ast.Module, tuple[ast.AST, ...]]:
    """The module and its nodes of the types in `JUDGED`, read once for all the laws."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return tree, tuple(node for node in ast.walk(tree) if isinstance(node, JUDGED))


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


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def inner_imports() -> dict[str, set[str]]:
    """Module -> modules of the harness that it imports, inside functions and for types too."""
    paths = {module_name(path): path for path in HARNESS}
    arrows: dict[str, set[str]] = {name: set() for name in paths}
    for name, path in paths.items():
        base = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
        for node in parsed(path)[1]:
            if not isinstance(node, ast.ImportFrom) or not node.level:
                continue
            target = ".".join(
                [*base[: len(base) - node.level + 1], *(node.module or "").split(".")]
            )
            target = target.rstrip(".")
            for alias in node.names:
                inner = f"{target}.{alias.name}"
                arrows[name].add(inner if inner in paths else target)
        arrows[name].discard(name)
    return arrows


def level(name: str) -> int:
    below = name.removeprefix("lanser_bench.")
    fitting = [place for place in ORDER if f"{below}.".startswith(f"{place}.")]
    return ORDER.index(max(fitting, key=len)) if fitting else len(ORDER)


def test_imports_run_one_way() -> None:
    """Every module imports its own folder and those above it in `ORDER`; faces name their own."""
    faces = {module_name(path) for path in HARNESS if path.name == "__init__.py"}
    upward = {
        f"{name} imports {target}"
        for name, targets in inner_imports().items()
        if name not in faces
        for target in targets
        if target != "lanser_bench" and level(target) > level(name)
    }
    assert not upward


def test_no_circles() -> None:
    arrows = {name: set(targets) for name, targets in inner_imports().items()}
    while free := [name for name, targets in arrows.items() if not targets & arrows.keys()]:
        for name in free:
            del arrows[name]
    assert not arrows, f"these import each other: {sorted(arrows)}"


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

    readers = [path for path in PLUGINS if path.name == "_pickled.py"]
    assert not breaches([path for path in [*HARNESS, *PLUGINS] if path not in readers], law)
    assert set().union(*map(law, readers)) == {"pickle", "torch.load"}


def test_the_one_reader_of_pickles_creates_only_tensors() -> None:
    (reader,) = [path for path in PLUGINS if path.name == "_pickled.py"]
    from_pickle, loads = set(), []
    for node in parsed(reader)[1]:
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            from_pickle |= {node.attr} if node.value.id == "pickle" else set()
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
            loads.append({word.arg: ast.unparse(word.value) for word in node.keywords})
    assert from_pickle == {"UnpicklingError"}
    assert [load.get("weights_only") for load in loads] == ["True"]


def line_counts() -> dict[str, int]:
    return {
        path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8").count("\n")
        for path in (*HARNESS, *PLUGINS)
    }


def functions(measure: Callable[[ast.FunctionDef, Path], int]) -> set[str]:
    """Functions by file and name for which a measure is above 0."""
    return {
        f"{path.relative_to(ROOT).as_posix().removeprefix('lanser_bench/')}:{node.name}"
        for path in (*HARNESS, *PLUGINS)
        for node in parsed(path)[1]
        if isinstance(node, ast.FunctionDef) and measure(node, path) > 0
    }


def test_files_stay_short() -> None:
    lines = line_counts()
    assert not {name for name, count in lines.items() if count > 350}
    assert statistics.median(lines.values()) <= 120


def test_functions_stay_short() -> None:
    def excess(node: ast.FunctionDef, path: Path) -> int:
        return (node.end_lineno or 0) - node.lineno - 59

    assert not functions(excess)


def test_functions_have_few_parameters() -> None:
    """A command's parameters are its options."""

    def excess(node: ast.FunctionDef, path: Path) -> int:
        given = node.args
        listed = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
        parameters = [item for item in listed if item and item.arg not in {"self", "cls"}]
        private = path.name.startswith("_") or node.name.startswith("_")
        command = path.parent.name == "cli" and not private
        return 0 if command else len(parameters) - 8

    assert not functions(excess)


def test_hookspecs_fit_one_screen() -> None:
    assert len((ROOT / "lanser_bench" / "plugins" / "hookspecs.py").read_text().splitlines()) < 60


def test_every_imported_library_is_declared() -> None:
    """What another library happens to install may be gone in its next version."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = [*project["dependencies"], *itertools.chain(*project["optional-dependencies"].values())]
    declared = {re.split(r"[^\w.-]", one)[0].lower().replace("_", "-") for one in named}
    own = {"lanser_bench", "lanser_bench_plugins", "lanser_bench_taxonomies"}
    used = set().union(*map(roots, HARNESS + PLUGINS)) - own - sys.stdlib_module_names - PULLED_IN
    distributions = packages_distributions()
    unknown = {
        module: distributions.get(module, [])
        for module in used
        if not declared & {name.lower().replace("_", "-") for name in distributions.get(module, [])}
    }
    assert not unknown
