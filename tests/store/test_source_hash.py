"""A plugin's key changes with its code, and with nothing else of its source."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Callable
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

from lanser_bench.errors import PluginError
from lanser_bench.plugins.identity import source_hash

PACKAGE = "hashed_package"
_numbers = itertools.count()

Hash = Callable[..., str]


@pytest.fixture
def hashed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hash:
    """Hashes a package of the given modules; ``main`` is the plugin's."""

    def of(main: str | bytes, **modules: str | bytes) -> str:
        root = tmp_path / f"site{next(_numbers)}"
        files = {"__init__.py": "", "main.py": main}
        files |= {f"{name.replace('__', '/')}.py": text for name, text in modules.items()}
        for name, text in files.items():
            path = root / PACKAGE / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text if isinstance(text, bytes) else textwrap.dedent(text).encode())
        return at(root, monkeypatch)

    return of


def at(root: Path, monkeypatch: pytest.MonkeyPatch, module: str = f"{PACKAGE}.main") -> str:
    from lanser_bench.plugins import identity

    with monkeypatch.context() as patch:
        patch.syspath_prepend(root)
        for cached in (source_hash, identity._module_path, identity._folders):
            cached.cache_clear()
        return source_hash(module)


PLUGIN = '''
"""A labeler."""
from __future__ import annotations

SCALE = 2.0
"""How much."""


class Labeler:
    """Labels."""

    version: str = "1"
    limit: int | None = None
    """At most so many."""

    def score(self, texts, top=5):
        """Scores."""
        return [f"{text:<{top}}" + 'a' for text in texts]

    async def later(self):
        """Not now."""
'''
SAME = {
    "docstring of a module": ("A labeler.", "A Labeler."),
    "docstring of a class": ("Labels.", "Labels texts."),
    "docstring of a function": ("Scores.", "Scores texts\\n\\n        of all kinds."),
    "only docstring of an async function": ('"""Not now."""', "pass"),
    "docstring of an attribute": ('"""At most so many."""', ""),
    "docstring of a constant": ('"""How much."""', "# How much"),
    "comment": ("version: str", "# raise it\n    version: str"),
    "quotes": ("'a'", '"a"'),
    "line breaks": ("texts, top=5", "\n        texts,\n        top=5,\n    "),
    "blank lines": ("class Labeler", "\n\n\nclass Labeler"),
    "brackets": ("SCALE = 2.0", "SCALE = (2.0)"),
    "string in two parts": ("'a'", "'' 'a'"),
    "line ends": ("\n", "\r\n"),
}
OTHER = {
    "default": ("top=5", "top=6"),
    "constant": ("2.0", "2.1"),
    "type of a constant": ("2.0", "2"),
    "string": ("'a'", "'b'"),
    "annotation": ("int | None", "float | None"),
    "decorator": ("    def score", "    @staticmethod\n    def score"),
    "base": ("class Labeler", "class Labeler(list)"),
    "name": ("def score", "def scored"),
    "future": ("from __future__ import annotations", ""),
    "operator": ("+ 'a'", "* 'a'"),
    "format": (":<{", ":>{"),
    "order": ("texts, top", "top, texts"),
    "keyword only": ("texts, top", "texts, *, top"),
    "await": ("async def", "def"),
}


@pytest.mark.parametrize("change", SAME)
def test_layout_comments_and_docstrings_are_not_code(hashed: Hash, change: str) -> None:
    old, new = SAME[change]
    assert old in PLUGIN
    assert hashed(PLUGIN.replace(old, new)) == hashed(PLUGIN)


@pytest.mark.parametrize("change", OTHER)
def test_code_is(hashed: Hash, change: str) -> None:
    old, new = OTHER[change]
    assert old in PLUGIN
    assert hashed(PLUGIN.replace(old, new)) != hashed(PLUGIN)


@pytest.mark.parametrize(
    "reader",
    [
        "PROMPT = Labeler.__doc__",
        "import inspect\nPROMPT = inspect.getdoc(Labeler)",
        "import inspect\nPROMPT = inspect.getsource(Labeler)",
        "from .helper import prompt",
        "import dspy",
        "from langchain_core.tools import tool",
        "CONFIG = {'use_attribute_docstrings': True}",
        "SCHEMA = Labeler.model_json_schema()",
    ],
)
def test_docstrings_that_may_be_read_are_code(hashed: Hash, reader: str) -> None:
    helper = "def prompt(cls):\n    return cls.__doc__\n"
    text = f"{PLUGIN}\n{reader}\n"
    other = text.replace("Labels.", "Labels texts.")
    assert hashed(text, helper=helper) != hashed(other, helper=helper)


def test_the_hash_is_the_same_under_every_python(hashed: Hash) -> None:
    """What 3.11, 3.12 and 3.13 give; it changes only with the rule, which makes all keys new."""
    assert hashed(PLUGIN) == "a6cf692602559588"


def test_imports_inside_the_package_are_followed(hashed: Hash) -> None:
    main = "def f():\n    from .helper import A\n    return A\n"
    before = hashed(main, helper="A = 1", unrelated="B = 1")
    assert hashed(main, helper="A = 1", unrelated="B = 2") == before
    assert hashed(main, helper="A = 2", unrelated="B = 1") != before
    assert hashed(main, helper="A = 1  # mended", unrelated="B = 1") == before


def test_folders_without_an_init_file_are_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def of(value: int) -> str:
        folder = tmp_path / str(value) / "spaces" / "inner"
        folder.mkdir(parents=True)
        (folder.parent / "main.py").write_text("from .inner.helper import A\n")
        (folder / "helper.py").write_text(f"A = {value}\n")
        return at(tmp_path / str(value), monkeypatch, "spaces.main")

    assert of(1) != of(2)


def test_compiled_helpers_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def of(content: bytes) -> str:
        folder = tmp_path / content.decode() / PACKAGE
        folder.mkdir(parents=True)
        (folder / "__init__.py").touch()
        (folder / "main.py").write_text("from . import fast\n")
        (folder / f"fast{EXTENSION_SUFFIXES[0]}").write_bytes(content)
        return at(folder.parent, monkeypatch)

    assert of(b"one") != of(b"two")


def test_a_long_chain_is_no_recursion(hashed: Hash) -> None:
    text = "A = 1\nif A == 0:\n    pass\n" + "".join(
        f"elif A == {i}:\n    A = {i}\n" for i in range(1, 600)
    )
    assert hashed(text) != hashed(text.replace("A = 599", "A = 598"))


def test_another_encoding_is_read_as_python_reads_it(hashed: Hash) -> None:
    latin = "# -*- coding: latin-1 -*-\nA = 'é'\n".encode("latin-1")
    assert hashed(latin) == hashed("A = 'é'\n") == hashed("\ufeffA = 'é'\n")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("A = (\n", r"helper\.py, line 1: module 'hashed_package\.helper' is not valid Python"),
        (b"A = '\xe9'\n", r"helper\.py.*is not valid Python"),
        (b"A = 1\0\n", r"helper\.py.*is not valid Python"),
    ],
)
def test_a_helper_that_is_no_python_gets_a_sentence(
    hashed: Hash, text: str | bytes, fault: str
) -> None:
    with pytest.raises(PluginError, match=fault):
        hashed("def f():\n    from .helper import A\n", helper=text)


def test_a_module_without_source_is_refused() -> None:
    with pytest.raises(PluginError, match="The source of module 'no_such_module' was not found"):
        source_hash("no_such_module")
