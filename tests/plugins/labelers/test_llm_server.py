"""A served language model that answers well, slowly, wrongly or not at all."""

from __future__ import annotations

import base64
import contextlib
import email.utils
import json
import math
import re
import socket
import struct
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from lanser_bench_plugins.labelers import _server
from lanser_bench_plugins.labelers._label_tokens import label_shares

from lanser_bench import LanserError, PluginError, SettingsError, TextRecord
from lanser_bench.counting import tallied
from lanser_bench.plugins.discovery import registry
from lanser_bench.testing import LabelerSuite
from lanser_bench.testing._labeler import TAXONOMY

Reply = tuple[int, bytes] | tuple[int, bytes, dict[str, str]]


def completion(content: str) -> Reply:
    choice = {"message": {"content": content}}
    usage = {"prompt_tokens": 60, "completion_tokens": 7}
    return 200, json.dumps({"choices": [choice], "usage": usage}).encode()


def label(name: str) -> Reply:
    return completion(json.dumps({"label": name}))


class Fake:
    """A local server whose answers a function gives; it keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.reply: Callable[[int, str], Reply] = lambda number, question: label("joy")
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                fake.asked.append(body | {"path": self.path})
                fake.headers.append(dict(self.headers))
                question = body["messages"][0]["content"]
                status, answer, *headers = fake.reply(len(fake.asked), question)
                try:
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(answer)))
                    for name, value in headers[0].items() if headers else ():
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(answer)
                except OSError:
                    pass  # the client has given up

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Fake]:
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("LANSER_LLM_CONCURRENCY", raising=False)
    monkeypatch.setenv("LANSER_LLM_RETRIES", "2")
    monkeypatch.setenv("LANSER_LLM_TIMEOUT_S", "600")
    monkeypatch.setattr(_server, "PAUSE_S", 0.0)
    made = Fake()
    thread = threading.Thread(target=made.server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


def llm(fake: Fake, **options: Any) -> Any:
    """A labeler that asks once per text, unless options say otherwise."""
    base = {"model": "tiny", "base_url": fake.url, "samples": 1}
    return registry().create("labeler", "llm", base | options)


def records(*texts: str) -> list[TextRecord]:
    return [TextRecord(id=str(i), text=text) for i, text in enumerate(texts)]


class TestServedContract(LabelerSuite):
    fake: Fake

    @pytest.fixture(autouse=True)
    def _server(self, fake: Fake) -> None:
        def choose(number: int, question: str) -> Reply:
            names = sorted(re.findall(r"^- ([^:]+):", question, re.MULTILINE))
            return label(names[len(question.split("\n")[0]) % len(names)])

        fake.reply = choose
        type(self).fake = fake
        type(self)._kept = {}

    def make(self) -> Any:
        return llm(self.fake)


def test_the_chosen_label_scores_one(fake: Fake) -> None:
    fake.reply = lambda number, question: label("sadness" if "miss" in question else "joy")
    found = llm(fake).score(records("we won", "I miss her", "we won", ""), TAXONOMY)
    assert found.values[:3].tolist() == [[0, 1, 0], [0, 0, 1], [0, 1, 0]]
    assert found.abstained.tolist() == [False, False, False, True]
    assert len(fake.asked) == 2


def test_the_answer_is_asked_for_within_the_taxonomy(fake: Fake) -> None:
    llm(fake).score(records("we won"), TAXONOMY)
    (asked,) = fake.asked
    assert asked["path"] == "/v1/chat/completions"
    assert asked["model"] == "tiny"
    assert asked["temperature"] == 0
    schema = asked["response_format"]["json_schema"]["schema"]
    assert schema["properties"]["label"]["enum"] == TAXONOMY.names


def test_a_key_is_sent_where_there_is_one(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LANSER_LLM_API_KEY", raising=False)
    llm(fake).score(records("we won"), TAXONOMY)
    monkeypatch.setenv("LANSER_LLM_API_KEY", "abc")
    llm(fake).score(records("we won"), TAXONOMY)
    assert [headers.get("Authorization") for headers in fake.headers] == [None, "Bearer abc"]


@pytest.mark.parametrize("given", ["soon", "-1", "nan", "inf"])
def test_patience_has_to_be_a_number(
    fake: Fake, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.setenv("LANSER_LLM_RETRIES", given)
    with pytest.raises(SettingsError, match=f"LANSER_LLM_RETRIES is '{given}'"):
        llm(fake).score(records("we won"), TAXONOMY)


def test_a_busy_server_is_asked_again(fake: Fake) -> None:
    fake.reply = lambda number, question: (503, b"busy") if number < 3 else label("anger")
    found = llm(fake).score(records("we won"), TAXONOMY)
    assert found.values[0].tolist() == [1, 0, 0]
    assert len(fake.asked) == 3


def test_attempts_are_bounded(fake: Fake) -> None:
    fake.reply = lambda number, question: (500, b"")
    with pytest.raises(LanserError, match=r"no answer in 3 attempts: HTTP 500.*answers are kept"):
        llm(fake).score(records("we won"), TAXONOMY)
    assert len(fake.asked) == 3


def test_a_refusal_is_not_repeated(fake: Fake) -> None:
    fake.reply = lambda number, question: (404, b"no such model")
    with pytest.raises(LanserError, match=r"HTTP 404: no such model.*options base_url and model"):
        llm(fake).score(records("we won"), TAXONOMY)
    assert len(fake.asked) == 1


def test_a_slow_server_is_given_up(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(number: int, question: str) -> Reply:
        time.sleep(0.4)
        return label("joy")

    fake.reply = slow
    monkeypatch.setenv("LANSER_LLM_TIMEOUT_S", "0.1")
    monkeypatch.setenv("LANSER_LLM_RETRIES", "1")
    with pytest.raises(LanserError, match=r"in 2 attempts: .*LANSER_LLM_TIMEOUT_S"):
        llm(fake).score(records("we won"), TAXONOMY)


def raw_server(talk: Callable[[socket.socket], None]) -> tuple[socket.socket, str]:
    """A server that answers each connection by its own function."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                connection.recv(65536)
                talk(connection)

    threading.Thread(target=serve, daemon=True).start()
    return listening, f"http://127.0.0.1:{listening.getsockname()[1]}/v1"


