"""Peak memory of `predict` on longer and longer recordings: it must not grow with their length.

    python tests/benchmarks/predict_memory.py [--minutes 1 10 60] [--segmenter windows|vad]

Each length is predicted in a process of its own; the model is a small ResNet with random weights
and a linear head of 8 labels, since memory does not depend on what the weights are. The sound is
bursts of noise at 44.1 kHz in FLAC, so that decoding and resampling take part.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile as sf

RATE = 44_100
LABELS = 8


def write_sound(path: Path, minutes: float) -> None:
    rng = np.random.default_rng(0)
    with sf.SoundFile(path, "w", RATE, 1) as file:
        for second in range(int(60 * minutes)):
            level = 0.2 if second % 7 < 5 else 0.001
            file.write((level * rng.normal(size=RATE)).clip(-1, 1).astype(np.float32))


def write_model(folder: Path) -> None:
    from safetensors.numpy import save_file

    from lanser_bench import __version__
    from lanser_bench.model.config import CONFIG, WEIGHTS, HeadConfig, ModelConfig
    from lanser_bench.plugins.discovery import registry
    from lanser_bench.plugins.identity import plugin_identity

    plugin = registry().create("encoder", "resnet")
    state = {f"encoder.{k}": v.numpy() for k, v in plugin.build(0).state_dict().items()}
    dim = 128
    head = {
        "head.weight": np.random.default_rng(0).normal(size=(LABELS, dim)).astype(np.float32),
        "head.bias": np.zeros(LABELS, np.float32),
    }
    config = ModelConfig(
        experiment="benchmark",
        cell="random",
        record_key="none",
        encoder=plugin_identity(registry(), "encoder", "resnet", plugin),
        frontend=plugin.frontend,
        seed=0,
        piece_seconds=30,
        licence="none",
        versions={"lanser-bench": __version__},
        head=HeadConfig(
            kind="weak",
            labels=[f"label {i}" for i in range(LABELS)],
            pooling="mean",
            layer="layer_03",
        ),
    )
    folder.mkdir()
    save_file(state | head, folder / WEIGHTS)
    (folder / CONFIG).write_text(config.model_dump_json())


def child(folder: Path, sound: Path, segmenter: str) -> None:
    from lanser_bench import load_model

    model = load_model(folder)
    begin = time.perf_counter()
    found = model.predict(sound, segmenter)
    seconds = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{len(found.segments)} {seconds:.1f} {peak:.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, nargs="+", default=[1, 10, 60])
    parser.add_argument("--segmenter", default="windows")
    parser.add_argument("--child", type=Path, nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(*options.child, options.segmenter)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_model(folder / "model")
        print("minutes  segments  seconds  peak RSS, MB")
        for minutes in options.minutes:
            sound = folder / "sound.flac"
            write_sound(sound, minutes)
            done = subprocess.run(
                [
                    sys.executable,
                    __file__,
                    "--segmenter",
                    options.segmenter,
                    "--child",
                    str(folder / "model"),
                    str(sound),
                ],
                capture_output=True,
                text=True,
                check=True,
            )
            segments, seconds, peak = done.stdout.split()
            print(f"{minutes:7g}  {segments:>8}  {seconds:>7}  {peak:>12}", flush=True)


if __name__ == "__main__":
    main()
