"""How much memory do map stages need for 10,000 utterances and for 1,000,000, or for 5 hours?

    python tests/benchmarks/map_memory.py [--rows 10000 1000000] [--stages transcribe embed targets]
    python tests/benchmarks/map_memory.py --hours 0.5 5

Each size runs the real stages, each in a process of its own, over a manifest that is written block
by block beforehand; the largest resident memory of that process is its peak (`ru_maxrss`), with
everything: Python, libraries, sound. All utterances are spans of 50 ms in one file of noise, and no
two are equal; the file that says where recordings lie names as many as there are utterances. The
recogniser is a fake one that takes no time, the encoder is `logmel-stats`, and the targets are
prosody. With `--hours`, only `segment` runs: `vad` cuts one recording of that length (speech by
eSpeak in FLAC).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from _figures import figure

BLOCK = 8192
RATE = 16_000
CLIP_S = 0.05
PLUGINS = Path(__file__).parent / "plugins"
MELS = 16


def write_corpus(root: Path, rows: int) -> str:
    """Writes the sound, where recordings lie, and the utterances; returns the utterances' key."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq
    import soundfile

    from lanser_bench.data.utterances import SCHEMA, SUMMARY, UTTERANCES
    from lanser_bench.store import Spec, Store, file_sha256

    # Each utterance begins one sample after the one before.
    noise = np.random.default_rng(0).normal(0, 0.1, rows + RATE)
    soundfile.write(root / "noise.wav", noise, RATE)
    sha = file_sha256(root / "noise.wav")
    spec = Spec(stage="manifest", stage_version="1", params={"rows": rows})
    with Store(root / "store").write(spec) as draft, (root / "paths.json").open("w") as paths:
        paths.write(f'{{\n"{sha}": "{root / "noise.wav"}"')
        with pq.ParquetWriter(draft.path / UTTERANCES, SCHEMA) as file:
            for begin in range(0, rows, BLOCK):
                numbers = range(begin, min(begin + BLOCK, rows))
                made = [_row(number, sha) for number in numbers]
                others = (hashlib.sha256(b"%d" % number).hexdigest() for number in numbers)
                paths.writelines(f',\n"{other}": "{root / "other.wav"}"' for other in others)
                file.write_table(pa.Table.from_pylist(made, schema=SCHEMA))
        paths.write("\n}\n")
        (draft.path / SUMMARY).write_text("{}", encoding="utf-8")
    return spec.key


def write_recording(root: Path, hours: float) -> str:
    """Writes one long recording and where it lies; returns the key of its manifest."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq
    import soundfile
    from asr_speed import spoken_clips

    from lanser_bench.data.utterances import SCHEMA, SUMMARY, UTTERANCES
    from lanser_bench.store import Spec, Store, file_sha256

    minute = np.concatenate([np.pad(clip.samples, (0, RATE)) for clip in spoken_clips(20)])
    minute = np.resize(minute, 60 * RATE)
    with soundfile.SoundFile(root / "long.flac", "w", RATE, 1) as file:
        for _ in range(round(60 * hours)):
            file.write(minute)
    sha = file_sha256(root / "long.flac")
    (root / "paths.json").write_text(json.dumps({sha: str(root / "long.flac")}, indent=0))
    row = _row(0, sha) | {"start": None, "end": None, "seconds": 3600 * hours}
    spec = Spec(stage="manifest", stage_version="1", params={"hours": hours})
    with Store(root / "store").write(spec) as draft:
        pq.write_table(pa.Table.from_pylist([row], schema=SCHEMA), draft.path / UTTERANCES)
        (draft.path / SUMMARY).write_text("{}", encoding="utf-8")
    return spec.key


def _row(number: int, sha: str) -> dict[str, Any]:
    start = number / RATE
    return {
        "id": f"utterance-{number:07}",
        "audio_sha": sha,
        "start": start,
        "end": start + CLIP_S,
        "seconds": CLIP_S,
        "language": "en",
        "speaker": f"noise:{number % 500}",
        "transcript": f"the clip has {number} samples or less",
        "gold": "{}",
        "gold_kind": "single",
        "extras": "{}",
    }


def specs(utterances: str, shard_rows: int) -> dict[str, Any]:
    """The stages' keys, by name."""
    from lanser_bench.plugins.discovery import registry
    from lanser_bench.plugins.identity import plugin_identity
    from lanser_bench.stages import features, segment, targets
    from lanser_bench.stages.embed import spec as embed
    from lanser_bench.stages.transcribe import spec as transcribe
    from lanser_bench.store import PluginIdentity

    known = registry((PLUGINS,))

    def identity(kind: str, name: str, **options: Any) -> PluginIdentity:
        return plugin_identity(known, kind, name, known.create(kind, name, options))

    frontend = known.create("encoder", "logmel-stats", {"n_mels": MELS}).frontend
    frames = features.spec(utterances=utterances, frontend=frontend)
    return {
        "segment": segment.spec(utterances=utterances, segmenter=identity("segmenter", "vad")),
        "transcribe": transcribe.spec(
            utterances=utterances,
            asr=identity("asr", "counted"),
            params=transcribe.Params(shard_rows=shard_rows),
            threads=1,
        ),
        "features": frames,
        "targets": targets.spec(utterances=utterances, probe=identity("probe", "prosody")),
        "embed": embed.spec(
            utterances=utterances,
            encoder=identity("encoder", "logmel-stats", n_mels=MELS),
            features=frames.key,
            params=embed.Params(),
            threads=1,
        ),
    }


def run(root: Path, utterances: str, stage: str, shard_rows: int) -> dict[str, Any]:
    """Runs a stage as the executor would; returns seconds, the peak in bytes and the counts."""
    from lanser_bench.stages.base import RunnableCall, run_call

    spec = specs(utterances, shard_rows)[stage]
    begin = time.perf_counter()
    report = run_call(
        RunnableCall(
            stage,
            spec.key,
            spec.model_dump(mode="json"),
            root / "store",
            plugin_dirs=(PLUGINS,),
            inputs={"audio": [str(root / "paths.json")]},
        )
    )
    seconds = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"seconds": seconds, "peak": peak, "counts": report.counts}


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints the peak of each stage."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 1_000_000])
    parser.add_argument("--hours", type=float, nargs="+", help="of one recording, cut by vad")
    parser.add_argument("--stages", nargs="+", default=["transcribe", "embed", "targets"])
    parser.add_argument("--shard-rows", type=int, default=256, help="of transcribe")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.child:
        root, key, stage = given.child
        print(json.dumps(run(Path(root), key, stage, given.shard_rows)))
        return
    # What embed reads is made by features.
    stages = [
        s
        for s in ("transcribe", "features", "embed", "targets")
        if s in given.stages or (s == "features" and "embed" in given.stages)
    ]
    for amount in given.hours or given.rows:
        with tempfile.TemporaryDirectory(prefix="map-memory-") as name:
            root = Path(name)
            make = write_recording if given.hours else write_corpus
            key = make(root, amount)
            unit = "hours in one recording" if given.hours else "utterances"
            for stage in ["segment"] if given.hours else stages:
                command = [sys.executable, __file__, "--shard-rows", str(given.shard_rows)]
                command += ["--child", str(root), key, stage]
                answer = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
                found = json.loads(answer.stdout)
                print(f"{stage}: {found['seconds']:.0f} s, {found['counts']}", flush=True)
                title = f"memory of {stage}, {amount:,} {unit}"
                figure(title, [found["peak"] / 1e6], unit="MB")


if __name__ == "__main__":
    main()
