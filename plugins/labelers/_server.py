"""Requests to an OpenAI-compatible server: retries, rate limits and refusals."""

from __future__ import annotations

import base64
import email.utils
import http.client
import json
import os
import random
import re
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urljoin, urlsplit

from lanser_bench import LanserError, PluginError, SettingsError

T = TypeVar("T")

MAX_ANSWER = 1 << 22
"""Largest answer in bytes."""
MAX_QUOTED = 1 << 16
"""Characters of an answer that are searched for the key; messages quote fewer."""
PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
"""Pause before the second attempt, doubled before each further one; and the longest pause."""
LONGEST_LIMIT_S = 600.0
"""Longest pause that a server may ask for with ``Retry-After``."""
RETRIED = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})


class ServerError(LanserError):
    """The server is down, too slow, or refuses the request."""


class RefusedError(ServerError):
    """The server refuses the request itself, so the same request cannot succeed."""


class MalformedAnswerError(PluginError):
    """The server answers, but not with one of the labels."""


class _PassingError(Exception):
    """A fault that may not occur at the next attempt."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Refuses redirects: urllib would send the key to the new address, even of another host."""

    def redirect_request(self, *_: Any) -> None:
        """Follows none."""


def from_environment(name: str, default: float, least: float) -> float:
    """Reads a number from a variable; raises `SettingsError` if it is no number from `least`."""
    given = os.environ.get(name, "")
    try:
        value = float(given) if given else default
    except ValueError:
        value = float("nan")
    if not least <= value < float("inf"):
        raise SettingsError(
            f"The environment variable {name} is '{given}', but must be a number from {least:g}."
        )
    return value


def key_from_environment(name: str) -> str:
    """Reads an API key, empty if it is not set; the `SettingsError` for odd ones hides it."""
    key = os.environ.get(name, "").strip()
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise SettingsError(f"The environment variable {name} is not a key: it has odd characters.")
    return key


