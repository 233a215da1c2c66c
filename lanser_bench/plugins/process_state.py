"""The parts of the process's state that a call of a plugin must leave as they were."""

from __future__ import annotations

import locale
import os
import signal
import sys
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

SIGNALS = [
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGALRM", "SIGUSR1")
    if hasattr(signal, name)
]


class State(NamedTuple):
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


STATES = (
    State("environment variables", _variables, _restore_variables, "Pass settings as arguments."),
    State("the current directory", _directory, os.chdir, "Use absolute paths."),
    State("the umask", _umask, os.umask, "Use os.chmod on your files."),
    State(
        "the locale",
        lambda: locale.setlocale(locale.LC_ALL),
        lambda before: locale.setlocale(locale.LC_ALL, before),
        "Format numbers and dates without it.",
    ),
    State(
        "signal handlers",
        lambda: [signal.getsignal(number) for number in SIGNALS],
        _restore_signals,
        "The run handles signals.",
    ),
    State(
        "the filters of warnings",
        lambda: warnings.filters[:],
        _restore_filters,
        "Use warnings.catch_warnings().",
        _same_filters,
    ),
    State(
        "torch's random seed",
        lambda: (t.initial_seed(), t.get_rng_state()) if (t := sys.modules.get("torch")) else None,
        lambda before: sys.modules["torch"].set_rng_state(before[1]),
        "Use torch.random.fork_rng() or a torch.Generator.",
        lambda before, after: bool(before[0] == after[0]),
    ),
    State(
        "torch's default type, gradient mode or determinism",
        _torch_modes,
        _restore_torch_modes,
        "Use torch.no_grad() and explicit types.",
    ),
    State(
        "NumPy's handling of floating-point errors",
        lambda: numpy.geterr() if (numpy := sys.modules.get("numpy")) else None,
        lambda before: sys.modules["numpy"].seterr(**before),
        "Use np.errstate().",
    ),
)
