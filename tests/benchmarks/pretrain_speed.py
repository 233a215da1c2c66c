"""How much of a bare PyTorch loop's speed pre-training reaches, and what stored features save.

    python tests/benchmarks/pretrain_speed.py [--clips 384] [--rounds 9] [--encoders cnn resnet]

Loops over the same clips and batches on one thread; the first three take turns step by step. Each
round gives a ratio of processor times to each of the others:

- bare: batches and targets lie ready as tensors, nothing but forward, loss, backward and step;
- clipping: the same with torch's `clip_grad_norm_`, which our recipe has: equal updates of weights;
- ours: the `pretrain` stage's own epochs, out of memory-mapped features, with random crops, scores,
  clipped gradients and a checkpoint every five seconds of its own (a run has no other loops);
- from files: every batch is decoded and turned into log-mel anew and then cropped, as a data loader
  without a feature store does;
- from spans: the same, but the crop is drawn first and only its stretch of the file is read.

What stored features save depends on how dear the network's own step is. No loop trains faster than
`bare`, so the time of `from files` over that of `bare` bounds the gain: it is printed as the
ceiling. Clips are FLAC at 16 kHz, as long as acted sentences (2–4 s) or as utterances of
LibriSpeech (2–17 s, mean 12 s), of which training hears random stretches of `max_seconds` (4 s).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import soundfile as sf
import torch
from torch.nn import functional as F

from lanser_bench import keep_freed_memory

sys.path.append(str(Path(__file__).parents[1] / "stages"))

from _figures import figure
from training_world import TAXONOMY, World, identity

from lanser_bench.audio import decode, logmel
from lanser_bench.kinds import Frontend
from lanser_bench.plugins.discovery import registry
from lanser_bench.stages._random import epoch_random
from lanser_bench.stages.features import Features, crops, pad
from lanser_bench.stages.network import Network, last_dim
from lanser_bench.stages.pretrain.checkpoint import Checkpoint, Progress
from lanser_bench.stages.pretrain.examples import Examples, split_by_speaker
from lanser_bench.stages.pretrain.spec import Params
from lanser_bench.stages.pretrain.training import CHECKPOINT_SECONDS, Training

LENGTHS = {"acted": (2.0, 3.0, 4.0), "read": (2.0, 14.5, 17.0)}
"""Seconds of the clips: lowest, most frequent and highest of a triangular distribution."""


def write_clips(folder: Path, clips: int, kind: str) -> list[Path]:
    rng = np.random.default_rng(0)
    paths = []
    for i in range(clips):
        samples = 0.1 * rng.normal(size=int(rng.triangular(*LENGTHS[kind]) * 16_000))
        paths.append(folder / f"{kind}{i:04d}.flac")
        sf.write(paths[-1], samples.clip(-1, 1), 16_000)
    return paths


def build(folder: Path, paths: list[Path], encoder: str, params: Params) -> Training:
    world, plugin = World(folder), registry().create("encoder", encoder)
    truth = np.arange(len(paths)) % len(TAXONOMY.names)
    utterances = world.manifest("clips", truth.tolist(), [None] * len(paths))
    frames = [logmel(decode(path), plugin.frontend) for path in paths]
    source = Features(world.store, world.features(utterances, frames))
    soft = np.eye(len(TAXONOMY.names), dtype=np.float32)[truth]
    examples = Examples(
        TAXONOMY,
        [source],
        np.zeros(len(paths), np.int64),
        np.arange(len(paths)),
        source.lengths,
        [str(path) for path in paths],
        [None] * len(paths),
        truth,
        soft,
    )
    module = plugin.build(0)
    dim = last_dim(module, torch.from_numpy(frames[0])[None], encoder)
    network = Network(module, dim, len(TAXONOMY.names), params.pooling)
    split = split_by_speaker(examples, 0)
    training = Training(network, examples, split, params, 0, torch.device("cpu"))
    training.network.train()
    return training


@dataclass
class Loops:
    """The loops over one corpus; all train the same network."""

    training: Training
    paths: list[Path]
    checkpoint: Checkpoint
    frontend: Frontend

    def __post_init__(self) -> None:
        self.rng, _ = epoch_random(0, 0)
        self.ready = list(self.training.batches.epoch(self.rng))
        self.unsaved = 0.0

    def step(
        self,
        features: torch.Tensor,
        lengths: torch.Tensor,
        targets: torch.Tensor,
        clip: float | None = None,
    ) -> None:
        training = self.training
        training.optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(training.network(features, lengths), targets).backward()
        if clip is not None:
            torch.nn.utils.clip_grad_norm_(training.parameters, clip)
        training.optimizer.step()

    def in_turns(self) -> dict[str, float]:
        """An epoch of ours with the other steps after each step, so that drift meets all alike."""
        clock, ready = time.process_time, iter(self.ready)
        spent = {"bare": 0.0, "clipping": 0.0}
        clips = {"bare": None, "clipping": self.training.params.clip_norm}

        def other_steps(*_: int) -> None:
            batch = next(ready)
            for name, clip in clips.items():
                begin = clock()
                self.step(batch.features, batch.lengths, batch.targets, clip)
                spent[name] += clock() - begin

        begin = clock()
        self.training._epoch(0, other_steps)
        own = clock() - begin - sum(spent.values())
        self.unsaved += own
        begin = clock()
        if self.unsaved >= CHECKPOINT_SECONDS:
            self.checkpoint.save(Progress(), self.training._state({}))
            self.unsaved = 0.0
        return spent | {"ours": own + clock() - begin}

    def from_files(self) -> None:
        longest = self.training.batches.longest

        def cropped(path: Path) -> np.ndarray:
            return crops([logmel(decode(path), self.frontend)], longest, self.rng)[0]

        self._decoding(cropped)

    def from_spans(self) -> None:
        self._decoding(lambda path: logmel(decode(path, *self._span(path)), self.frontend))

    def _span(self, path: Path) -> tuple[float, float]:
        seconds, wanted = sf.info(path).duration, self.training.params.max_seconds
        begin = self.rng.uniform(0, max(0.0, seconds - wanted))
        return begin, min(seconds, begin + wanted)

    def _decoding(self, frames_of: Callable[[Path], np.ndarray]) -> None:
        for batch in self.ready:
            values, lengths = pad([frames_of(self.paths[i]) for i in batch.rows])
            self.step(torch.from_numpy(values), torch.from_numpy(lengths), batch.targets)


def measured(loops: Loops, rounds: int) -> list[dict[str, float]]:
    """Processor times of each round."""
    found = []
    for _ in range(rounds + 1):
        spent = loops.in_turns()
        for function in (loops.from_files, loops.from_spans):
            begin = time.process_time()
            function()
            spent[function.__name__] = time.process_time() - begin
        found.append(spent)
    return found[1:]  # the first round warms up


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=384)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--encoders", nargs="+", default=["cnn", "resnet"])
    parser.add_argument("--kinds", nargs="+", default=list(LENGTHS), choices=list(LENGTHS))
    arguments = parser.parse_args()
    keep_freed_memory()  # as every worker of a run does
    torch.set_num_threads(1)
    for kind in arguments.kinds:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            paths = write_clips(folder, arguments.clips, kind)
            for encoder in arguments.encoders:
                training = build(folder / encoder, paths, encoder, Params())
                key = identity(encoder).source.ljust(32, "0")
                checkpoint = Checkpoint(World(folder / encoder).store, key)
                frontend = registry().create("encoder", encoder).frontend
                loops = Loops(training, paths, checkpoint, frontend)
                show(kind, encoder, measured(loops, arguments.rounds), len(paths))


OPPONENTS = {
    "bare": "bare PyTorch loop over ready batches",
    "clipping": "the same with clip_grad_norm_",
    "from_files": "loop that decodes whole files",
    "from_spans": "loop that decodes the cropped stretch",
}


def show(kind: str, encoder: str, spent: list[dict[str, float]], clips: int) -> None:
    rates = ", ".join(
        f"{name.replace('_', ' ')} {clips / min(times[name] for times in spent):.0f}"
        for name in spent[0]
    )
    print(f"{encoder} on {kind} speech, clips per processor second: {rates}")
    ceiling = median(times["from_files"] / times["bare"] for times in spent)
    print(f"  ceiling of ours / from files: {ceiling:.2f}")
    for name, opponent in OPPONENTS.items():
        ratios = [times[name] / times["ours"] for times in spent]
        figure(f"pre-training, {encoder}, {kind} speech", ratios, opponent)


if __name__ == "__main__":
    main()
