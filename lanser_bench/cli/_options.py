"""Options of plugins as they are written on the command line."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .._yaml import read_value
from ..errors import SettingsError


def parsed_options(pairs: Iterable[str]) -> dict[str, Any]:
    """Reads ``key=value`` pairs, as `read_value` reads them: ``templates=all``, ``seed=3``.

    Raises:
        SettingsError: a pair has no ``=``, or its value begins as YAML and is none.
    """
    options = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key.strip():
            raise SettingsError(f"'{pair}' is not of the form key=value.")
        read = read_value(value, f"'{pair}'", SettingsError)
        # Only the plugin's options say whether 1.10 is a number or the name of a revision.
        options[key.strip()] = value.strip() if isinstance(read, float) else read
    return options
