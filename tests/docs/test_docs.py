"""Checks the guides: commands run, settings are valid, links and names resolve."""

from __future__ import annotations

import ast
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from copy import deepcopy
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from integration.processes import lanser, script

from lanser_bench.cli import COMMANDS, build_app, main
from lanser_bench.cli._deprecated import current_spelling
from lanser_bench.experiment.settings.files import read_experiment
from lanser_bench.experiment.settings.grid import expand
from lanser_bench.experiment.settings.model import DatasetRef, PluginRef
from lanser_bench.plugins.discovery import Registry, load_plugins
from lanser_bench.taxonomy import load_taxonomy

from .blocks import PAGES, ROOT, Block, blocks, prose, shown
from .reference import generated
from .site import command_reference

LANGUAGES = {"console", "python", "yaml", "toml", "text", "mermaid", "csv"}
TEMPLATES = ROOT / "lanser_bench" / "templates"
EXAMPLES = [block for page in PAGES for block in blocks(page)]
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
MARK = "\x1e"
"""Printed between the outputs of a page's Python blocks."""


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def of(language: str) -> list[Block]:
    return [block for block in EXAMPLES if block.language == language]


def where(block: Block) -> str:
    return block.where


# -- the blocks themselves ---------------------------------------------------------------------


def test_blocks_have_a_language_and_valid_comments() -> None:
    known = {"not run here", "run", "file", "from", "output"}
    for block in EXAMPLES:
        assert block.language in LANGUAGES, f"{block.where}: name the block's language"
        reason = block.note("not run here")
        assert reason is None or len(reason) > 10, f"{block.where}: say why it is not run"
        for note in block.notes:
            head = note.partition(":")[0].strip()
            assert head in known or "run" not in head, f"{block.where}: misspelt comment '{note}'"


def test_an_included_file_is_the_file() -> None:
    for block in EXAMPLES:
        if included := block.note("from"):
            text = (ROOT / included).read_text(encoding="utf-8")
            assert block.text == text, f"{block.where}: differs from {included}"


@pytest.mark.parametrize(
    ("expected", "printed", "fits"),
    [
        ("a\nb", "a\nb\n", True),
        ("a\nb", "a\nc\n", False),
        ("a", "a\nb\n", False),
        ("a\n…\nd", "a\nb\nc\nd\n", True),
        ("a\n…\nd", "a\nd\n", True),
        ("…\n3 to run", "13 to run\n", False),
        ("a … d", "a b c d  \n", True),
        ("a … d", "a b\nc d\n", False),
        ("a (b)*", "a bbb\n", False),
    ],
)
def test_ellipses_in_shown_output_are_wildcards(expected: str, printed: str, fits: bool) -> None:
    assert shown(expected.splitlines(), printed) is fits


