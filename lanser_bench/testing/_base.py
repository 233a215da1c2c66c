"""The base of all suites: how a check fails, and the checks that every plugin with options has."""

from __future__ import annotations

import ast
import inspect
import json
import random
import sys
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import chdir
from dataclasses import dataclass
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np

from ..errors import LanserError
from ..kinds.base import PluginOptions
from ..plugins.describe import first_sentence
from ..plugins.identity import library_versions
from ..plugins.isolation import observed

Value = TypeVar("Value")
NOT_THEIRS = ("lanser_bench", "builtins", "abc", "typing", "pydantic")
"""Packages of bases of a plugin that are not its author's."""


class ContractError(AssertionError):
    """A plugin violates its contract; the message says what happened and what to do."""

    def __init__(self, problem: str, remedy: str, anchor: str) -> None:
        super().__init__(f"{problem} {remedy} See {anchor}.")
        self.problem, self.remedy = problem, remedy


@dataclass(frozen=True, slots=True)
class Failure:
    """A check that a plugin does not pass."""

    check: str
    """Name of the check in words, such as ``it is deterministic``."""
    problem: str
    """What happened, in one or two sentences."""
    contract: str
    """The sentence of the contract that asks for it."""
    anchor: str
    """Where the contract is written, such as ``docs/plugins.md#kinds-of-plugin``."""
    remedy: str
    """What to do."""

    def __str__(self) -> str:
        return (
            f"{self.check}: {self.problem}\n"
            f"  Contract: {self.contract} ({self.anchor})\n"
            f"  What to do: {self.remedy}"
        )


class Suite(ABC):
    """Base of all suites; `make` returns what is under test.

    Methods whose name begins with ``test_`` are the checks, basic ones first: a fault often fails
    later checks too, so correct the first failure first. Their docstrings state the contract.
    """

    __test__ = False
    anchor: ClassVar[str] = "docs/plugins.md#kinds-of-plugin"
    """Where the contract is written."""
    basic: ClassVar[frozenset[str]] = frozenset(
        {"test_results_have_the_declared_form", "test_it_is_deterministic"}
    )
    """Checks without which the later ones mean nothing."""
    _kept: ClassVar[dict[str, Any]] = {}

    def __init_subclass__(cls) -> None:
        """Lets pytest collect subclasses outside this package; each creates its own plugin."""
        super().__init_subclass__()
        cls.__test__ = not cls.__module__.startswith("lanser_bench.testing")
        cls._kept = {}

    @abstractmethod
    def make(self) -> Any:
        """Returns a new plugin under test, with its options; or the path of a taxonomy."""

    @classmethod
    def checks(cls) -> list[str]:
        """Returns the names of all checks, basic ones first."""
        names: dict[str, None] = {}
        for base in reversed(cls.__mro__):
            names |= dict.fromkeys(name for name in vars(base) if name.startswith("test_"))
        return [name for name in names if callable(getattr(cls, name))]

    def failures(self) -> list[Failure]:
        """Returns the checks that the plugin fails, up to a failure that explains others."""
        failures = []
        for name in self.checks():
            if (failure := self._failure(name)) is not None:
                failures.append(failure)
                if name in self.basic:
                    break
        return failures

    def _failure(self, name: str) -> Failure | None:
        check = getattr(self, name)
        try:
            with chdir(Path.cwd()):  # for the checks that follow
                check()
        except ContractError as error:
            problem, remedy = error.problem, error.remedy
        # A plugin may raise anything, or leave the process.
        except (Exception, SystemExit) as error:  # noqa: BLE001
            problem = f"{type(error).__name__}: {error or 'no message'}{_place(error)}."
            own = isinstance(error, LanserError)
            remedy = "Do what the message says." if own else "Correct the line that raised it."
            problem = str(error) if own else problem
        else:
            return None
        words = name.removeprefix("test_").replace("_", " ")
        return Failure(
            words, problem, first_sentence(inspect.getdoc(check) or ""), self.anchor, remedy
        )

    def require(self, ok: object, problem: str, remedy: str) -> None:
        """Raises `ContractError` unless `ok`."""
        if not ok:
            raise ContractError(problem, remedy, self.anchor)

    def require_none(self, faults: Sequence[str], what: str, remedy: str) -> None:
        """Raises `ContractError` that names the first faults, if there are any."""
        some = ", ".join(map(str, faults[:3])) + ", …" * (len(faults) > 3)
        self.require(not faults, f"{what}: {some}.", remedy)

    def kept(self, name: str, compute: Callable[[], Value]) -> Value:
        """Returns a value that is computed once per class."""
        kept = type(self)._kept
        if name not in kept:
            kept[name] = compute()
        value: Value = kept[name]
        return value


