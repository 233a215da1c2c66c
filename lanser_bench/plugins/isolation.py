"""Isolation: calls of plugins leave the process as it was.

Whatever a call changed is restored and reported once per plugin, with the plugin's distribution or
file; in strict mode it is an error. All calls of the harness pass here, because `guard` wraps the
methods of a class when the registry first resolves it. Executors and trackers are not wrapped: they
start processes and threads on purpose, and trackers run in a process of their own.
"""

from __future__ import annotations

import inspect
import os
import random
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import partial, wraps
from itertools import islice
from traceback import walk_stack
from typing import Any, TypeVar

from ..errors import PluginError
from ..printing import echo
from .process_state import STATES

STRICT = "LANSER_STRICT"
"""Environment variable that makes every report of a plugin an error; workers inherit it."""
UNGUARDED = ("executor", "tracker")
_notes: ContextVar[list[str] | None] = ContextVar("_notes", default=None)
_callee: ContextVar[object] = ContextVar("_callee", default=None)
_reported: set[tuple[str, str]] = set()
Value = TypeVar("Value")


class _Output:
    """Replaces stdout, which belongs to the command: text goes to stderr and is noted."""

    used = False

    def write(self, text: str) -> int:
        self.used = True
        return sys.stderr.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(sys.stderr, name)


class _Call:
    """One call of a plugin: what it may not do is replaced while it runs."""

    def __init__(self) -> None:
        self.output = _Output()
        self.seeded: dict[str, Callable[[], object]] = {}
        """Global generator that was seeded → how to restore it."""
        self._caller = os.getpid(), threading.get_ident()
        self._replaced: list[tuple[Any, str, Any]] = []
        self._threads = set(threading.enumerate())
        self._before = [state.read() for state in STATES]

    def begin(self) -> None:
        """Diverts stdout, makes `os._exit` an exception, and watches the global generators."""
        self._replace(sys, "stdout", self.output)
        self._replace(os, "_exit", partial(self._leave, os._exit))
        self._replace(os, "putenv", partial(self._put, os.putenv))
        self._replace(random, "seed", self._watched("Python's", random, "getstate", "setstate"))
        if (drawn := sys.modules.get("numpy.random")) is not None:
            self._replace(drawn, "seed", self._watched("NumPy's", drawn, "get_state", "set_state"))

    def end(self) -> Iterator[tuple[str, str]]:
        """Restores everything; yields what the plugin did, and what to do instead."""
        for place, name, original in reversed(self._replaced):
            setattr(place, name, original)
        if self.output.used:
            yield "printed to stdout, which was sent to stderr,", "Use the module logging."
        for name, restore in self.seeded.items():
            restore()
            yield f"seeded {name} global random generator", "Use a generator of your own."
        for state, before in zip(STATES, self._before, strict=True):
            if before is not None and not state.same(before, state.read()):
                with suppress(OSError, ValueError):  # a removed folder; signals in a thread
                    state.restore(before)
                yield f"changed {state.what}", state.instead
        left = [t for t in threading.enumerate() if t not in self._threads and _is_left(t)]
        if left:
            yield f"left {len(left)} threads running", "End them before you return."

    def _replace(self, place: Any, name: str, value: Any) -> None:
        self._replaced.append((place, name, getattr(place, name)))
        setattr(place, name, value)

    def _put(self, put: Callable[..., None], name: bytes, value: bytes) -> None:
        """Sets a variable; what an imported library sets for itself is no change of a plugin."""
        put(name, value)
        if _library_loads():
            self._before[0][name] = value

    def _watched(self, name: str, module: Any, read: str, restore: str) -> Callable[..., None]:
        seed = module.seed

        def watched(*args: Any, **kwargs: Any) -> None:
            self.seeded.setdefault(name, partial(getattr(module, restore), getattr(module, read)()))
            seed(*args, **kwargs)

        return watched

    def _leave(self, leave: Callable[[int], None], code: int) -> None:
        caller = str(sys._getframe(1).f_globals.get("__name__"))
        here = (os.getpid(), threading.get_ident()) == self._caller
        # Forked children, other threads and handlers of the harness do end the process.
        if not here or caller.partition(".")[0] == "lanser_bench":
            leave(code)
        raise SystemExit(code)


def _library_loads() -> bool:
    """Whether a module runs that the plugin imports, and that is not in the plugin's package."""
    loading = own = ""
    for frame, _ in walk_stack(sys._getframe(2)):
        package = str(frame.f_globals.get("__name__")).partition(".")[0]
        if package == "lanser_bench":  # called the plugin
            break
        own = own if package == "importlib" else package
        loading = loading or own * (frame.f_code.co_name == "<module>")
    return loading not in ("", own)