# -- examples run ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all pages, so that they share a store.

    It has the README's plugin and the experiment of the page that a reader begins with.
    """
    place = tmp_path_factory.mktemp("docs")
    (place / "my_plugins").mkdir()
    shutil.copy(TEMPLATES / "labeler.py", place / "my_plugins" / "keyword_labeler.py")
    [first] = [block for block in blocks(ROOT / "docs" / "start.md") if block.note("file")]
    (place / str(first.note("file"))).write_text(first.text, encoding="utf-8")
    return place


def runs(block: Block) -> bool:
    """Whether its page's test does anything with a block besides reading it."""
    code = block.language in ("console", "python")
    return code and block.note("not run here") is None and block.note("from") is None


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", [page for page in PAGES if any(runs(b) for b in blocks(page))], ids=name
)
def test_examples_run_and_print_the_shown_output(page: Path, folder: Path) -> None:
    programs: list[Block] = []
    outputs: dict[int, Block] = {}
    for block in blocks(page):
        target = block.note("file")
        if target is not None:
            (folder / target).parent.mkdir(parents=True, exist_ok=True)
            (folder / target).write_text(block.text, encoding="utf-8")
        if block.note("not run here") is not None:
            continue
        if block.language == "console":
            _run_commands(block, folder)
        elif block.language == "python" and target is None and block.note("from") is None:
            programs.append(block)
        elif block.note("output") is not None:
            outputs[len(programs) - 1] = block
    if programs:
        _run_programs(programs, outputs, folder)


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_notebooks_run_and_print_again(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nbclient, nbformat = (pytest.importorskip(name) for name in ("nbclient", "nbformat"))
    for name, value in _environment().items():
        monkeypatch.setenv(name, value)
    stored = nbformat.read(path, as_version=4)
    notebook = deepcopy(stored)
    nbclient.NotebookClient(
        notebook, timeout=600, resources={"metadata": {"path": tmp_path}}
    ).execute()
    for before, after in zip(stored.cells, notebook.cells, strict=True):
        if before.cell_type == "code":
            assert bool(before.outputs) <= bool(after.outputs), before.source


def _run_commands(block: Block, folder: Path) -> None:
    code = int((block.note("run") or "exit 0").removeprefix("exit "))
    commands = block.commands
    for number, (command, expected) in enumerate(commands, start=1):
        done = _in_shell(command, folder)
        wanted = code if number == len(commands) else 0
        assert done.returncode == wanted, f"{block.where}: {command}\n{done.stdout}"
        if expected:
            assert shown(expected, done.stdout), f"{block.where}: {command} prints\n{done.stdout}"


def _in_shell(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs a command as the reader's shell does; one without operators needs no shell."""
    environment, command = _environment(), command.replace("\\\n", " ")
    if command.startswith("lanser-bench ") and not re.search("[|&;<>$]", command):
        words = [w for word in shlex.split(command)[1:] for w in _expanded(word, folder)]
        return lanser(*words, folder=folder, environment=environment, joined=True)
    return subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=1200,
        check=False,
    )


def _expanded(word: str, folder: Path) -> list[str]:
    found = folder.glob(word) if "*" in word else ()
    return sorted(str(path.relative_to(folder)) for path in found) or [word]


def _run_programs(programs: list[Block], outputs: Mapping[int, Block], folder: Path) -> None:
    """Runs all Python blocks of a page, in order, as one program."""
    path = folder / "page.py"
    path.write_text(f"\nprint({MARK!r})\n".join(b.text for b in programs), encoding="utf-8")
    done = script(path, _environment())
    assert done.returncode == 0, f"{programs[0].page.name}: its Python blocks\n{done.stdout}"
    printed = done.stdout.split(MARK)
    for position, block in outputs.items():
        text = printed[position]
        assert shown(block.text.splitlines(), text), f"{block.where}: it prints\n{text}"


def _environment() -> dict[str, str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("LANSER_", "WANDB_"))}
    return environment | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "COLUMNS": "100",
        "NO_COLOR": "1",
        "PYTHONUNBUFFERED": "1",  # both streams in the order in which they are written
        "WANDB_MODE": "offline",
    }


# -- settings are valid ------------------------------------------------------------------------

BASE: dict[str, Any] = {
    "name": "base",
    "labeler": "random",
    "taxonomy": "ekman-6",
    "encoder": "cnn",
    "corpora": ["synthetic"],
    "targets": ["synthetic"],
}
"""Settings that complete a snippet with only a few keys."""


@pytest.fixture(scope="module")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    folder = tmp_path_factory.mktemp("plugins")
    with pytest.raises(SystemExit):
        main(["new", "labeler", "cues", "--into", str(folder)])
    return load_plugins([TEMPLATES, folder], only="")


