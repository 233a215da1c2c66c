"""Resolves interpolations such as ``${seed}`` and ``${oc.env:LANSER_DATA_ROOT}``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ...errors import SettingsError
from .privacy import secret_variable

_REFERENCE = re.compile(r"\$\{\s*([^}:.\s\[]*)([:.\[}\s]?)([A-Za-z_]*)")
"""First step of the name in an interpolation, the sign after it, and the step after a dot."""


def involved(settings: Mapping[str, Any], axes: Mapping[str, Iterable[Any]]) -> list[str]:
    """Returns the top-level keys that must be resolved together.

    These are keys with an interpolation and keys that one names. A resolver other than that of
    environment variables may name any key, so then all keys are returned.

    Args:
        settings: settings of every cell.
        axes: dotted key → its values in the grid.
    """
    texts = {key: repr(value) for key, value in settings.items()}
    for axis, values in axes.items():
        head = axis.partition(".")[0]
        texts[head] = texts.get(head, "") + repr(list(values))
    named = {key for key, text in texts.items() if "${" in text}
    for key in list(named):
        for first, mark, second in _REFERENCE.findall(texts[key]):
            if mark == ":" or (first == "oc" and mark == "."):
                if (first, second) != ("oc", "env"):
                    return list(texts)
            elif first in texts:
                named.add(first)
            elif not first and mark == ".":
                continue  # relative: inside the same section
            else:
                return list(texts)
    return [key for key in texts if key in named]


def resolved(settings: Mapping[str, Any], label: str) -> dict[str, Any]:
    """Returns settings with their interpolations resolved.

    Raises:
        SettingsError: an environment variable is not set, or is a secret; a key does not exist.
    """
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    try:
        plain = OmegaConf.to_container(OmegaConf.create(dict(settings)), resolve=True)
    except OmegaConfBaseException as error:
        place = getattr(error, "full_key", None) or "a value"
        variable = re.search(r"Environment variable '([^']+)' not found", str(error))
        if variable:
            raise SettingsError(
                f"{label}: '{place}' needs the environment variable {variable[1]}, which is not "
                f"set. Set it (export {variable[1]}=/path/to/data) or give {place} a value."
            ) from None
        raise SettingsError(f"{label}: '{place}': {_first_line(error)}.") from None
    secret = secret_variable(plain) if "oc." in repr(settings) else None
    if secret:
        raise SettingsError(
            f"{label} refers to the environment variable {secret}, whose value would be part of "
            "keys and records. Remove it: plugins read API keys from the environment themselves."
        )
    return {str(k): v for k, v in plain.items()} if isinstance(plain, dict) else {}


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