def _is_left(thread: threading.Thread) -> bool:
    """Waits for pools that are ending; ignores tqdm's monitor, which belongs to progress bars."""
    thread.join(0.25)
    return thread.is_alive() and type(thread).__name__ != "TMonitor"


_outermost = threading.RLock()


@contextmanager
def isolated(whose: str, action: str) -> Iterator[None]:
    """Restores what a call of a plugin changes, and reports it.

    Args:
        whose: the plugin with its distribution or file.
        action: what it does, such as ``score()``.

    Raises:
        PluginError: the call tried to exit, or changed something in strict mode.
    """
    process = os.getpid()
    if not _outermost.acquire(blocking=False):  # the state belongs to all threads
        try:
            yield
        finally:
            _end_if_forked(process)
        return
    leaving: SystemExit | None = None
    strict = bool(os.environ.get(STRICT))
    call = _Call()
    call.begin()
    try:
        yield
    except SystemExit as error:
        leaving = error
    finally:
        _end_if_forked(process)
        faults = [(what, f"{whose} {what} in {action}. {i}") for what, i in call.end()]
        for what, sentence in () if strict else faults:
            _report(whose, what, sentence)
        _outermost.release()
    if leaving is not None:
        code = leaving.code if isinstance(leaving.code, int) else 1
        sentence = f"{whose} tried to end the process with exit code {code} in {action}"
        raise PluginError(f"{sentence}. Raise an exception instead.") from leaving
    if strict and faults:
        raise PluginError(faults[0][1])


def observed(act: Callable[[], Value]) -> tuple[Value, list[tuple[str, str]]]:
    """Returns the value, and what the act changed, with what to do instead; it is restored."""
    call = _Call()
    call.begin()
    try:
        value = act()
    finally:
        changes = list(call.end())
    return value, changes


def _end_if_forked(process: int) -> None:
    """Ends a process that the plugin has forked: it would run the stage a second time."""
    if os.getpid() != process:
        os._exit(0)


def _report(whose: str, what: str, sentence: str) -> None:
    if (whose, what) in _reported:
        return
    _reported.add((whose, what))
    if (notes := _notes.get()) is None:
        echo(f"Warning: {sentence}", err=True)
    else:
        notes.append(sentence)


@contextmanager
def collected() -> Iterator[list[str]]:
    """Collects the reports of a stage, which the driver shows, instead of printing them."""
    notes: list[str] = []
    token = _notes.set(notes)
    try:
        yield notes
    finally:
        _notes.reset(token)


@contextmanager
def strictly() -> Iterator[None]:
    """Makes every report an error."""
    from unittest import mock

    with mock.patch.dict(os.environ, {STRICT: "1"}):
        yield


def guard(cls: type, contract: type) -> None:
    """Wraps the methods of a plugin's class that its contract names, each at most once.

    An inherited method is wrapped in the class that defines it.
    """
    for name in dir(contract):
        owner = next((c for c in cls.__mro__ if name in vars(c)), cls)
        method = vars(owner).get(name)
        if name.startswith("_") or not inspect.isfunction(method) or hasattr(method, "guarded"):
            continue
        if not method.__module__.startswith("lanser_bench."):
            setattr(owner, name, _guarded(method))


def own(plugin: object, whose: str) -> None:
    """Names a plugin in the reports of its guarded methods; without a name they are not guarded."""
    with suppress(AttributeError):  # a class with slots
        plugin._whose = whose  # type: ignore[attr-defined]


def _guarded(method: Callable[..., Any]) -> Callable[..., Any]:
    action = f"{method.__name__}()"

    @wraps(method)
    def call(self: object, *args: Any, **kwargs: Any) -> Any:
        whose = getattr(self, "_whose", "")
        if not whose or _callee.get() is self:  # the latter: a method that calls another
            return method(self, *args, **kwargs)
        token = _callee.set(self)
        try:
            with isolated(whose, action):
                result = method(self, *args, **kwargs)
        finally:
            _callee.reset(token)
        return _rows(result, whose, action) if isinstance(result, Iterator) else result

    call.guarded = True  # type: ignore[attr-defined]
    return call


def _rows(rows: Iterator[Any], whose: str, action: str) -> Iterator[Any]:
    """Isolates an iterator's own code, for several rows at a time."""
    size = 1
    while True:
        with isolated(whose, action):
            part = list(islice(rows, size))
        yield from part
        if len(part) < size:
            return
        size = min(2 * size, 256)
