"""The errors a user can meet, each with the next step in its sentence.

Everything a user can put right is a [`LanserError`]: the command line prints its sentence without a
traceback and exits with 2. Any other exception is a fault of the program and keeps its traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class LanserError(Exception):
    """Something the user can put right: what is wrong, where, and what to do."""


class SettingsError(LanserError):
    """An experiment file, an override or a plugin option is not valid."""


class DataError(LanserError):
    """A dataset, manifest or recording cannot be used as it is."""


class TaxonomyError(LanserError):
    """A taxonomy file is not valid, or a map between taxonomies points nowhere."""


class PluginError(LanserError):
    """A plugin is unknown, broken, clashes with another or breaks its contract."""


class MissingDependencyError(LanserError):
    """A part needs a package or weights that are not installed."""


class LeakageError(LanserError):
    """Training and test sides share a speaker or the same audio bytes."""


class StoreError(LanserError):
    """The artifact store cannot be read or written."""


class WorkerError(LanserError):
    """The worker that carried a stage out died, or its memory was not enough: it may go well later.

    Only this kind of `LanserError` is worth another try with the same settings.
    """


@contextmanager
def plugin_boundary(sentence: str) -> Iterator[None]:
    """The boundary of a stranger's code, which may fail in any way: the user must learn whose.

    Args:
        sentence: what failed and where, without a full stop; the fault is put behind it.

    Raises:
        PluginError: the code inside raised anything but a `LanserError`, which passes as it is.
    """
    try:
        yield
    except LanserError:
        raise
    except Exception as error:
        raise PluginError(f"{sentence}: {type(error).__name__}: {error}.") from error


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Returns a sentence with the closest of `known`, or with all of `known` if none is close."""
    names = sorted(known)
    same = [known for known in names if known.casefold() == name.strip().casefold()]
    close = same or difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    if close:
        return f" Did you mean '{close[0]}'?"
    joint = "; " if any("," in known for known in names) else ", "
    return f" Known: {joint.join(names)}." if names else ""
