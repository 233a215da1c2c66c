"""What a plugin's call changes in the process is restored, and the plugin is named."""

from __future__ import annotations

import locale
import os
import random
import signal
import sys
import threading
import timeit
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lanser_bench import PluginError
from lanser_bench.plugins import isolation, process_state
from lanser_bench.plugins.discovery import load_plugins

PLUGIN = """
import locale, os, random, signal, sys, threading, time, warnings
from pathlib import Path
import numpy as np
import torch
from lanser_bench import Dataset, PluginOptions, Segmenter, Span, Utterance, hookimpl

class Options(PluginOptions):
    does: str

def do(code):
    exec(code, globals())

class Cut(Segmenter[Options]):
    Options = Options
    version = "1"

    def segment(self, recording):
        do(self.options.does)
        return [Span(0.0, 1.0)]

class Rows(Dataset[Options]):
    Options = Options
    version = "1"

    def utterances(self, root):
        yield Utterance("a")
        do(self.options.does)
        yield Utterance("b")

@hookimpl
def register_segmenters(register):
    register("cut", f"{__name__}:Cut")

@hookimpl
def register_datasets(register):
    register("rows", f"{__name__}:Rows")
"""


@pytest.fixture
def created(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(isolation, "_reported", set())
    (tmp_path / "mine.py").write_text(PLUGIN)
    registry = load_plugins([tmp_path], only="")
    return lambda kind, name, does: registry.create(kind, name, {"does": does})


def state() -> dict[str, Any]:
    return {
        "cwd": os.getcwd(),  # noqa: PTH109
        "env": dict(os.environ),
        "umask": process_state._umask(),
        "locale": locale.setlocale(locale.LC_ALL),
        "signals": [signal.getsignal(number) for number in process_state.SIGNALS],
        "filters": warnings.filters[:],
        "seed": (torch.initial_seed(), torch.get_rng_state().tolist()),
        "modes": (torch.get_default_dtype(), torch.is_grad_enabled()),
        "errors": np.geterr(),
        "random": random.getstate(),
        "numpy": np.random.get_state()[1].tolist(),  # type: ignore[index,union-attr]
        "stdout": sys.stdout,
        "exit": os._exit,
    }


MUSEUM = {
    "print('a table')": "printed to stdout",
    "sys.stdout.write('x')": "printed to stdout",
    "os.chdir('/')": "changed the current directory",
    "os.environ['OMP_NUM_THREADS'] = '7'": "changed environment variables",
    "os.environ.pop('PATH')": "changed environment variables",
    "os.umask(0o057)": "changed the umask",
    "locale.setlocale(locale.LC_ALL, 'C.UTF-8')": "changed the locale",
    "signal.signal(signal.SIGTERM, signal.SIG_IGN)": "changed signal handlers",
    "warnings.simplefilter('ignore')": "changed the filters of warnings",
    "warnings.resetwarnings()": "changed the filters of warnings",
    "torch.manual_seed(12345)": "changed torch's random seed",
    "torch.set_grad_enabled(False)": "changed torch's default type, gradient mode",
    "torch.set_default_dtype(torch.float64)": "changed torch's default type",
    "np.seterr(all='ignore')": "changed NumPy's handling of floating-point errors",
    "random.seed(0)": "seeded Python's global random generator",
    "np.random.seed(0)": "seeded NumPy's global random generator",
    "threading.Thread(target=time.sleep, args=(0.5,)).start()": "left 1 threads running",
}


@pytest.mark.parametrize("does", MUSEUM)
def test_a_change_is_restored_and_reported_once_or_refused(
    created: Any, does: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin, before = created("segmenter", "cut", does), state()
    assert plugin.segment(None)
    assert state() == before
    said = capsys.readouterr()
    assert said.out == ""
    [line] = [line for line in said.err.splitlines() if "Warning:" in line]
    assert f"segmenter 'cut' of {created.__closure__[0].cell_contents.plugin_dirs[0]}" in line
    assert f"{MUSEUM[does]}" in line
    assert "in segment(). " in line
    plugin.segment(None)
    assert "Warning" not in capsys.readouterr().err
    monkeypatch.setenv(isolation.STRICT, "1")
    with pytest.raises(PluginError, match=MUSEUM[does]):
        plugin.segment(None)


@pytest.mark.parametrize("does", ["sys.exit(3)", "os._exit(3)", "raise SystemExit(3)"])
def test_a_plugin_does_not_end_the_process(created: Any, does: str) -> None:
    with pytest.raises(PluginError, match=r"cut' of .*mine\.py tried to end the process with exit"):
        created("segmenter", "cut", does).segment(None)


def test_a_variable_that_an_imported_library_sets_is_left_alone(
    created: Any,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "sets_its_own.py").write_text("import os\nos.environ['OF_A_LIBRARY'] = '1'\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("OF_A_LIBRARY", "0")
    does = "os.environ['OF_THE_PLUGIN'] = '1'; import sets_its_own"
    created("segmenter", "cut", does).segment(None)
    assert os.environ["OF_A_LIBRARY"] == "1"
    assert "OF_THE_PLUGIN" not in os.environ
    assert capsys.readouterr().err.count("changed environment variables") == 1
    created("segmenter", "cut", "del sys.modules['sets_its_own']; import sets_its_own").segment(
        None
    )
    assert capsys.readouterr().err == ""


def test_rows_of_a_generator_are_isolated_too(created: Any) -> None:
    before = state()
    assert [u.id for u in created("dataset", "rows", "os.chdir('/')").utterances(Path())] == [*"ab"]
    assert state() == before


def test_plain_calls_are_neither_reported_nor_slow(
    created: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    plugin = created("segmenter", "cut", "")
    each_us = min(timeit.repeat(lambda: plugin.segment(None), number=20, repeat=10)) / 20 * 1e6
    assert each_us < 1000, f"{each_us:.0f} µs for each call"
    assert capsys.readouterr().err == ""


def test_threads_that_call_at_the_same_time_leave_stdout_alone(created: Any) -> None:
    plugin, before = created("segmenter", "cut", "time.sleep(0.01)"), state()
    threads = [threading.Thread(target=plugin.segment, args=(None,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert state() == before
