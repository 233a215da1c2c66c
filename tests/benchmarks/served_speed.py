"""How long does `llm` take to label texts by a server that answers each request after 100 ms?

    python tests/benchmarks/served_speed.py [--texts 60] [--ms 100] [--concurrency 8]

The server is a thread of this process. It returns log-probabilities, or none (``samples: 5``).
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from lanser_bench import TextRecord
from lanser_bench.plugins import find_taxonomy, load_plugins


class SlowServer(ThreadingHTTPServer):
    """Answers "joy" after some time."""

    request_queue_size = 128
    seconds = 0.1
    with_logprobs = True
    asked = 0


class Handler(BaseHTTPRequestHandler):
    """One request of `SlowServer`."""

    server: SlowServer

    def do_POST(self) -> None:
        """Answers."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked += 1
        time.sleep(self.server.seconds)
        choice: dict[str, object] = {"message": {"content": '{"label":"joy"}'}}
        if self.server.with_logprobs:
            likely = [{"token": "joy", "logprob": -0.2}, {"token": "ang", "logprob": -1.8}]
            pieces = ['{"label":"', "joy", '"}']
            choice["logprobs"] = {
                "content": [{"token": p, "logprob": -0.2, "top_logprobs": likely} for p in pieces]
            }
        body = json.dumps({"choices": [choice]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Logs nothing."""


def main() -> None:
    """Prints one line per way to get scores."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=int, default=60)
    parser.add_argument("--ms", type=float, default=100)
    parser.add_argument("--concurrency", type=int, default=8)
    chosen = parser.parse_args()
    os.environ |= {
        "no_proxy": "127.0.0.1",
        "XDG_CACHE_HOME": tempfile.mkdtemp(),
        "LANSER_LLM_CONCURRENCY": str(chosen.concurrency),
    }
    plugins = load_plugins()
    taxonomy = find_taxonomy(plugins, "ekman-6")
    records = [TextRecord(id=str(i), text=f"text {i}") for i in range(chosen.texts)]
    server = SlowServer(("127.0.0.1", 0), Handler)
    server.seconds = chosen.ms / 1000
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/v1"
    for with_logprobs, samples in ((True, 5), (False, 1), (False, 5)):
        server.with_logprobs, server.asked = with_logprobs, 0
        options = {"model": "fake", "base_url": url, "samples": samples}
        labeler = plugins.create("labeler", "llm", options)
        begin = time.perf_counter()
        labeler.score(records, taxonomy)
        seconds = time.perf_counter() - begin
        kind = "log-probabilities" if with_logprobs else f"samples: {samples}"
        print(f"{kind:18} {chosen.texts} texts, {server.asked} requests: {seconds:.2f} s")
    server.shutdown()


if __name__ == "__main__":
    main()