def test_a_server_that_drips_is_given_up(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    def drip(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(1000):
            connection.sendall(b" ")
            time.sleep(0.02)

    monkeypatch.setenv("LANSER_LLM_TIMEOUT_S", "0.2")
    monkeypatch.setenv("LANSER_LLM_RETRIES", "0")
    listening, url = raw_server(drip)
    with listening, pytest.raises(LanserError, match=r"in 1 attempts: nothing within 0\.2 s"):
        llm(fake, base_url=url).score(records("we won"), TAXONOMY)


def test_a_server_that_speaks_no_http_is_given_up(fake: Fake) -> None:
    listening, url = raw_server(lambda connection: connection.sendall(b"hello there\r\n\r\n"))
    with listening, pytest.raises(LanserError, match=r"in 3 attempts: BadStatusLine"):
        llm(fake, base_url=url).score(records("we won"), TAXONOMY)


@pytest.mark.parametrize("body", [b"Content-Length: 99", b"Transfer-Encoding: chunked"])
def test_a_refusal_whose_text_breaks_off_is_a_refusal(fake: Fake, body: bytes) -> None:
    def break_off(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 403 not for you\r\n" + body + b"\r\n\r\nz")
        time.sleep(0.1)  # so that its beginning arrives before the reset
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    listening, url = raw_server(break_off)
    with listening, pytest.raises(LanserError, match=r"HTTP 403: (not for you|z)\. Check"):
        llm(fake, base_url=url).score(records("we won"), TAXONOMY)


def test_a_server_that_is_down_says_so(fake: Fake) -> None:
    labeler = llm(fake, base_url="http://127.0.0.1:1/v1")
    with pytest.raises(LanserError, match=r"127\.0\.0\.1:1/v1 gave no answer in 3 attempts"):
        labeler.score(records("we won"), TAXONOMY)


@pytest.mark.parametrize(
    "reply",
    [
        (200, b"<html>"),
        (200, b'{"choices": []}'),
        (200, b"[1]"),
        completion("joy"),
        completion('{"label": "happiness"}'),
        completion('{"label": ["joy"]}'),
        completion('{"label": "joy", "why": "it says won"}'),
        completion('Sure! {"label": "joy"}'),
    ],
)
def test_anything_but_a_label_is_refused(fake: Fake, reply: Reply) -> None:
    fake.reply = lambda number, question: reply
    with pytest.raises(PluginError, match=r"did not answer with a label in 3 attempts.*abstain"):
        llm(fake).score(records("we won"), TAXONOMY)
    assert len(fake.asked) == 3


def test_a_malformed_answer_may_abstain(fake: Fake) -> None:
    fake.reply = lambda number, question: (
        completion("I cannot say") if "odd" in question else label("joy")
    )
    found = llm(fake, malformed="abstain").score(records("odd", "we won"), TAXONOMY)
    assert found.abstained.tolist() == [True, False]


def test_one_malformed_answer_is_made_good_by_the_next(fake: Fake) -> None:
    fake.reply = lambda number, question: completion("joy") if number == 1 else label("joy")
    found = llm(fake).score(records("we won"), TAXONOMY)
    assert found.values[0].tolist() == [0, 1, 0]


def test_served_models_are_known_by_name(fake: Fake) -> None:
    assert llm(fake).fingerprint() == "served:tiny"
    assert llm(fake).describe() == {"model": "tiny", "served": True}


def spelled(*tokens: dict[str, float]) -> Reply:
    """A completion whose tokens are the first ones of some alternatives with probabilities."""
    listed = [
        [{"token": token, "logprob": math.log(p)} for token, p in likely.items()]
        for likely in tokens
    ]
    content = [first[0] | {"top_logprobs": first} for first in listed]
    text = "".join(token["token"] for token in content)
    choice = {"message": {"content": text}, "logprobs": {"content": content}}
    return 200, json.dumps({"choices": [choice]}).encode()


def test_scores_are_probabilities_of_the_labels_tokens(fake: Fake) -> None:
    fake.reply = lambda number, question: spelled(
        {'{"label": "': 0.9, "Sure": 0.1},
        {"joy": 0.5, "ang": 0.2, "sadness": 0.1, "Joy": 0.2},
        {'"}': 0.9, "ful": 0.1},
    )
    scores = llm(fake, samples=5).score(records("we won"), TAXONOMY)
    np.testing.assert_allclose(scores.values, [[0.25, 0.625, 0.125]], atol=1e-6)
    (asked,) = fake.asked
    assert (asked["logprobs"], asked["top_logprobs"], asked["temperature"]) == (True, 20, 0)


def tokens_of(*tokens: dict[str, float]) -> tuple[str, Any]:
    choice = json.loads(spelled(*tokens)[1])["choices"][0]
    return choice["message"]["content"], choice["logprobs"]["content"]


def test_labels_with_a_common_beginning_are_told_apart_by_later_tokens() -> None:
    content, tokens = tokens_of(
        {'{"label":"': 1.0}, {"sad": 0.8, "joy": 0.2}, {"ness": 0.75, '"': 0.25}, {'"}': 1.0}
    )
    shares = label_shares(content, tokens, ["sad", "sadness", "joy"])
    np.testing.assert_allclose(shares or [], [0.2, 0.6, 0.2])
    shares = label_shares(content, tokens, ["sad", "sadness", "joy", "joyful"])
    np.testing.assert_allclose(shares or [], [0.2, 0.6, 0.1, 0.1])


def test_a_token_may_contain_the_quote_and_the_end_of_the_label() -> None:
    content, tokens = tokens_of(
        {'{"label":': 1.0}, {'"joy"': 0.6, '"anger"': 0.3, '"': 0.1}, {"}": 1}
    )
    shares = label_shares(content, tokens, ["anger", "joy"])
    np.testing.assert_allclose(shares or [], [1 / 3, 2 / 3])


def test_an_answer_after_a_thought_is_read_at_its_place() -> None:
    content = '{"label":"joy"}'
    _, tokens = tokens_of(
        {"hm, joy": 1.0}, {'{"label":"': 1.0}, {"joy": 0.6, "anger": 0.4}, {'"}': 1}
    )
    np.testing.assert_allclose(label_shares(content, tokens, ["anger", "joy"]) or [], [0.4, 0.6])


@pytest.mark.parametrize(
    "tokens", [None, [], [{}], "joy", [{"token": '{"label":"joy"}'}], [{"token": 1}]]
)
def test_tokens_without_alternatives_give_no_shares(tokens: Any) -> None:
    assert label_shares('{"label":"joy"}', tokens, ["anger", "joy"]) is None
    _, alone = tokens_of({'{"label":"joy"}': 1.0})
    assert label_shares('{"label":"joy"}', alone, ["anger", "joy"]) is None


def test_without_log_probabilities_scores_are_shares_of_samples(fake: Fake) -> None:
    names = ["joy", "joy", "anger", "joy"]

    def reply(number: int, question: str) -> Reply:
        asked = fake.asked[number - 1]
        return label(names[asked["seed"]] if asked["temperature"] else "sadness")

    fake.reply = reply
    labeler = llm(fake, samples=4)
    with tallied() as counts:
        scores = labeler.score(records("we won"), TAXONOMY)
        labeler.score(records("we lost"), TAXONOMY)
    assert scores.values.tolist() == [[0.25, 0.75, 0.0]]
    # Only the first text asks for log-probabilities.
    assert [asked.get("logprobs", False) for asked in fake.asked] == [True, *[False] * 8]
    assert counts == {
        "requests": 9,
        "prompt_tokens": 540,
        "completion_tokens": 63,
        "texts_by_samples": 2,
    }


def test_a_server_that_refuses_log_probabilities_is_asked_without(fake: Fake) -> None:
    def reply(number: int, question: str) -> Reply:
        if "logprobs" in fake.asked[number - 1]:
            return 400, b"logprobs is not supported"
        return label("anger")

    fake.reply = reply
    assert llm(fake).score(records("we won"), TAXONOMY).values.tolist() == [[1, 0, 0]]
    assert len(fake.asked) == 2


def test_log_probabilities_may_be_switched_off(fake: Fake) -> None:
    llm(fake, logprobs=False).score(records("we won"), TAXONOMY)
    assert "logprobs" not in fake.asked[0]


@pytest.mark.parametrize("concurrency", [None, 3])
def test_many_requests_are_under_way_at_once(
    fake: Fake, monkeypatch: pytest.MonkeyPatch, concurrency: int | None
) -> None:
    """Each request waits for as many others; one request at a time would never be answered."""
    if concurrency is not None:
        monkeypatch.setenv("LANSER_LLM_CONCURRENCY", str(concurrency))
    together = threading.Barrier(concurrency or 8)

    def reply(number: int, question: str) -> Reply:
        together.wait(timeout=60)
        return label("joy")

    fake.reply = reply
    texts = [f"text {i}" for i in range(24)]
    scores = llm(fake).score(records(*texts), TAXONOMY)
    assert scores.values.tolist() == [[0, 1, 0]] * 24


def test_no_finished_answer_is_asked_for_again(fake: Fake) -> None:
    def fail(number: int, question: str) -> Reply:
        return (400, b"too odd") if "text 9" in question else label("anger")

    fake.reply = fail
    texts = [f"text {i}" for i in range(10)]
    with pytest.raises(LanserError, match="too odd"):
        llm(fake).score(records(*texts), TAXONOMY)
    fake.reply = lambda number, question: label("anger")
    with tallied() as counts:
        scores = llm(fake).score(records(*texts), TAXONOMY)
    assert scores.values.tolist() == [[1, 0, 0]] * 10
    asked = Counter(asked["messages"][0]["content"].split("\n")[0] for asked in fake.asked)
    assert sorted(asked.values()) == [*[1] * 9, 2]
    assert counts["requests"] == 10
    llm(fake).score(records(*texts), TAXONOMY)
    assert len(fake.asked) == 21, "answers of a finished batch are not kept"


def test_half_a_line_of_kept_answers_is_ignored(fake: Fake, tmp_path: Path) -> None:
    other_arrived = threading.Event()

    def fail(number: int, question: str) -> Reply:
        if "odd" in question:
            other_arrived.wait(timeout=60)
            return 400, b"no"
        other_arrived.set()
        return label("anger")

    fake.reply = fail
    with pytest.raises(LanserError):
        llm(fake).score(records("odd", "we won"), TAXONOMY)
    (kept,) = (tmp_path / "lanser-bench" / "answers").iterdir()
    kept.write_text(kept.read_text() + '{"question": "ab', encoding="utf-8")
    fake.reply = lambda number, question: label("joy")
    llm(fake).score(records("odd", "we won"), TAXONOMY)
    assert not kept.exists()


def test_a_rate_limit_is_obeyed(fake: Fake) -> None:
    waited: list[float] = []

    class Waiting(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            waited.append(timeout or 0)
            return False

    server = _server.Server(fake.url, 60, retries=1, stopped=Waiting())
    fake.reply = lambda number, question: (
        (429, b"slow down", {"Retry-After": "20"}) if number == 1 else label("joy")
    )
    server.ask({"model": "tiny", "messages": [{"content": "hi"}]}, bytes)
    assert waited[0] == 0
    assert 15 < waited[1] <= 20


def test_too_long_a_limit_stops(fake: Fake) -> None:
    fake.reply = lambda number, question: (429, b"", {"Retry-After": "86400"})
    with pytest.raises(LanserError, match=r"asks to wait 86400 s \(HTTP 429\).*later"):
        llm(fake).score(records("we won"), TAXONOMY)
    assert len(fake.asked) == 1


def test_limits_are_seconds_or_dates() -> None:
    later = email.utils.format_datetime(datetime.now(UTC) + timedelta(seconds=100))
    assert 90 < _server.retry_after(later) <= 100
    assert [_server.retry_after(v) for v in (None, "", "1.5", "-3", "soon")] == [0, 0, 1.5, 0, 0]
    assert _server.retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects_are_refused(fake: Fake, monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    monkeypatch.setenv("LANSER_LLM_API_KEY", "secret-key")
    other = fake.url.replace("127.0.0.1", "localhost")
    fake.reply = lambda number, question: (status, b"", {"Location": f"{other}/chat/completions"})
    with pytest.raises(LanserError, match=r"redirects to http://localhost\. .*base_url"):
        llm(fake).score(records("we won"), TAXONOMY)
    assert len(fake.asked) == 1


@pytest.mark.parametrize("status", [401, 500])
def test_no_message_shows_the_key(fake: Fake, monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    monkeypatch.setenv("LANSER_LLM_API_KEY", "secret-key\n")
    fake.reply = lambda number, question: (status, b"wrong key: secret-key")
    with pytest.raises(LanserError) as error:
        llm(fake).score(records("we won"), TAXONOMY)
    assert "secret" not in str(error.value)
    assert "secret" not in repr(_server.Server(fake.url, 1, 1, key="secret-key"))


KEY = "sk-Ab/Cd+12_Qz9.wXyZ=PLANTED"
ESCAPED = "".join(f"\\u{ord(sign):04X}" for sign in KEY)
ECHOES = [
    *(KEY, KEY.lower(), KEY.upper(), quote(KEY, safe=""), quote(quote(KEY, safe="")).lower()),
    *(KEY.replace("/", "\\/"), ESCAPED, json.dumps(ESCAPED), "".join(f"%{ord(c):x}" for c in KEY)),
]
ENCODED = [
    encode(before + KEY.encode()).decode()
    for before in (b"", b"m", b"me")
    for encode in (base64.b64encode, base64.urlsafe_b64encode)
]


def parts_shown(text: str, echo: str, length: int) -> list[str]:
    """Parts of an echoed key that a message shows."""
    starts = range(len(echo) - length + 1)
    return [part for i in starts if (part := echo[i : i + length].lower()) in text.lower()]


@pytest.mark.parametrize("echo", [*ECHOES, *ENCODED])
@pytest.mark.parametrize(("status", "start"), [(200, 0), (200, 112), (401, 295), (401, 1990)])
def test_no_answer_makes_a_message_show_the_key_in_any_form(
    fake: Fake, monkeypatch: pytest.MonkeyPatch, echo: str, status: int, start: int
) -> None:
    monkeypatch.setenv("LANSER_LLM_API_KEY", KEY)
    monkeypatch.setenv("LANSER_LLM_RETRIES", "0")
    replies: list[Reply] = []
    fake.reply = lambda number, question: replies[0]
    # Of a key that is cut, at most three signs stay; of Base64, some at both ends.
    length = 7 if echo in ENCODED else len(echo) // len(KEY) * 4
    for text in ("x" * start + echo + " is wrong", "x" * start + " ".join([echo] * 500)):
        for reply in ((status, text.encode()), (status, completion(text)[1])):
            replies[:] = [reply]
            with pytest.raises(LanserError) as error:
                llm(fake).score(records("we won"), TAXONOMY)
            assert not parts_shown(str(error.value), echo, length)
            assert len(str(error.value)) < 800


def test_a_long_key_that_is_cut_in_two_is_not_shown(
    fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = "".join(f"{number:03}" for number in range(237))
    monkeypatch.setenv("LANSER_LLM_API_KEY", key)
    texts: list[str] = []
    fake.reply = lambda number, question: (401, texts[0].encode())
    for text in (key * 9, quote(key * 9).replace("1", "%31"), ("x" * 1500 + key)[:1800]):
        texts[:] = [text]
        with pytest.raises(LanserError, match=r"HTTP 401: x*(\*\*\*)*x*") as error:
            llm(fake).score(records("we won"), TAXONOMY)
        assert "001" not in str(error.value)
        assert len(str(error.value)) < 600


def test_the_reason_phrase_shows_no_key(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANSER_LLM_API_KEY", KEY)
    answer = f"HTTP/1.1 401 no {KEY} here\r\nContent-Length: 0\r\n\r\n".encode()
    listening, url = raw_server(lambda connection: connection.sendall(answer))
    with listening, pytest.raises(LanserError, match=r"HTTP 401: no \*\*\* here\.") as error:
        llm(fake, base_url=url).score(records("we won"), TAXONOMY)
    assert "PLANTED" not in "".join(traceback.format_exception(error.value))


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("https://Sk-Planted1.example.org/x", r"https://\*\*\*\.example\.org\."),
        ("https://%73k-planted1.example.org", r"https://\*\*\*\.example\.org\."),
        ("https://sk-planted1\u2100.org/x".encode().decode("latin-1"), "."),
        ("http://[sk-planted1/", r"an invalid address\."),
    ],
)
def test_the_place_of_a_redirect_shows_no_key(
    fake: Fake, monkeypatch: pytest.MonkeyPatch, location: str, shown: str
) -> None:
    monkeypatch.setenv("LANSER_LLM_API_KEY", "Sk-Planted1")
    status = 300 if "[" in location else 302  # urllib itself reads the address of the others
    fake.reply = lambda number, question: (status, b"", {"Location": location})
    with pytest.raises(LanserError, match=f"redirects to {shown}") as error:
        llm(fake).score(records("we won"), TAXONOMY)
    assert "planted" not in "".join(traceback.format_exception(error.value)).lower()


def test_a_text_without_the_key_is_quoted_as_it_is() -> None:
    server = _server.Server("http://localhost", 1, 1, key="sk-planted1")
    text = r"no such task: 100% of C:\u, sk-plain, ends with sk"
    assert server.quoted(text, 99) == text
    assert server.quoted(text, 9) == text[:9]


def test_a_key_that_cannot_be_sent_is_not_shown(
    fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANSER_LLM_API_KEY", "secret\nkey")
    with pytest.raises(SettingsError, match="LANSER_LLM_API_KEY is not a key") as error:
        llm(fake).score(records("we won"), TAXONOMY)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize("url", ["http://me:secret@host/v1", "https://host/v1?key=secret"])
def test_an_address_contains_no_key(fake: Fake, url: str) -> None:
    with pytest.raises(SettingsError, match=r"'base_url': .*LANSER_LLM_API_KEY") as error:
        llm(fake, base_url=url)
    assert "secret" not in str(error.value)
