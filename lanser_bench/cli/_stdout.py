"""Only JSON on stdout where JSON is wanted, whatever plugins and libraries print."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import TextIO

_reserved: list[TextIO] = []


def _wants_json(words: Sequence[str]) -> bool:
    pairs = set(pairwise(words))
    if "gate" in words:  # its option names a file
        return "--json=-" in words or ("--json", "-") in pairs
    return not {"--json", "--format=json"}.isdisjoint(words) or ("--format", "json") in pairs


@contextmanager
def reserved_stdout(words: Sequence[str]) -> Iterator[None]:
    """Sends all that is printed to stderr, but what `emit` writes, if the words ask for JSON.

    The file descriptor is changed, too: libraries in C and child processes print to it.
    """
    if not _wants_json(words):
        yield
        return
    stdout, copy = sys.stdout, None
    stdout.flush()
    try:
        copy = os.dup(stdout.fileno())
        os.dup2(2, stdout.fileno())
        own: TextIO = os.fdopen(os.dup(copy), "w", encoding="utf-8")
    except io.UnsupportedOperation:  # captured in this process, as by a test
        own = stdout
    sys.stdout = sys.stderr
    _reserved.append(own)
    try:
        yield
    finally:
        _reserved.remove(own)
        sys.stdout = stdout
        if copy is not None:
            os.dup2(copy, stdout.fileno())
            os.close(copy)


def emit(text: str) -> None:
    """Writes what was asked for, such as JSON, to stdout."""
    print(text, file=_reserved[-1] if _reserved else sys.stdout, flush=True)
