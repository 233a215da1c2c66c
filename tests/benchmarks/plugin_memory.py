"""How much main memory each built-in plugin needs, for the figures in the registrations.

    python tests/benchmarks/plugin_memory.py [KIND:NAME ...]

Each plugin works in a process of its own, on a batch as a stage gives it: 64 texts, eight clips of
5 s, a recording of 10 min, or three training steps of 16 clips of 4 s. The peak of the process is
printed, and how much it exceeds `BASE_GIB`, which the scheduler adds to what a plugin declares.
"""

from __future__ import annotations

import resource
import subprocess
import sys

import numpy as np

from lanser_bench import FeatureExtractor, Speech, TextRecord, known_taxonomy, logmel
from lanser_bench.experiment.running.resources import BASE_GIB
from lanser_bench.plugins.discovery import registry

OPTIONS = {"llm": {"model": "package:smollm2-135m-instruct"}, "noisy": {"flip": 0.1}}
RNG = np.random.default_rng(0)


def clip(seconds: float) -> Speech:
    samples = RNG.normal(0, 0.1, int(16_000 * seconds)).astype(np.float32)
    return Speech(samples, language="en", transcript="I am glad to see you")


def train(plugin: object) -> None:
    import torch

    module = plugin.build(0).train()  # type: ignore[attr-defined]
    frontend = plugin.frontend  # type: ignore[attr-defined]
    sounds = [clip(4).samples for _ in range(16)]
    frames = sounds if frontend.kind == "waveform" else [logmel(s, frontend) for s in sounds]
    features = torch.from_numpy(np.stack(frames))
    optimizer = torch.optim.AdamW(module.parameters())
    for _ in range(3):
        lengths = torch.full((16,), features.shape[1])
        module(features, lengths)[-1][0].square().mean().backward()
        optimizer.step()


def work(kind: str, name: str) -> None:
    plugin = registry().create(kind, name, OPTIONS.get(name))
    clips = [clip(5) for _ in range(8)]
    if kind == "asr":
        plugin.transcribe(clips)
    elif kind == "labeler":
        texts = [f"I really do not know what to say about number {n} today" for n in range(64)]
        gold = {"joy": 1.0}
        records = [TextRecord(str(n), text, gold=gold) for n, text in enumerate(texts)]
        plugin.score(records, known_taxonomy("ekman-6"))
    elif kind == "segmenter":
        plugin.segment(clip(600))
    elif kind == "probe":
        plugin.measure(clips)
    elif isinstance(plugin, FeatureExtractor):
        frontend = plugin.frontend
        logmels = frontend.kind == "logmel"
        texts = [one.transcript for one in clips]
        sounds = [logmel(c.samples, frontend) if logmels else c.samples for c in clips]
        plugin.extract(texts if frontend.kind == "text" else sounds)
    else:
        train(plugin)


def main() -> None:
    kinds = ("segmenter", "asr", "labeler", "encoder", "probe")
    every = [f"{kind}:{name}" for kind in kinds for name in registry().names(kind)]
    for which in sys.argv[1:] or every:
        done = subprocess.run(
            [sys.executable, __file__, "--one", which], capture_output=True, text=True, check=False
        )
        line = done.stdout.strip() or f"not measured: {done.stderr.strip().splitlines()[-1][:60]}"
        print(f"{which:28} {line}", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        work(*sys.argv[2].split(":"))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(f"{peak:.2f} GiB, {max(0.0, peak - BASE_GIB):.2f} above the base")
    else:
        main()
