"""Options of plugins as they are written on the command line."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import yaml

from ..errors import SettingsError


def parsed_options(pairs: Iterable[str]) -> dict[str, Any]:
    """Reads ``key=value`` pairs, each value as YAML: ``templates=all``, ``seed=3``.

    Raises:
        SettingsError: a pair has no ``=``, or its value is not YAML.
    """
    options = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key.strip():
            raise SettingsError(f"'{pair}' is not of the form key=value.")
        try:
            options[key.strip()] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise SettingsError(
                f"'{pair}': the value is not YAML. Put it in quotation marks of its own."
            ) from None
    return options
