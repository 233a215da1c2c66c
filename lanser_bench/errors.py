"""Errors for the user; each message says what to do next.

Everything that a user can fix is a [`LanserError`]: the command line prints its message without a
traceback and exits with 2. Any other exception is a bug and keeps its traceback.
"""

from __future__ import annotations

import difflib
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from traceback import walk_tb


class LanserError(Exception):
    """An error that the user can fix; it says what is wrong, where, and what to do."""


class SettingsError(LanserError):
    """An experiment file, an override or a plugin option is invalid."""


class DataError(LanserError):
    """A dataset, manifest or recording is unusable."""


class TaxonomyError(LanserError):
    """A taxonomy file is invalid, or a map between taxonomies has an unknown target."""


class PluginError(LanserError):
    """A plugin is unknown, broken, in conflict with another, or violates its contract."""


class MissingDependencyError(LanserError):
    """A required package or model weights are not installed."""


class LeakageError(LanserError):
    """Training and test sides share a speaker or the same audio bytes."""


class StoreError(LanserError):
    """The artifact store cannot be read or written."""


class WorkerError(LanserError):
    """A worker died or ran out of memory while running a stage; trying again may succeed.

    This is the only `LanserError` worth a retry with the same settings.
    """


@contextmanager
def plugin_boundary(sentence: str) -> Iterator[None]:
    """Names the plugin in any exception of third-party code.

    Args:
        sentence: what failed and where, without a full stop; the exception is appended.

    Raises:
        PluginError: the code inside raised anything but a `LanserError`, which is not changed.
    """
    try:
        yield
    except LanserError:
        raise
    except Exception as error:
        shown = f"{type(error).__name__}: {error}{place_in_plugin(error)}"
        raise PluginError(f"{sentence}: {shown}.") from error


def place_in_plugin(error: BaseException) -> str:
    """Returns the deepest line of a plugin's own folder that an exception passed, in brackets.

    Empty if it passed no code besides lanser-bench and the standard library.
    """
    skipped = {*sys.stdlib_module_names, "lanser_bench"}
    lines = [
        (frame.f_code.co_filename, number)
        for frame, number in walk_tb(error.__traceback__)
        if str(frame.f_globals.get("__name__")).partition(".")[0] not in skipped
    ]
    own = [line for line in lines if os.path.dirname(line[0]) == os.path.dirname(lines[0][0])]  # noqa: PTH120
    if not own:
        return ""
    file, number = own[-1]
    here = os.path.relpath(file)
    return f" ({file if here.startswith('..') else here}, line {number})"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Returns a sentence with the closest of `known`, or with all of `known` if none is close."""
    names = sorted(known)
    same = [known for known in names if known.casefold() == name.strip().casefold()]
    close = same or difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if close:
        return f" Did you mean '{close[0]}'?"
    separator = "; " if any("," in known for known in names) else ", "
    return f" Known: {separator.join(names)}." if names else ""


def is_suggestion(hint: str) -> bool:
    """Whether `did_you_mean` found a close name, so that no other advice is needed."""
    return hint.startswith(" Did you mean")
