"""Every library's pool gets the stage's threads and no more: workers do not fight for cores."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from threadpoolctl import threadpool_info

from lanser_bench.stages.base import THREAD_VARIABLES, limited_threads


def test_all_pools_have_the_threads_of_the_stage_and_then_what_they_had(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(THREAD_VARIABLES[0], raising=False)
    for name in THREAD_VARIABLES[1:]:
        monkeypatch.setenv(name, "7")
    assert np.isfinite(np.ones((64, 64)) @ np.ones((64, 64))).all()

    def state() -> tuple[object, ...]:
        pools = sorted((pool["filepath"], pool["num_threads"]) for pool in threadpool_info())
        variables = {name: os.environ.get(name) for name in THREAD_VARIABLES}
        return pools, variables, torch.get_num_threads(), pa.cpu_count()

    before = state()
    for threads in (2, 1):
        with limited_threads(threads):
            assert torch.get_num_threads() == pa.cpu_count() == threads
            assert {os.environ[name] for name in THREAD_VARIABLES} == {str(threads)}
            assert {pool["num_threads"] for pool in threadpool_info()} == {threads}
        assert state() == before


WITHOUT_TORCH = """
import json, sys, threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from lanser_bench.experiment import label_corpus, run_experiment

class Answers(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        message = {"content": json.dumps({"label": "joy"})}
        body = json.dumps({"choices": [{"message": message}]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

server = HTTPServer(("127.0.0.1", 0), Answers)
threading.Thread(target=server.serve_forever, daemon=True).start()
root = Path(sys.argv[1])
here = {"name": "local", "inline": True}
speech = {"dataset": "synthetic", "clips": 24, "speakers": 6, "seed": 1}
settings = {
    "name": "light", "corpora": [speech], "targets": [{**speech, "first_voice": 12, "seed": 2}],
    "asr": "reference", "labeler": "lexicon", "taxonomy": "ekman-6", "encoder": "logmel-stats",
    "evaluate": {"folds": 3, "seeds": 1, "budgets": [1.0]}, "probes": ["prosody"], "trackers": [],
    "executor": here, "paths": {"store": str(root / "store"), "results": str(root / "results")},
}
outcome = run_experiment(settings)
stages = {outcome.plan.nodes[key].stage for key in outcome.executed}
url = f"http://127.0.0.1:{server.server_port}/v1"
for labeler in ("lexicon", {"name": "llm", "options": {"model": "m", "base_url": url}}):
    overrides = ["asr=reference", f"paths.store={root / 'store'}", "executor.inline=true"]
    label_corpus(speech, labeler, "ekman-6", overrides=overrides)
print(json.dumps([sorted(stages), "torch" in sys.modules, "transformers" in sys.modules]))
"""


@pytest.mark.slow
def test_stages_that_need_no_torch_do_not_import_it(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, str(tmp_path)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    stages, torch_loaded, transformers_loaded = json.loads(done.stdout.splitlines()[-1])
    assert {"features", "embed", "targets", "probe", "evaluate"} <= set(stages)
    assert not torch_loaded
    assert not transformers_loaded
