"""What a plugin may leave behind in its process: output, seeds, threads, settings."""

from __future__ import annotations

import io
import os
import random
import signal
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

Value = TypeVar("Value")


def seeded(seed: int, act: Callable[[], Value]) -> tuple[Value, dict[str, str]]:
    """Acts with global random states of `seed`; restores them afterwards.

    Returns:
        What the act returned, and library → the global random state after it.
    """
    before = random.getstate(), np.random.get_state()
    torch: Any = sys.modules.get("torch")
    tensor_state = torch.get_rng_state() if torch else None
    random.seed(seed)
    np.random.seed(seed)
    if torch:
        torch.default_generator.manual_seed(seed)
    try:
        value = act()
        states = {
            "random": repr(random.getstate()),
            "numpy": repr(np.random.get_state(legacy=False)),
        }
        if torch:
            states["torch"] = torch.get_rng_state().numpy().tobytes().hex()
        return value, states
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])
        if torch:
            torch.set_rng_state(tensor_state)


def watched(act: Callable[[], Value]) -> tuple[Value, list[str]]:
    """Acts, undoes what it changed in the process, and says what that was."""
    before, folder, printed = _settings(), Path.cwd(), io.StringIO()
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    environment = dict(os.environ)
    try:
        with redirect_stdout(printed):
            value = act()
        after = _settings()
    finally:
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        for number, handler in handlers.items():
            if signal.getsignal(number) is not handler:
                signal.signal(number, handler)
        _restore(before)
    traces = [f"changes {name}" for name in before if before[name] != after[name]]
    if printed.getvalue():
        traces.insert(0, f"prints to stdout ({printed.getvalue()[:40]!r})")
    return value, traces


def _settings() -> dict[str, Any]:
    settings: dict[str, Any] = {
        "the working directory": Path.cwd(),
        "environment variables": dict(os.environ),
        "the handlers of signals": [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)],
        "NumPy's treatment of errors": np.geterr(),
    }
    if torch := sys.modules.get("torch"):
        settings["torch's number of threads"] = torch.get_num_threads()
        settings["torch's default dtype"] = torch.get_default_dtype()
        settings["torch's gradient mode"] = torch.is_grad_enabled()
    return settings


def _restore(settings: dict[str, Any]) -> None:
    np.seterr(**settings["NumPy's treatment of errors"])
    if (torch := sys.modules.get("torch")) and "torch's number of threads" in settings:
        torch.set_num_threads(settings["torch's number of threads"])
        torch.set_default_dtype(settings["torch's default dtype"])
        torch.set_grad_enabled(settings["torch's gradient mode"])