@pytest.mark.parametrize("block", of("yaml"), ids=where)
def test_shown_settings_are_valid(
    block: Block, plugins: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANSER_DATA_ROOT", "/data")
    content = yaml.safe_load(block.text)
    if "labels" in content:
        path = tmp_path / "taxonomy.yaml"
        path.write_text(block.text, encoding="utf-8")
        assert load_taxonomy(path).labels
        return
    whole = content if "name" in content else BASE | content
    for point in expand(read_experiment(whole)):
        for kind, ref in _refs(point.settings):
            plugins.create(
                kind, ref.dataset if isinstance(ref, DatasetRef) else ref.name, ref.options
            )
        if not point.settings.taxonomy.endswith(".yaml"):
            assert point.settings.taxonomy in plugins.names("taxonomy")


def _refs(settings: Any) -> Iterator[tuple[str, PluginRef | DatasetRef]]:
    for kind in ("segmenter", "asr", "labeler", "encoder", "executor"):
        yield kind, getattr(settings, kind)
    for kind, key in (
        ("probe", "probes"),
        ("tracker", "trackers"),
        ("dataset", "corpora"),
        ("dataset", "targets"),
    ):
        for ref in getattr(settings, key):
            yield kind, ref


def test_reference_tables_are_current() -> None:
    for page, text in generated():
        assert page.read_text(encoding="utf-8") == text, (
            f"{page.name} is stale: run python -m tests.docs.reference"
        )


def test_the_page_of_performance_shows_the_history_of_the_benchmarks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(ROOT / "tests" / "benchmarks")
    import bench

    text = bench.PAGE.read_text(encoding="utf-8")
    assert text == bench.page(), "stale: run python tests/benchmarks/bench.py --page"
    for one in bench.history()[-1]["figures"]:
        assert (bench.HERE / one["command"].split()[0]).is_file()
        middle, worst = (one["min"], 2 * one["max"]) if one["unit"] != "×" else (one["max"], 0)
        assert not bench.slower(one | {"median": middle}, one)  # as good as its best pair
        changed = one | {"median": worst, "min": worst, "max": worst}
        assert bench.slower(changed, one)


# -- names and links resolve -------------------------------------------------------------------


@lru_cache(maxsize=1)
def command_options() -> dict[str, set[str]]:
    """Returns the options of every command, such as ``cache explain``."""
    options = {"": {"--help", "--version"}}

    def add(path: str, command: Any) -> None:
        named = (o for p in command.params for o in (*p.opts, *p.secondary_opts))
        options[path] = {"--help", "--traceback"} | {o for o in named if o[:2] == "--"}
        for child, sub in getattr(command, "commands", {}).items():
            add(f"{path} {child}", sub)

    for name in COMMANDS:
        add(name, typer.main.get_command(build_app([name])).commands[name])  # type: ignore[attr-defined]
    return options


def calls(page: Path) -> Iterator[str]:
    """Yields the words after `lanser-bench` in a page's console blocks and inline code."""
    texts = re.findall(r"`([^`\n]+)`", prose(page))
    for block in blocks(page):
        if block.language == "console":
            texts += [command.replace("\\\n", " ") for command, _ in block.commands]
    for text in texts:
        yield from re.findall(r"(?:^|\s|&&)lanser-bench(?=\s|$)([^|;&]*)", text)


def test_named_commands_and_options_exist() -> None:
    known = command_options()
    for page in PAGES:
        for call in calls(page):
            words = current_spelling(shlex.split(call))
            path = [w for w in words[:3] if re.fullmatch(r"[a-z]+", w)]
            while path and " ".join(path) not in known:
                path.pop()
            started = bool(words) and not words[0].startswith(("-", "…"))
            assert path or not started, f"{page.name}: unknown command in '{call}'"
            for option in (word.partition("=")[0] for word in words if word.startswith("--")):
                assert option in known[" ".join(path)], f"{page.name}: {option} in '{call}'"


def test_options_named_alone_belong_to_some_command() -> None:
    known = set().union(*command_options().values())
    for page in PAGES:
        for code in re.findall(r"`(--[a-z-]+)[^`]*`", prose(page)):
            assert code in known, f"{page.name}: no command has {code}"


def anchors(page: Path) -> set[str]:
    """GitHub's anchors of a page's headings."""
    heads = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", h.lower().replace("`", "")).replace(" ", "-") for h in heads}


def test_relative_links_resolve() -> None:
    for page in PAGES:
        for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
            if re.match(r"[a-z]+:", link):
                continue
            path, _, anchor = link.partition("#")
            target = (page.parent / path).resolve() if path else page
            assert target.exists(), f"{page.name}: broken link {link}"
            assert not anchor or anchor in anchors(target), f"{page.name}: {link} has no heading"


def test_named_files_of_the_repository_exist() -> None:
    pattern = r"`((?:lanser_bench|plugins|taxonomies|tests|docs)/[\w./*-]+)`"
    for page in PAGES:
        for path in re.findall(pattern, prose(page)):
            assert list(ROOT.glob(path.rstrip("/"))), f"{page.name}: {path} does not exist"


def test_messages_in_questions_and_errors_are_those_of_the_program() -> None:
    page = (ROOT / "docs" / "faq.md").read_text(encoding="utf-8")
    trees = (
        ast.parse(f.read_text())
        for d in ("lanser_bench", "plugins")
        for f in (ROOT / d).rglob("*.py")
    )
    texts = [
        "".join(part.value if isinstance(part, ast.Constant) else "…" for part in node.values)
        if isinstance(node, ast.JoinedStr)
        else str(node.value)
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr | ast.Constant)
    ]
    for message in re.findall(r"^### \"(.+)\"$", page, re.MULTILINE):
        pattern = ".*".join(re.escape(part.strip()) for part in message.split("…"))
        assert any(re.search(pattern, text, re.DOTALL) for text in texts), message


def test_the_reference_of_commands_has_the_help_of_every_command() -> None:
    page = "\n".join(command_reference())
    for command in command_options():
        assert f"# lanser-bench {command}\n" in page or not command
    assert "gate --baseline" in page  # examples, too


def test_the_navigation_of_the_site_lists_every_page_once() -> None:
    listed = re.findall(r"[\w/-]+\.md$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    pages = {str(page.relative_to(ROOT / "docs")) for page in PAGES[1:]}
    assert sorted(listed) == sorted(
        pages | {"commands.md", *(f"notebooks/{n.stem}.md" for n in NOTEBOOKS)}
    )