class PluginSuite(Suite):
    """Base of the suites of plugins with options."""

    shares_process: ClassVar[bool] = True
    """Whether other plugins run in the process that it runs in."""
    keyed_by_options: ClassVar[bool] = True
    """Whether its options are part of keys; of a dataset the utterances are."""

    @abstractmethod
    def use(self, plugin: Any) -> Any:
        """Uses a plugin in the usual way; returns what it gave, for comparison."""

    @property
    def plugin(self) -> Any:
        """The plugin, created once per class, so that its weights load once."""
        return self.kept("plugin", self.make)

    def _first(self) -> Any:
        """What the plugin gives at its first use."""
        # Changes of the process are undone here and counted in `_fresh`: libraries, imported at the
        # first use, make some too.
        return self.kept("first", lambda: _seeded(1, lambda: self.use(self.plugin)))[0]

    def _fresh(self) -> tuple[Any, list[tuple[str, str]]]:
        """The same of a new plugin with other random states, and what it changed in the process."""
        return self.kept("fresh", lambda: _seeded(2, lambda: self.use(self.make())))

    def test_it_declares_a_version(self) -> None:
        """The class sets `version` to a string that changes whenever its numbers may change."""
        declared = getattr(self.plugin, "version", None)
        self.require(
            isinstance(declared, str) and declared,
            f"version is {declared!r}.",
            'Set `version = "1"` on the class; it is part of every key.',
        )

    def test_its_options_are_strict_and_all_in_the_key(self) -> None:
        """Options are a frozen `PluginOptions` that refuses unknown names; all are in the key."""
        options = type(self.plugin).Options
        strict = issubclass(options, PluginOptions) and (
            options.model_config.get("extra") == "forbid" and options.model_config.get("frozen")
        )
        self.require(
            strict and isinstance(self.plugin.options, options),
            f"{options.__name__} accepts unknown names or changes, or options are of another type.",
            "Derive `Options` from `PluginOptions`, keep its `model_config`, and call "
            "`super().__init__(options)`.",
        )
        hidden = [name for name, field in options.model_fields.items() if field.exclude]
        self.require(
            not (hidden and self.keyed_by_options),
            f"The options {', '.join(hidden)} are excluded from the key.",
            "Remove `exclude=True`: two values would share one cached result.",
        )

    def test_every_option_is_used(self) -> None:
        """Every option can change a number, so the plugin reads it."""
        cls = type(self.plugin)
        modules = {sys.modules[base.__module__] for c in (cls, cls.Options) for base in c.__mro__}
        theirs = {m.__name__ for m in modules if m.__name__.partition(".")[0] not in NOT_THEIRS}
        own = {name.rpartition(".")[0] or name for name in theirs}
        near = [m for n, m in [*sys.modules.items()] if (n.rpartition(".")[0] or n) in own]
        files = {getattr(module, "__file__", None) or "" for module in near}
        read = set().union(*map(_names_read, files))
        unused = [] if {"model_dump", "model_fields"} & read else {*cls.Options.model_fields} - read
        self.require(
            not unused,
            f"Nothing reads the options {', '.join(sorted(unused))}.",
            "Use `self.options.NAME`, or remove the option: each value has its own cached result.",
        )

    def test_its_libraries_are_distributions(self) -> None:
        """`libraries` names distributions, whose versions become part of the key."""
        absent = [n for n, v in library_versions(self.plugin.libraries).items() if v == "absent"]
        named = {name: packages_distributions().get(name, []) for name in absent}
        wrong = {name: found for name, found in named.items() if found}
        self.require(
            not wrong,
            f"libraries has names of modules: {', '.join(wrong)}.",
            f"Use the names for pip: {', '.join(found[0] for found in wrong.values())}.",
        )

    def test_it_accepts_itself_and_describes_itself_in_json(self) -> None:
        """`check` accepts options that work; `describe` returns plain JSON values."""
        try:
            self.plugin.check()
        except LanserError as error:
            self.require(False, f"check() refuses: {error}", "Use other options in `make`.")
        try:
            json.dumps(self.plugin.describe(), allow_nan=False)
        except (TypeError, ValueError) as error:
            self.require(False, f"describe(): {error}.", "Return text, numbers, lists and dicts.")

    def test_results_have_the_declared_form(self) -> None:
        """Usual input gives results of the declared types, shapes and ranges."""
        self._first()

    def test_its_fingerprint_is_stable(self) -> None:
        """Two plugins with the same options have the same fingerprint, before and after use."""
        fresh = self.make().fingerprint()
        self._first()
        used = self.plugin.fingerprint()
        self.require(
            isinstance(fresh, str) and fresh == used == self.plugin.fingerprint(),
            f"fingerprint() gave {fresh!r}, then {used!r}.",
            "Return a text that depends on options and weights only: no object address, time, set "
            "order or state of use.",
        )

    def test_it_leaves_the_process_as_it_was(self) -> None:
        """A plugin prints nothing and leaves process-wide settings as they were."""
        if not self.shares_process:
            return
        self._first()
        changes = self._fresh()[1]
        self.require(
            not changes,
            f"The plugin {'; '.join(what.rstrip(',') for what, _ in changes)}.",
            " ".join([*(instead for _, instead in changes), "Other plugins run in its process."]),
        )


def _seeded(seed: int, act: Callable[[], Value]) -> tuple[Value, list[tuple[str, str]]]:
    """Returns what `observed` does, with global random states of `seed`, which are restored."""
    torch: Any = sys.modules.get("torch")
    before = random.getstate(), np.random.get_state(), torch and torch.get_rng_state()
    random.seed(seed)
    np.random.seed(seed)
    if torch:
        torch.default_generator.manual_seed(seed)
        threads = torch.get_num_threads()
    try:
        value, changes = observed(act)
        if torch and torch.get_num_threads() != threads:
            changes.append(("changed torch's number of threads", "The run sets the threads."))
            torch.set_num_threads(threads)
        return value, changes
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])
        if torch:
            torch.set_rng_state(before[2])


@cache
def _names_read(file: str) -> set[str]:
    """Names of attributes that a module reads, and its short texts."""
    if not file.endswith(".py"):
        return set()
    nodes = list(ast.walk(ast.parse(Path(file).read_bytes())))
    read = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    return read | {n.value for n in nodes if isinstance(n, ast.Constant) and type(n.value) is str}


def _place(error: BaseException) -> str:
    """Returns the last line of an exception that is outside this package and the libraries."""
    frames = traceback.extract_tb(error.__traceback__)
    here = str(Path(__file__).parents[1])
    theirs = [f for f in frames if not f.filename.startswith((here, sys.prefix, sys.base_prefix))]
    return f" ({Path(theirs[-1].filename).name}, line {theirs[-1].lineno})" if theirs else ""
