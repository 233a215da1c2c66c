"""Runs the command line in this process."""

from __future__ import annotations

import io
from contextlib import redirect_stderr, redirect_stdout
from typing import NamedTuple

import pytest

from lanser_bench.cli import main


class Answer(NamedTuple):
    """What a command gave."""

    code: int
    out: str
    err: str


def lanser(*words: object) -> Answer:
    """Runs `lanser-bench`."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as end:
        main([str(word) for word in words])
    return Answer(int(end.value.code or 0), out.getvalue(), err.getvalue())
