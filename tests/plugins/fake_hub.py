"""A model hub on this machine: models, their files, and what was asked for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import unquote, urlsplit

import pytest

COMMIT = "c" * 40


@dataclass
class FakeHub:
    """Models by id; each has the revision `main` only."""

    models: dict[str, dict[str, bytes]] = field(default_factory=dict)
    cards: dict[str, dict[str, str]] = field(default_factory=dict)
    gated: set[str] = field(default_factory=set)
    sent: list[str] = field(default_factory=list)
    """Files whose content was sent, in order."""
    broken: bool = False
    endpoint: str = ""

    def answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body for a path."""
        if self.broken:
            return 500, {}, b""
        name = "/".join(path.removeprefix("/api/models").strip("/").split("/")[:2])
        files = self.models.get(name)
        if files is None:
            return 401, {"X-Error-Code": "RepoNotFound"}, b""
        _, _, rest = path.partition(f"{name}/")
        verb, _, rest = rest.partition("/")
        if rest.partition("/")[0] not in {"", "main", COMMIT}:
            return 404, {"X-Error-Code": "RevisionNotFound"}, b""
        if verb == "tree":
            return 200, {}, json.dumps([self._entry(*file) for file in files.items()]).encode()
        if verb == "resolve":
            return self._file(name, unquote(rest.partition("/")[2]))
        siblings = [{"rfilename": file, "size": len(body)} for file, body in files.items()]
        info = {"id": name, "sha": COMMIT, "siblings": siblings, "tags": []}
        return 200, {}, json.dumps(info | {"cardData": self.cards.get(name)}).encode()

    @staticmethod
    def _entry(path: str, body: bytes) -> dict[str, object]:
        oid = hashlib.sha1(path.encode() + body).hexdigest()
        return {"type": "file", "path": path, "size": len(body), "oid": oid}

    def _file(self, name: str, file: str) -> tuple[int, dict[str, str], bytes]:
        if name in self.gated and file != "README.md":
            return 401, {"X-Error-Code": "GatedRepo"}, b""
        body = self.models[name].get(file)
        if body is None:
            return 404, {"X-Error-Code": "EntryNotFound"}, b""
        etag = str(self._entry(file, body)["oid"])
        return 200, {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT}, body


@contextmanager
def served(hub: FakeHub) -> Iterator[FakeHub]:
    """Serves a hub at its `endpoint`."""

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._reply(head=True)

        def do_GET(self) -> None:
            self._reply(head=False)

        def _reply(self, head: bool) -> None:
            path = urlsplit(self.path).path
            status, headers, body = hub.answer(path)
            self.send_response(status)
            for name, value in (headers | {"Content-Length": str(len(body))}).items():
                self.send_header(name, value)
            self.end_headers()
            if not head:
                if "/resolve/" in path and status == 200:
                    hub.sent.append(unquote(path.partition(f"{COMMIT}/")[2]))
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    hub.endpoint = f"http://127.0.0.1:{server.server_port}"
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def use(hub: FakeHub, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Points the hub library, and what remembers its answers, to a hub and an empty cache."""
    from huggingface_hub import HfApi, constants, hf_api
    from lanser_bench_plugins import _hub, _model_files

    monkeypatch.setattr(constants, "ENDPOINT", hub.endpoint)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(
        constants,
        "HUGGINGFACE_CO_URL_TEMPLATE",
        hub.endpoint + "/{repo_id}/resolve/{revision}/{filename}",
    )
    monkeypatch.setattr(hf_api, "api", HfApi(endpoint=hub.endpoint))
    _hub.snapshot.cache_clear()
    _model_files._hub.cache_clear()
