"""How much of a bare PyTorch loop's speed pre-training reaches, and what stored features save.

    python tests/benchmarks/pretrain_speed.py [--clips 256] [--epochs 3] [--threads 1]

Three loops train the same network on the same clips in the same batches, interleaved in one run;
the best epoch of each counts, in wall time and, since other work on the machine disturbs that, in
processor time:

- bare: batches lie ready as tensors, nothing but forward, loss, backward and step;
- ours: the `pretrain` stage's own epochs, out of memory-mapped features, with random crops, scores
  and a checkpoint every few seconds;
- from files: every batch is decoded and turned into log-mel anew, as a data loader without a
  feature store does.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile as sf
import torch
from torch.nn import functional as F

sys.path.append(str(Path(__file__).parents[1] / "stages"))

from training_world import TAXONOMY, World, identity

from lanser_bench.audio import decode, logmel
from lanser_bench.plugins import registry
from lanser_bench.stages._checkpoint import Checkpoint, Progress
from lanser_bench.stages._examples import Examples, split_by_speaker
from lanser_bench.stages._network import Network, last_dim
from lanser_bench.stages._training import Training, epoch_random
from lanser_bench.stages.features import Features, crop, pad
from lanser_bench.stages.pretrain import Params


def write_clips(folder: Path, clips: int) -> list[Path]:
    rng = np.random.default_rng(0)
    paths = []
    for i in range(clips):
        samples = 0.1 * rng.normal(size=int(rng.uniform(2, 4) * 16_000))
        paths.append(folder / f"{i:04d}.flac")
        sf.write(paths[-1], samples.clip(-1, 1), 16_000)
    return paths


def build(folder: Path, paths: list[Path], encoder: str, params: Params) -> Training:
    world, plugin = World(folder / encoder), registry().create("encoder", encoder)
    truth = np.arange(len(paths)) % len(TAXONOMY.names)
    utterances = world.manifest("clips", truth.tolist(), [None] * len(paths))
    frames = [logmel(decode(path), plugin.frontend) for path in paths]
    source = Features(world.store, world.features(utterances, frames))
    soft = np.eye(len(TAXONOMY.names), dtype=np.float32)[truth]
    examples = Examples(
        TAXONOMY, [source], np.zeros(len(paths), np.int64), np.arange(len(paths)), source.lengths,
        [str(path) for path in paths], [None] * len(paths), truth, soft,
    )  # fmt: skip
    module = plugin.build(0)
    dim = last_dim(module, torch.from_numpy(frames[0])[None], encoder)
    network = Network(module, dim, len(TAXONOMY.names), params.pooling)
    split = split_by_speaker(examples, 0)
    return Training(network, examples, split, params, 0, torch.device("cpu"))


def step(
    training: Training, features: torch.Tensor, lengths: torch.Tensor, targets: torch.Tensor
) -> None:
    training.optimizer.zero_grad(set_to_none=True)
    F.cross_entropy(training.network(features, lengths), targets).backward()
    training.optimizer.step()


def loops(
    training: Training, paths: list[Path], encoder: str, folder: Path
) -> dict[str, Callable[[], None]]:
    rng, _ = epoch_random(0, 0)
    rows = list(training._batches(rng))
    ready = [(*training.batch(r, rng), training.targets[torch.from_numpy(r)]) for r in rows]
    frontend = registry().create("encoder", encoder).frontend
    world = World(folder / encoder)
    key = identity(encoder).source.ljust(32, "0")

    def bare() -> None:
        for batch in ready:
            step(training, *batch)

    def ours() -> None:
        training._epoch(0, lambda *_: None)
        training._save_if_due(Checkpoint(world.store, key), Progress(), {})

    def from_files() -> None:
        for r in rows:
            frames = [logmel(decode(paths[i]), frontend) for i in r]
            values, lengths = pad([crop(f, training.longest, rng) for f in frames])
            targets = training.targets[torch.from_numpy(r)]
            step(training, torch.from_numpy(values), torch.from_numpy(lengths), targets)

    return {"bare": bare, "ours": ours, "from files": from_files}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--clips", type=int, default=256)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = write_clips(folder, arguments.clips)
        for encoder in ("resnet", "cnn"):
            training = build(folder, paths, encoder, Params())
            training.network.train()
            best = measured(loops(training, paths, encoder, folder), arguments.epochs)
            for loop, (wall, cpu) in best.items():
                print(f"{encoder:8} {loop:11} {len(paths) / wall:8.1f} clips/s "
                      f"{len(paths) / cpu:8.1f} clips/CPU s")  # fmt: skip
            for clock, kind in enumerate(("wall", "CPU")):
                bare, ours, files = (best[name][clock] for name in ("bare", "ours", "from files"))
                print(f"{encoder:8} {kind}: ours / bare = {bare / ours:.3f}, "
                      f"ours / from files = {files / ours:.2f}")  # fmt: skip


def measured(
    functions: dict[str, Callable[[], None]], rounds: int
) -> dict[str, tuple[float, float]]:
    best = dict.fromkeys(functions, (float("inf"), float("inf")))
    for round_ in range(rounds + 1):
        for name, function in functions.items():
            wall, cpu = time.perf_counter(), time.process_time()
            function()
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            if round_:  # the first round warms up
                best[name] = (min(wall, best[name][0]), min(cpu, best[name][1]))
    return best


if __name__ == "__main__":
    main()
