"""Isolation: calls of plugins leave the process as it was.

Whatever a call changed is restored and reported once per plugin, with the plugin's distribution or
file; in strict mode it is an error. All calls of the harness pass here, because `guard` wraps the
methods of a class when the registry first resolves it. Executors and trackers are not wrapped: they
start processes and threads on purpose, and trackers run in a process of their own.
"""

from __future__ import annotations

import inspect
import locale
import os
import random
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import partial, wraps
from itertools import islice
from typing import Any, NamedTuple

from ..errors import PluginError

STRICT = "LANSER_STRICT"
"""Environment variable that makes every report of a plugin an error; workers inherit it."""
UNGUARDED = ("executor", "tracker")
SIGNALS = [
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGALRM", "SIGUSR1")
    if hasattr(signal, name)
]
_notes: ContextVar[list[str] | None] = ContextVar("_notes", default=None)
_callee: ContextVar[object] = ContextVar("_callee", default=None)
_reported: set[tuple[str, str]] = set()


class _State(NamedTuple):
    """A part of the process's state: what it is, how to read it and to restore it."""

    what: str
    read: Callable[[], Any]
    restore: Callable[[Any], object]
    instead: str
    same: Callable[[Any, Any], bool] = lambda before, after: bool(before == after)


def _directory() -> str | None:
    """Returns the current directory; None if it was removed."""
    try:
        return os.getcwd()  # noqa: PTH109 - a Path takes longer
    except OSError:
        return None


def _umask() -> int:
    """Reads the umask, which is only possible by setting it: for a moment to private files."""
    before = os.umask(0o077)
    os.umask(before)
    return before


def _variables() -> dict[bytes, bytes]:
    """Copies the encoded variables: decoding all of them takes 300 times as long."""
    encoded: dict[bytes, bytes] = os.environ._data  # type: ignore[attr-defined]
    return encoded.copy()


def _same_variables(before: dict[bytes, bytes], after: dict[bytes, bytes]) -> bool:
    """Ignores what OpenMP libraries set while they load."""
    changed = {name for name, _ in before.items() ^ after.items()}
    return before == after or all(name.startswith(b"KMP_") for name in changed)


def _restore_variables(before: dict[bytes, bytes]) -> None:
    for name, _ in before.items() ^ _variables().items():
        if name in before:
            os.environ[os.fsdecode(name)] = os.fsdecode(before[name])
        else:
            os.environ.pop(os.fsdecode(name), None)


def _restore_signals(before: list[Any]) -> None:
    for number, handler in zip(SIGNALS, before, strict=True):
        signal.signal(number, signal.SIG_DFL if handler is None else handler)


def _same_filters(before: list[Any], after: list[Any]) -> bool:
    """Ignores filters of particular warnings, which libraries add while they load."""
    every = [f for f in after if f[1] is None and f[2] is Warning and f[3] is None]
    return before == after or (set(before) <= set(after) and set(every) <= set(before))


def _restore_filters(before: list[Any]) -> None:
    warnings.resetwarnings()
    warnings.filters.extend(before)  # type: ignore[attr-defined]


def _torch_seed() -> tuple[int, Any] | None:
    torch = sys.modules.get("torch")
    return (torch.initial_seed(), torch.get_rng_state()) if torch else None


def _restore_torch_seed(before: tuple[int, Any]) -> None:
    sys.modules["torch"].set_rng_state(before[1])


def _torch_modes() -> tuple[Any, ...] | None:
    torch = sys.modules.get("torch")
    if torch is None:
        return None
    deterministic = torch.get_deterministic_debug_mode()
    return torch.get_default_dtype(), torch.is_grad_enabled(), deterministic


def _restore_torch_modes(before: tuple[Any, ...]) -> None:
    torch = sys.modules["torch"]
    torch.set_default_dtype(before[0])
    torch.set_grad_enabled(before[1])
    torch.set_deterministic_debug_mode(before[2])


def _numpy_errors() -> dict[str, Any] | None:
    numpy = sys.modules.get("numpy")
    return numpy.geterr() if numpy else None


_STATES = (
    _State("the current directory", _directory, os.chdir, "Use absolute paths."),
    _State(
        "environment variables",
        _variables,
        _restore_variables,
        "Pass settings as arguments.",
        _same_variables,
    ),
    _State("the umask", _umask, os.umask, "Use os.chmod on your files."),
    _State(
        "the locale",
        lambda: locale.setlocale(locale.LC_ALL),
        lambda before: locale.setlocale(locale.LC_ALL, before),
        "Format numbers and dates without it.",
    ),
    _State(
        "signal handlers",
        lambda: [signal.getsignal(number) for number in SIGNALS],
        _restore_signals,
        "The run handles signals.",
    ),
    _State(
        "the filters of warnings",
        lambda: warnings.filters[:],
        _restore_filters,
        "Use warnings.catch_warnings().",
        _same_filters,
    ),
    _State(
        "torch's random seed",
        _torch_seed,
        _restore_torch_seed,
        "Use torch.random.fork_rng() or a torch.Generator.",
        lambda before, after: bool(before[0] == after[0]),
    ),
    _State(
        "torch's default type, gradient mode or determinism",
        _torch_modes,
        _restore_torch_modes,
        "Use torch.no_grad() and explicit types.",
    ),
    _State(
        "NumPy's handling of floating-point errors",
        _numpy_errors,
        lambda before: sys.modules["numpy"].seterr(**before),
        "Use np.errstate().",
    ),
)


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
        self._before = [state.read() for state in _STATES]

    def begin(self) -> None:
        """Diverts stdout, makes `os._exit` an exception, and watches the global generators."""
        self._replace(sys, "stdout", self.output)
        self._replace(os, "_exit", partial(self._leave, os._exit))
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
        for state, before in zip(_STATES, self._before, strict=True):
            if before is not None and not state.same(before, state.read()):
                with suppress(OSError, ValueError):  # a removed folder; signals in a thread
                    state.restore(before)
                yield f"changed {state.what}", state.instead
        left = [t for t in threading.enumerate() if t not in self._threads and _is_own(t)]
        if left:
            yield f"left {len(left)} threads running", "End them before you return."

    def _replace(self, place: Any, name: str, value: Any) -> None:
        self._replaced.append((place, name, getattr(place, name)))
        setattr(place, name, value)

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


def _is_own(thread: threading.Thread) -> bool:
    """Ignores tqdm's monitor, which libraries start for their progress bars."""
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
    if not _outermost.acquire(blocking=False):  # the state belongs to all threads
        yield
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


def _report(whose: str, what: str, sentence: str) -> None:
    if (whose, what) in _reported:
        return
    _reported.add((whose, what))
    notes = _notes.get()
    if notes is None:
        print(f"Warning: {sentence}", file=sys.stderr)  # noqa: T201
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


def guard(cls: type, contract: type) -> None:
    """Wraps the methods of a plugin's class that its contract names, each at most once."""
    for name in dir(contract):
        method = getattr(cls, name, None)
        if name.startswith("_") or not inspect.isfunction(method) or hasattr(method, "guarded"):
            continue
        if not method.__module__.startswith("lanser_bench."):
            setattr(cls, name, _guarded(method))


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
