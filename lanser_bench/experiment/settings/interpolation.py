"""Resolves interpolations such as ``${seed}`` and ``${oc.env:LANSER_DATA_ROOT}``."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ...errors import SettingsError
from .privacy import is_secret, secret_variable, texts

_REFERENCE = re.compile(r"\$\{\s*([^}:.\s\[]*)([:.\[}\s]?)([A-Za-z_]*)")
"""First step of the name in an interpolation, the sign after it, and the step after a dot."""
_ROOT_IN_TEXT = re.compile(r"\S.*\$\{(oc\.select:)?[\w.\[\]\s]*\broot\s*[\]},]", re.DOTALL)
"""A root at the start of a text is a path, of which records show the last part only."""
_ONE_AT_A_TIME = threading.Lock()


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
        SettingsError: an environment variable is not set, or is a secret; a key does not exist; a
            text quotes a dataset's root, which names a variable.
    """
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    named: list[str] = []
    try:
        with _noting_secrets(named):
            plain = OmegaConf.to_container(OmegaConf.create(dict(settings)), resolve=True)
    except OmegaConfBaseException as error:
        _refuse([*named, secret_variable(str(error))], label)
        place = getattr(error, "full_key", None) or "a value"
        variable = re.search(r"Environment variable '([^']+)' not found", str(error))
        if variable:
            raise SettingsError(
                f"{label}: '{place}' needs the environment variable {variable[1]}, which is not "
                f"set. Set it (export {variable[1]}=/path/to/data) or give {place} a value."
            ) from None
        raise SettingsError(f"{label}: '{place}': {_first_line(error)}.") from None
    if "oc." in repr(settings):
        _refuse([*named, secret_variable(plain)], label)
        shown = next(filter(_ROOT_IN_TEXT.search, texts(settings)), None)
        if shown is not None:
            raise SettingsError(
                f"{label}: '{shown[:100]}' quotes a dataset's root, so records would show the "
                "folder. Write the text without it."
            )
    return {str(k): v for k, v in plain.items()} if isinstance(plain, dict) else {}


@contextmanager
def _noting_secrets(named: list[str]) -> Iterator[None]:
    """Notes secret variables, also nested or composed ones, and keeps their values from errors."""
    from omegaconf.basecontainer import BaseContainer

    resolvers = BaseContainer._resolvers
    with _ONE_AT_A_TIME:
        original = resolvers["oc.env"]

        def env(config: Any, parent: Any, node: Any, given: tuple[Any, ...], *rest: Any) -> Any:
            if given and is_secret(str(given[0])):
                named.append(str(given[0]))
                raise KeyError(given[0])
            return original(config, parent, node, given, *rest)

        resolvers["oc.env"] = env
        try:
            yield
        finally:
            resolvers["oc.env"] = original


def _refuse(secrets: Iterable[str | None], label: str) -> None:
    secret = next(filter(None, secrets), None)
    if secret:
        raise SettingsError(
            f"{label} refers to the environment variable {secret}, whose value would be part of "
            "keys and records. Remove it (plugins read API keys from the environment themselves), "
            "or rename the variable if it holds no secret."
        ) from None


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
