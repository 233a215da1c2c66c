"""Keeps secrets out of settings, and secrets and paths of the machine from trackers."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

HIDDEN = "[hidden]"
_SECRET_NAME = re.compile(
    r"(^|_)(api_?key|token|secret|passw(or)?d|credentials?|authorization)$", re.IGNORECASE
)
_SECRET_VARIABLE = re.compile(
    r"(password|passwd|passphrase|secret|token|credential|authorization|"
    r"(api|access|secret|private)key)s?(?![a-z])|(?<![a-z])(keys?|auth|pass|pwd)(?![a-z])",
    re.IGNORECASE,
)
_PUBLIC_VARIABLE = re.compile(
    r"_(path|dir|file|folder|root|home|sock)$|^(old)?pwd$|(^|_)(max|min|num|n)(_new)?_tokens$",
    re.IGNORECASE,
)
"""Places of secrets, the shell's folders, and numbers of tokens."""
_PATH = re.compile(
    r"(?<![\w.:/…])/(?:[^\s/'\"<>|;,()\[\]]+/)+[^\s/'\"<>|;,()\[\]]*|"
    r"\b[A-Za-z]:\\(?:[^\s\\'\"<>|]+\\)*[^\s\\'\"<>|]*"
)
_WHOLE = re.compile(r"(?:/|[A-Za-z]:\\)[^\n'\"<>|;,:()\[\]]*[/\\][^\n'\"<>|;,:()\[\]/\\]+[/\\]?")
"""A text that is one path; its folders may have spaces in their names."""
_LAST = re.compile(r"[/\\]")
SHORTEST = 8
"""Shorter values of variables are not hidden: they are often common words."""


def scrubbed(value: Any) -> Any:
    """Returns JSON values without secrets and with absolute paths cut to their last part.

    Hidden are texts under names such as ``api_key`` or ``token``, and anywhere the values of
    environment variables with secret names; see `is_secret`.
    """
    return _scrubbed(value, tuple(_secrets()))


def is_secret(variable: str) -> bool:
    """Returns whether an environment variable holds a secret, by its name.

    A word of it is KEY, TOKEN, SECRET, PASSWORD or the like, as in `Api_Token2` or `PGPASSWORD`.
    """
    return bool(_SECRET_VARIABLE.search(variable)) and not _PUBLIC_VARIABLE.search(variable)


def secret_variable(value: Any) -> str | None:
    """Returns the environment variable whose secret value is in a text of JSON values, if any."""
    secrets = _secrets().items()
    return next((name for text in texts(value) for secret, name in secrets if secret in text), None)


def texts(value: Any) -> Iterator[str]:
    """Yields the texts of JSON values, without keys."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list | tuple):
        for inner in value.values() if isinstance(value, Mapping) else value:
            yield from texts(inner)


def _scrubbed(value: Any, secrets: tuple[str, ...]) -> Any:
    if isinstance(value, Mapping):
        return {
            _text(str(name), secrets): HIDDEN
            if isinstance(inner, str) and inner and _SECRET_NAME.search(str(name))
            else _scrubbed(inner, secrets)
            for name, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [_scrubbed(inner, secrets) for inner in value]
    return _text(value, secrets) if isinstance(value, str) else value


def _text(text: str, secrets: tuple[str, ...]) -> str:
    for secret in secrets:
        text = text.replace(secret, HIDDEN)
    if _WHOLE.fullmatch(text):
        return "…/" + _LAST.split(text.rstrip("/\\"))[-1]
    home = os.environ.get("HOME", "")
    if " " in home:  # otherwise the space would end the path and leave the user's name
        text = text.replace(home, home.replace(" ", "_"))
    return _PATH.sub(lambda found: "…/" + _LAST.split(found[0].rstrip("/"))[-1], text)


def _secrets() -> dict[str, str]:
    return _long(tuple((v, n) for n, v in os.environ.items() if is_secret(n)))


@lru_cache(maxsize=4)
def _long(values: tuple[tuple[str, str], ...]) -> dict[str, str]:
    """Value → variable, longest first: one may be part of another."""
    long = (pair for pair in values if len(pair[0]) >= SHORTEST)
    return dict(sorted(long, key=lambda pair: -len(pair[0])))
