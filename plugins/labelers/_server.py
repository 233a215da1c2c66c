"""Asks a language model on an OpenAI-compatible server for one label, and for nothing else."""

from __future__ import annotations

import http.client
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lanser_bench import LanserError, PluginError, SettingsError

MAX_ANSWER = 1 << 20
"""Largest answer in bytes."""
PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
"""Pause before the second attempt, doubled before each further one; and the longest pause."""
RETRIED = frozenset({408, 409, 425, 429, 500, 502, 503, 504})


class ServerError(LanserError):
    """The server is down, too slow, or refuses the request."""


class MalformedAnswerError(PluginError):
    """The server answers, but not with one of the labels."""


def from_environment(name: str, default: float, least: float) -> float:
    """Reads a number from an environment variable.

    Raises:
        SettingsError: it is not a number, or below `least`.
    """
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


@dataclass(frozen=True, slots=True)
class Server:
    """A server, and how long to wait for it."""

    base_url: str
    model: str
    timeout_s: float
    """Seconds for one answer."""
    retries: int
    """Further attempts if the server is down, slow, busy, or does not answer with a label."""
    key: str
    """Sent as a bearer token, if there is one."""

    def choose(self, question: str, labels: Sequence[str]) -> tuple[str, int | None]:
        """Returns the label that the model chooses, and how many tokens of the question it read.

        The number is None if the server does not report it. The request asks for JSON with an
        enumeration of the labels (which servers with constrained decoding enforce); any other
        answer is refused.

        Raises:
            ServerError: no answer after all attempts, or the server refuses the request.
            MalformedAnswerError: none of the answers was one of the labels.
        """
        body = json.dumps(self._request(question, labels)).encode()
        fault: LanserError | None = None
        for attempt in range(self.retries + 1):
            if attempt:
                time.sleep(min(PAUSE_S * 2 ** (attempt - 1), LONGEST_PAUSE_S))
            try:
                return parsed(self._post(body), labels)
            except _PassingError as error:
                fault = ServerError(
                    f"The language model server {self.base_url} gave no answer in "
                    f"{self.retries + 1} attempts: {error}. Start it, or raise "
                    "LANSER_LLM_TIMEOUT_S or LANSER_LLM_RETRIES, and run the same command again; "
                    "finished shards are kept."
                )
            except MalformedAnswerError as error:
                fault = MalformedAnswerError(
                    f"The model '{self.model}' at {self.base_url} did not answer with a label in "
                    f"{self.retries + 1} attempts: {error}"
                )
        assert fault is not None
        raise fault

    def _request(self, question: str, labels: Sequence[str]) -> dict[str, Any]:
        schema = {
            "type": "object",
            "properties": {"label": {"type": "string", "enum": list(labels)}},
            "required": ["label"],
            "additionalProperties": False,
        }
        return {
            "model": self.model,
            "messages": [{"role": "user", "content": question}],
            "temperature": 0,
            "seed": 0,
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "label", "strict": True, "schema": schema},
            },
        }

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
            with urllib.request.urlopen(request, timeout=self.timeout_s) as answer:
                return _read(answer, deadline)
        except urllib.error.HTTPError as error:
            with error:
                reason = error.read(300).decode("utf-8", "replace").strip()
            if error.code in RETRIED:
                raise _PassingError(f"HTTP {error.code}") from None
            raise ServerError(
                f"The language model server {self.base_url} refuses the request with HTTP "
                f"{error.code}: {reason or error.reason}. Check the options base_url and "
                "model, and LANSER_LLM_API_KEY."
            ) from None
        except urllib.error.URLError as error:
            raise _PassingError(str(error.reason)) from None
        except TimeoutError:
            raise _PassingError(f"nothing within {self.timeout_s:g} s") from None
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise _PassingError(f"{type(error).__name__}: {error}") from None


class _PassingError(Exception):
    """A fault that may not occur at the next attempt."""


def _read(answer: Any, deadline: float) -> bytes:
    whole = b""
    while piece := answer.read1(65536):
        whole += piece
        if len(whole) > MAX_ANSWER:
            raise MalformedAnswerError(f"the answer is longer than {MAX_ANSWER} bytes.")
        if time.monotonic() > deadline:
            raise TimeoutError
    return whole


def parsed(answer: bytes, labels: Sequence[str]) -> tuple[str, int | None]:
    """Reads a chat completion whose content is ``{"label": one of the labels}``, and its usage.

    Raises:
        MalformedAnswerError: it is anything else.
    """
    try:
        whole = json.loads(answer)
        content = whole["choices"][0]["message"]["content"]
        chosen = json.loads(content)
    except (ValueError, LookupError, TypeError):
        shown = answer[:120].decode("utf-8", "replace")
        raise MalformedAnswerError(f"no JSON with a label in {shown!r}.") from None
    if not isinstance(chosen, dict) or set(chosen) != {"label"} or chosen["label"] not in labels:
        raise MalformedAnswerError(f"{str(content)[:120]!r} is not one of the labels.")
    usage = whole.get("usage")
    read = usage.get("prompt_tokens") if isinstance(usage, dict) else None
    return str(chosen["label"]), read if type(read) is int and read > 0 else None
