"""How fast is `entailment` beside the zero-shot pipeline of transformers, with the same model?

    python tests/benchmarks/labeling_speed.py TEXTS [--texts 256] [--threads 2]

TEXTS has one text per line (of a TSV, the first column); equal texts are taken once. All rows run
in turn in one process, several times, and the fastest time of each counts, so that ratios do not
depend on the machine's mood. The machine's own rate is that of matrix products of the model's
shapes, in the same precision and process, with plain weights or with
weights laid out beforehand, whichever is faster.

The last row is no option of the labeler with torch weights: the same model in int8, quantised
dynamically by torch, to show what it would do to the labels.
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

LABELS = ("anger", "disgust", "fear", "joy", "sadness", "surprise", "neutral")
ROUNDS = 2
INT8 = "int8, dynamic"


def distinct_texts(path: Path, count: int) -> list[str]:
    """Takes `count` different texts, spread evenly over the file."""
    lines = path.read_text(encoding="utf-8").splitlines()
    texts = [text for line in lines if (text := line.partition("\t")[0].strip())]
    texts = list(dict.fromkeys(texts))
    return texts[:: max(1, len(texts) // count)][:count]


def product_rate(config: Any, precision: str) -> float:
    """FLOP/s of the four matrix products of a layer, at their best of several trials."""
    import torch
    from lanser_bench_plugins.labelers._products import ROWS, product

    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    rows, width, inner = ROWS, config.hidden_size, config.intermediate_size
    shapes = ((width, 3 * width), (width, width), (width, inner), (inner, width))
    flops = 2 * rows * sum(a * b for a, b in shapes)
    best = 0.0
    with torch.inference_mode():
        weights = [torch.randn(b, a, dtype=kind) for a, b in shapes]
        biases = [torch.zeros(b, dtype=kind) for _, b in shapes]
        lefts = [torch.randn(rows, a, dtype=kind) for a, _ in shapes]
        plain = [
            partial(torch.nn.functional.linear, weight=w, bias=b)
            for w, b in zip(weights, biases, strict=True)
        ]
        laid_out = [product(w, b, kind) for w, b in zip(weights, biases, strict=True)]
        for way in [plain, laid_out] * 12:
            begin = time.perf_counter()
            for times, left in zip(way, lefts, strict=True):
                times(left)
            best = max(best, flops / (time.perf_counter() - begin))
    return best


def quantised(pairs: Any) -> Any:
    """The same model with int8 products: weights by channel, activations as they come."""
    from dataclasses import replace

    import torch
    from torch.ao import quantization as q

    wanted = {torch.nn.Linear: q.per_channel_dynamic_qconfig}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = q.quantize_dynamic(pairs.model, wanted)
    return replace(pairs, model=model, packed=None)


def needed(encoded: Any, config: Any) -> float:
    """FLOP of the matrix products that the pairs need, without padding: layers and attention."""
    lengths = np.array([len(ids) for ids in encoded["input_ids"]], dtype=np.float64)
    width, inner = config.hidden_size, config.intermediate_size
    per_token = 2 * (4 * width**2 + 2 * width * inner)
    attention = 4 * width * lengths**2
    return float(config.num_hidden_layers * (per_token * lengths + attention).sum())


def fastest(rows: dict[str, Callable[[], Any]], rounds: int) -> tuple[dict[str, float], Any]:
    """Seconds of each row at its best, taken in turn, and its last answer."""
    seconds = dict.fromkeys(rows, float("inf"))
    answers = {}
    for _ in range(rounds):
        for name, call in rows.items():
            begin = time.perf_counter()
            answers[name] = call()
            seconds[name] = min(seconds[name], time.perf_counter() - begin)
    return seconds, answers


def shares(call: Callable[[], Any]) -> str:
    """Where the time of a call goes: operators by their own share of it, over all threads."""
    from torch._C._profiler import _ExperimentalConfig
    from torch.profiler import ProfilerActivity, profile

    every = _ExperimentalConfig(profile_all_threads=True)
    with profile(activities=[ProfilerActivity.CPU], experimental_config=every) as found:
        call()
    operators = sorted(found.key_averages(), key=lambda one: -one.self_cpu_time_total)
    total = sum(one.self_cpu_time_total for one in operators)
    return ", ".join(f"{o.key} {100 * o.self_cpu_time_total / total:.0f} %" for o in operators[:4])


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints utterances/s, ratios, agreement and the share of the machine's rate."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--texts", type=int, default=256)
    parser.add_argument("--agreement", type=int, default=2000, help="texts compared, fast rows")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--model", default="package:lanser-nli")
    parser.add_argument("--precisions", nargs="+", default=["float32", "bf16"])
    given = parser.parse_args(arguments)
    os.environ["OMP_NUM_THREADS"] = str(given.threads)

    import torch
    import transformers
    from lanser_bench_plugins.labelers._nli_models import load_torch

    from lanser_bench import TextRecord
    from lanser_bench.plugins.discovery import registry
    from lanser_bench.taxonomy import Label, NeutralRule, Taxonomy

    torch.set_num_threads(given.threads)
    transformers.utils.logging.set_verbosity_error()
    taxonomy = Taxonomy(
        name="seven",
        version="1",
        citation="made for this benchmark",
        templates=("I feel {}.",),
        labels=tuple(Label(name=name, hypothesis=name) for name in LABELS),
        neutral="neutral",
        neutral_rule=NeutralRule(kind="keep"),
    )
    texts = distinct_texts(given.file, given.texts)
    more = distinct_texts(given.file, given.agreement)
    pairs, tokenizer = load_torch(given.model, "cpu", "float32")
    pipeline: Any = transformers.pipeline(
        "zero-shot-classification", model=pairs.model, tokenizer=tokenizer
    )

    def by_pipeline() -> list[str]:
        found = pipeline(texts, list(LABELS), hypothesis_template="I feel {}.")
        return [one["labels"][0] for one in found]

    labelers = {
        precision: registry().create(
            "labeler", "entailment", {"model": given.model, "precision": precision}
        )
        for precision in given.precisions
    }

    labelers[INT8] = registry().create("labeler", "entailment", {"model": given.model})
    # Takes the place of what the labeler would load.
    labelers[INT8].__dict__["_loaded"] = ([quantised(pairs)], tokenizer)

    def by(name: str, asked: Sequence[str]) -> list[str]:
        records = [TextRecord(id=str(i), text=text) for i, text in enumerate(asked)]
        best = labelers[name].score(records, taxonomy).values.argmax(axis=1)
        return [LABELS[i] for i in best]

    for name in labelers:
        by(name, texts[:8])
    rows: dict[str, Callable[[], Any]] = {
        name: (lambda name=name: by(name, texts)) for name in labelers
    }
    slow, seconds = {"pipeline": float("inf")}, dict.fromkeys(rows, float("inf"))
    slow_answers: dict[str, list[str]] = {}
    answers: dict[str, list[str]] = {}
    peaks = dict.fromkeys(given.precisions, 0.0)
    for _ in range(ROUNDS):
        found, slow_answers = fastest({"pipeline": by_pipeline}, 1)
        slow["pipeline"] = min(slow["pipeline"], found["pipeline"])
        for name in given.precisions:
            peaks[name] = max(peaks[name], product_rate(pairs.model.config, name))
        found, answers = fastest(rows, 2)
        seconds = {name: min(seconds[name], found[name]) for name in seconds}
    rate = len(texts) / slow["pipeline"]
    print(f"{len(texts)} distinct texts × {len(LABELS)} labels, {given.threads} threads")
    print(f"{'zero-shot pipeline':24}{rate:8.1f} utterances/s")
    encoded = tokenizer(
        [t for t in texts for _ in LABELS], [f"I feel {name}." for name in LABELS] * len(texts)
    )
    flops = needed(encoded, pairs.model.config)
    sure = by("float32", more) if len(labelers) > 1 else []
    for name in labelers:
        same = np.mean(
            [a == b for a, b in zip(answers[name], slow_answers["pipeline"], strict=True)]
        )
        share = ""
        if name != INT8:
            peak, reached = peaks[name], flops / seconds[name]
            share = (
                f"; {reached / 1e9:.0f} of the machine's {peak / 1e9:.0f} GFLOP/s "
                f"({100 * reached / peak:.0f} %)"
            )
        print(
            f"{'entailment ' + name:24}{len(texts) / seconds[name]:8.1f} utterances/s = "
            f"{slow['pipeline'] / seconds[name]:5.2f} x the pipeline; argmax agrees with it on "
            f"{100 * same:.2f} %{share}",
            flush=True,
        )
        if name != "float32":
            close = np.mean([a == b for a, b in zip(by(name, more), sure, strict=True)])
            print(f"{'':24}agrees with float32 on {100 * close:.2f} % of {len(more)} texts")
        if name != INT8:
            print(f"{'':24}time: {shares(rows[name])}")


if __name__ == "__main__":
    main()
