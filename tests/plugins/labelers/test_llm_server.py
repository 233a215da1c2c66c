"""A served language model that answers well, slowly, wrongly or not at all."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from lanser_bench_plugins.labelers import _server

from lanser_bench import LanserError, PluginError, SettingsError, TextRecord
from lanser_bench.plugins.discovery import registry
from lanser_bench.testing import LabelerSuite
from lanser_bench.testing._labeler import TAXONOMY

Reply = tuple[int, bytes]


def completion(content: str) -> Reply:
    return 200, json.dumps({"choices": [{"message": {"content": content}}]}).encode()


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
                status, answer = fake.reply(len(fake.asked), question)
                try:
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(answer)))
                    self.end_headers()
                    self.wfile.write(answer)
                except OSError:
                    pass  # the client has given up

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[Fake]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
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
    base = {"model": "tiny", "base_url": fake.url}
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
        type(self)._made = None

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
    with pytest.raises(LanserError, match=r"no answer in 3 attempts: HTTP 500.*shards are kept"):
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
