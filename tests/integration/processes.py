"""Commands in processes of their own that need not load their libraries: these are forked.

A server with all libraries, but no work done, forks a process per command. Like any other process
it has its own folder, environment, streams, signals and exit code; it starts in milliseconds.
"""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from multiprocessing import get_context
from pathlib import Path

from lanser_bench.cli import main

PATIENCE_S = 1200.0
"""Only a fault takes so long."""
PRELOADED = (
    *(f"lanser_bench.cli.{name}" for name in ("run", "report", "compare", "gate", "predict")),
    *("matplotlib.figure", "pandas", "scipy.stats", "torch", "transformers"),
    "sentence_transformers",
)


def lanser(
    *words: str,
    folder: Path,
    environment: Mapping[str, str] | None = None,
    joined: bool = False,
) -> subprocess.CompletedProcess[str]:
    """Runs `lanser-bench` in a folder; stderr is part of stdout if `joined`."""
    return _forked(_command, words, folder, environment, joined=joined)


def script(
    path: Path, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs a Python file in its folder; stderr is part of stdout."""
    return _forked(_script, (str(path),), path.parent, environment, joined=True)


def _forked(
    task: Callable[..., None],
    words: tuple[str, ...],
    folder: Path,
    environment: Mapping[str, str] | None,
    *,
    joined: bool,
) -> subprocess.CompletedProcess[str]:
    context = get_context("forkserver")
    context.set_forkserver_preload([__name__, *PRELOADED])
    with tempfile.TemporaryDirectory() as scratch:
        out, err = Path(scratch, "out"), Path(scratch, "out" if joined else "err")
        of_child = dict(os.environ if environment is None else environment)
        process = context.Process(target=_child, args=(task, words, folder, of_child, out, err))
        process.start()
        process.join(PATIENCE_S)
        process.kill()  # if it hangs; a finished one is gone
        process.join()
        printed, told = out.read_text(), "" if joined else err.read_text()
    return subprocess.CompletedProcess(words, process.exitcode or 0, printed, told)


def _child(
    task: Callable[..., None],
    words: tuple[str, ...],
    folder: Path,
    environment: dict[str, str],
    out: Path,
    err: Path,
) -> None:
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for stream, path in ((sys.stdout, out), (sys.stderr, err)):
        descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        os.dup2(descriptor, stream.fileno())
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    task(*words)


def _command(*words: str) -> None:
    main(words)


def _script(path: str) -> None:
    sys.argv, sys.path[0] = [path], str(Path(path).parent)
    runpy.run_path(path, run_name="__main__")