@dataclass
class Server:
    """A server, how long to wait for it, and its rate limit, which all threads obey."""

    base_url: str
    timeout_s: float
    """Seconds for one answer."""
    retries: int
    """Further attempts if the server is down, slow, busy, or does not answer with a label."""
    key: str = field(default="", repr=False)
    """Sent as a bearer token, if there is one; never shown."""
    stopped: threading.Event = field(default_factory=threading.Event)
    """Set to end all pauses, because another request has failed."""
    _open_at: float = 0.0
    """Time before which the server wants no request (`time.monotonic`)."""

    def ask(self, request: Mapping[str, Any], read: Callable[[bytes], T]) -> T:
        """Returns what `read` makes of the answer to a chat completion.

        Raises:
            ServerError: no answer after all attempts.
            RefusedError: the server refuses the request.
            MalformedAnswerError: `read` raised it for every answer.
        """
        body = json.dumps(request).encode()
        fault: LanserError | None = None
        for attempt in range(self.retries + 1):
            self._pause(attempt)
            try:
                return read(self._post(body))
            except _PassingError as error:
                fault = ServerError(
                    f"The language model server {self.base_url} gave no answer in "
                    f"{self.retries + 1} attempts: {error}. Start it, or raise "
                    "LANSER_LLM_TIMEOUT_S or LANSER_LLM_RETRIES, and run the same command again; "
                    "finished answers are kept."
                )
            except MalformedAnswerError as error:
                fault = MalformedAnswerError(
                    f"The model '{request['model']}' at {self.base_url} did not answer with a "
                    f"label in {self.retries + 1} attempts: {self.quoted(str(error), 2000)}"
                )
        assert fault is not None
        raise fault

    def _pause(self, attempt: int) -> None:
        """Waits for the rate limit, and before each further attempt."""
        seconds = self._open_at - time.monotonic()
        if attempt:
            # Threads that failed together shall not return together.
            own = min(PAUSE_S * 2 ** (attempt - 1), LONGEST_PAUSE_S) * random.uniform(1, 1.25)
            seconds = max(seconds, own)
        if self.stopped.wait(max(0.0, seconds)):
            raise ServerError(f"A request to {self.base_url} was stopped: another one failed.")

    def _post(self, body: bytes) -> bytes:
        """One attempt. Raises `_PassingError` if another one may succeed, else `ServerError`."""
        headers = {"Content-Type": "application/json"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        url = f"{self.base_url.rstrip('/')}/chat/completions"
        request = urllib.request.Request(url, data=body, headers=headers, method="POST")
        # urllib's timeout applies to each read, so a slow stream of bytes would never exceed it.
        deadline = time.monotonic() + self.timeout_s
        try:
            opener = urllib.request.build_opener(_NoRedirects)
            with opener.open(request, timeout=self.timeout_s) as answer:
                return _read(answer, deadline)
        except urllib.error.HTTPError as error:
            with error:
                self._refused(error, url)
            raise _PassingError(f"HTTP {error.code}") from None
        except urllib.error.URLError as error:
            raise _PassingError(self.quoted(str(error.reason), 300)) from None
        except TimeoutError:
            raise _PassingError(f"nothing within {self.timeout_s:g} s") from None
        except (OSError, ValueError, http.client.HTTPException) as error:
            shown = self.quoted(str(error), 300)
            raise _PassingError(f"{type(error).__name__}: {shown}") from None

    def _refused(self, error: urllib.error.HTTPError, url: str) -> None:
        """Raises `ServerError` unless another attempt may succeed; notes a rate limit."""
        if error.code in RETRIED:
            seconds = retry_after(error.headers.get("Retry-After"))
            if seconds > LONGEST_LIMIT_S:
                raise ServerError(
                    f"The language model server {self.base_url} asks to wait {seconds:.0f} s (HTTP "
                    f"{error.code}). Run the same command again later; finished answers are kept."
                ) from None  # as below: urllib's error may show the key
            self._open_at = max(self._open_at, time.monotonic() + seconds)
            return
        if 300 <= error.code < 400:
            new = self.quoted(_site(url, error.headers.get("Location") or ""), 300)
            raise RefusedError(
                f"The language model server {self.base_url} redirects to {new}. Redirects "
                "are refused, because texts and key would go there. If you trust it, set "
                "the option base_url to the new address."
            ) from None
        body = b""
        with suppress(OSError, http.client.HTTPException):  # a connection that breaks here
            body = error.read(2000)
        reason = body.decode("utf-8", "replace").strip() or str(error.reason)
        raise RefusedError(
            f"The language model server {self.base_url} refuses the request with HTTP "
            f"{error.code}: {self.quoted(reason, 300)}. Check the options base_url and "
            "model, and LANSER_LLM_API_KEY."
        ) from None

    def quoted(self, text: str, longest: int) -> str:
        """Returns the start of a text that a server sent, without the key in any common form."""
        text = text[:MAX_QUOTED]
        if self.key:
            forms = "|".join(map(_form, [self.key, *_base64(self.key)]))
            text = re.sub(forms, "***", text, flags=re.IGNORECASE)
        return text[:longest]


def _form(key: str) -> str:
    """The pattern of a key, plain or with escapes of URLs, JSON and `repr`.

    It also matches the beginning of a key at the end of a text, because that may have been cut.
    """
    codes = [f"(?:{ord(sign.lower()):x}|{ord(sign.upper()):x})" for sign in key]
    signs = [
        rf"(?:\\*{re.escape(sign)}|(?:%(?:25)*|\\+(?:u00|x)){code})"
        for sign, code in zip(key, codes, strict=True)
    ]
    rest = (rf"(?:{sign}|(?:[%\\][0-9a-fux\\]*)?\Z)" for sign in signs[4:])
    return "".join([*signs[:4], *rest])


def _base64(key: str) -> list[str]:
    """The signs that the key alone determines in the Base64 of a text with it, if they are many."""
    found = []
    for before, start in enumerate((0, 2, 3)):
        signs = base64.b64encode(bytes(before) + key.encode()).decode()
        signs = signs[start : (before + len(key)) * 8 // 6]
        found += [signs, signs.replace("+", "-").replace("/", "_")]
    return [signs for signs in dict.fromkeys(found) if len(signs) >= 8]


def _site(url: str, location: str) -> str:
    try:
        new = urlsplit(urljoin(url, location))
        return f"{new.scheme}://{new.hostname}"
    except ValueError:  # it may quote the address
        return "an invalid address"


def retry_after(value: str | None) -> float:
    """Returns the seconds of a ``Retry-After`` header: a number or a date; 0 if there is none."""
    if not value:
        return 0.0
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return 0.0


def _read(answer: Any, deadline: float) -> bytes:
    whole = b""
    while piece := answer.read1(65536):
        whole += piece
        if len(whole) > MAX_ANSWER:
            raise MalformedAnswerError(f"the answer is longer than {MAX_ANSWER} bytes.")
        if time.monotonic() > deadline:
            raise TimeoutError
    return whole
