"""How fast is `entailment` beside what a skilled user would run, with the same model?

    python tests/benchmarks/labeling_speed.py [TEXTS] [--texts 32] [--rounds 5] [--threads 2]

TEXTS has one text per line (of a TSV, the first column); equal texts are taken once. By default it
is TweetEval's test set in `LANSER_DATA_ROOT`. Opponents get
their pairs sorted by length, in batches of 32: the zero-shot pipeline of transformers,
`CrossEncoder.predict` of sentence-transformers (which sorts by itself), an ONNX export in float32
run by ONNX Runtime, and `torch.compile`. All take turns in one process; a ratio is that of two
turns of the same round, given as median [lowest, highest] by the clock, and the median in processor
time, which other load on the machine hardly changes. What this machine cannot run is named.

Rows that are not exact are compared with float32 on more texts. The machine's own rate is that of
matrix products of the model's shapes with weights laid out for the processor, in one thread.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from _figures import figure

LABELS = ("anger", "disgust", "fear", "joy", "sadness", "surprise", "neutral")
TEMPLATE = "I feel {}."
BATCH = 32
Run = Callable[[Sequence[str]], list[str]]
"""Texts to the best label of each."""


def distinct_texts(path: Path, count: int) -> list[str]:
    """Takes `count` different texts, spread evenly over the file."""
    lines = path.read_text(encoding="utf-8").splitlines()
    texts = [text for line in lines if (text := line.partition("\t")[0].strip())]
    texts = list(dict.fromkeys(texts))
    return texts[:: max(1, len(texts) // count)][:count]


def pairs_of(texts: Sequence[str]) -> tuple[list[str], list[str]]:
    """Every text with every hypothesis."""
    return [t for t in texts for _ in LABELS], [TEMPLATE.replace("{}", n) for n in LABELS] * len(
        texts
    )


def best(entailment: Any) -> list[str]:
    """The label with the highest of logits, shape (pairs,)."""
    return [LABELS[i] for i in np.reshape(entailment, (-1, len(LABELS))).argmax(axis=1)]


def in_batches(tokenizer: Any, forward: Callable[[dict[str, Any]], Any], yes: int) -> Run:
    """Runs `forward` on padded batches of pairs, sorted by length."""
    from lanser_bench_plugins.labelers._nli_models import padded

    def run(texts: Sequence[str]) -> list[str]:
        encoded = tokenizer(*pairs_of(texts))
        lengths = [len(ids) for ids in encoded["input_ids"]]
        order = sorted(range(len(lengths)), key=lengths.__getitem__, reverse=True)
        logits = np.zeros(len(lengths), np.float32)
        for begin in range(0, len(order), BATCH):
            rows = order[begin : begin + BATCH]
            logits[rows] = forward(dict(padded(encoded, rows, tokenizer, "np")))[:, yes]
        return best(logits)

    return run


def of_transformers(name: str) -> tuple[Any, Any]:
    """The model in transformers' class, as opponents run it, and its tokenizer."""
    from lanser_bench_plugins.labelers._nli_models import OWN_MODEL, load_torch
    from nli_training.lora import load_merged

    if name == OWN_MODEL:
        return load_merged()
    pairs, tokenizer = load_torch(name, "cpu", "float32")
    return pairs.model, tokenizer


def by_pipeline(model: Any, tokenizer: Any) -> Run:
    """The pipeline as a skilled user calls it: in batches, texts sorted by length."""
    import transformers

    pipeline: Any = transformers.pipeline(
        "zero-shot-classification", model=model, tokenizer=tokenizer, batch_size=BATCH
    )

    def run(texts: Sequence[str]) -> list[str]:
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]), reverse=True)
        found = pipeline([texts[i] for i in order], list(LABELS), hypothesis_template=TEMPLATE)
        answers = dict(zip(order, (one["labels"][0] for one in found), strict=True))
        return [answers[i] for i in range(len(texts))]

    return run


def by_cross_encoder(model: Any, tokenizer: Any, yes: int, folder: Path) -> Run:
    """sentence-transformers' own class for such models."""
    from sentence_transformers import CrossEncoder

    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    encoder: Any = CrossEncoder(str(folder), device="cpu", local_files_only=True)

    def run(texts: Sequence[str]) -> list[str]:
        pairs = list(zip(*pairs_of(texts), strict=True))
        return best(encoder.predict(pairs, batch_size=BATCH, show_progress_bar=False)[:, yes])

    return run


def by_onnx_runtime(model: Any, tokenizer: Any, yes: int, folder: Path, threads: int) -> Run:
    """A float32 export with all of ONNX Runtime's graph optimisations."""
    import onnxruntime
    import torch

    one = tokenizer(["a text"], ["a hypothesis"], return_tensors="pt")
    # The exporter names inputs in the order of the model's signature.
    inputs = [n for n in ("input_ids", "attention_mask", "token_type_ids") if n in one]
    axes = {name: {0: "rows", 1: "tokens"} for name in inputs} | {"logits": {0: "rows"}}
    file = folder / "model.onnx"
    names = {"input_names": inputs, "output_names": ["logits"], "dynamic_axes": axes}
    model.set_attn_implementation("eager")  # the trace of the fused one drops the mask
    torch.onnx.export(model, (dict(one),), str(file), dynamo=False, opset_version=17, **names)
    model.set_attn_implementation("sdpa")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(file), options, ["CPUExecutionProvider"])
    return in_batches(tokenizer, lambda inputs: session.run(None, inputs)[0], yes)


def by_torch(model: Any, tokenizer: Any, yes: int) -> Run:
    """A model of torch, compiled or quantised."""
    import torch

    def forward(inputs: dict[str, Any]) -> Any:
        with torch.inference_mode():
            return model(**{n: torch.from_numpy(v) for n, v in inputs.items()}).logits.numpy()

    return in_batches(tokenizer, forward, yes)


def records_of(texts: Sequence[str]) -> list[Any]:
    """The texts as a labeler gets them."""
    from lanser_bench import TextRecord

    return [TextRecord(id=str(i), text=text) for i, text in enumerate(texts)]


def labeled(name: str, texts: Sequence[str], **options: Any) -> Any:
    """Scores of texts by one of our labelers, shape (texts, labels)."""
    from lanser_bench import Label, Taxonomy

    taxonomy = Taxonomy(
        name="seven",
        version="1",
        citation="made for this benchmark",
        templates=(TEMPLATE,),
        labels=tuple(Label(name=name, hypothesis=name) for name in LABELS),
        neutral="neutral",
    )
    return labeler(name, **options).score(records_of(texts), taxonomy).values


@cache
def labeler(name: str, **options: Any) -> Any:
    """One of our labelers, made once."""
    from lanser_bench.plugins.discovery import registry

    return registry().create("labeler", name, options)


def cascade(texts: Sequence[str], exact: Sequence[str]) -> None:
    """Prints how often a cheap labeler would prune the label that entailment chooses."""
    chosen = np.array([LABELS.index(label) for label in exact])[:, None]
    for name in ("similarity", "lexicon"):
        values = labeled(name, texts)
        ahead = (values > np.take_along_axis(values, chosen, 1)).sum(axis=1)
        kept = [f"{m}: {100 * np.mean(ahead < m):.0f} %" for m in range(1, len(LABELS))]
        print(f"cascade by {name}, labels kept: texts labelled as by float32; {', '.join(kept)}")


def shared(model: str, texts: Sequence[str], rounds: int) -> None:
    """Prints what it saves that all registered taxonomies share scores of the same texts."""
    from lanser_bench.plugins.discovery import registry
    from lanser_bench.plugins.taxonomies import find_taxonomy

    plugins, records = registry(), records_of(texts)
    names = sorted(name for kind, name in plugins.entries if kind == "taxonomy")
    taxonomies = [find_taxonomy(plugins, name) for name in names]
    ours = labeler("entailment", model=model, precision="float32")
    columns = [ours.columns(taxonomy) for taxonomy in taxonomies]

    def together(_: Sequence[str]) -> list[str]:
        known: dict[str, Any] = {}
        for taxonomy in taxonomies:
            ours.score_with(known, records, taxonomy)
        return []

    def apart(_: Sequence[str]) -> list[str]:
        for taxonomy in taxonomies:
            ours.score(records, taxonomy)
        return []

    seconds = taken({"apart": apart, "together": together}, texts, rounds)
    wall, cpu = (seconds["apart"] / seconds["together"]).T.tolist()
    labels, distinct = sum(map(len, columns)), len({name for each in columns for name in each})
    what = f"{len(taxonomies)} taxonomies with {labels} labels and {distinct} hypotheses"
    figure(what, wall, "each alone")
    figure(f"{what}, processor time", cpu, "each alone")


def contenders(given: Any, model: Any, tokenizer: Any, folder: Path) -> dict[str, Run]:
    """All that this machine can run; prints what it cannot."""
    import torch
    from lanser_bench_plugins.labelers._nli_models import nli_columns
    from lanser_bench_plugins.labelers._products import native_bf16

    yes = nli_columns(model.config.id2label, given.model)[0]
    rows = {
        "pipeline": by_pipeline(model, tokenizer),
        "CrossEncoder": by_cross_encoder(model, tokenizer, yes, folder),
    }
    if find_spec("onnxruntime") and find_spec("onnx"):
        rows["ONNX Runtime"] = by_onnx_runtime(model, tokenizer, yes, folder, given.threads)
    else:
        print("ONNX Runtime: not run, because onnxruntime and onnx are not both installed")
    if shutil.which(os.environ.get("CXX", "g++")) and given.compile:
        compiled = torch.compile(model, dynamic=True)
        rows["torch.compile"] = by_torch(compiled, tokenizer, yes)
    else:
        print("torch.compile: not run, because it needs --compile and a C++ compiler")
    for precision in ("float32", "bf16"):
        ours = partial(labeled, "entailment", model=given.model, precision=precision)
        rows[precision] = lambda texts, ours=ours: best(ours(texts))
    if not native_bf16():
        print("bf16: this CPU has no instructions for it, so it multiplies in float32")
    return rows


def product_rate(config: Any, precision: str) -> float:
    """FLOP per processor second of a layer's matrix products, at their best of several trials."""
    import torch
    from lanser_bench_plugins.labelers._products import ROWS, product

    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    width, inner = config.hidden_size, config.intermediate_size
    shapes = ((width, 3 * width), (width, width), (width, inner), (inner, width))
    flops = 2 * ROWS * sum(a * b for a, b in shapes)
    fastest, threads = 0.0, torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.inference_mode():
        layer = [product(torch.randn(b, a), torch.zeros(b), kind) for a, b in shapes]
        lefts = [torch.randn(ROWS, a, dtype=kind) for a, _ in shapes]
        for _ in range(12):
            begin = time.process_time()
            for times, left in zip(layer, lefts, strict=True):
                times(left)
            fastest = max(fastest, flops / (time.process_time() - begin))
    torch.set_num_threads(threads)
    return fastest


def needed(texts: Sequence[str], tokenizer: Any, config: Any) -> float:
    """FLOP of the matrix products that the pairs need, without padding: layers and attention."""
    encoded = tokenizer(*pairs_of(texts))
    lengths = np.array([len(ids) for ids in encoded["input_ids"]], dtype=np.float64)
    width, inner = config.hidden_size, config.intermediate_size
    per_token = 2 * (4 * width**2 + 2 * width * inner)
    attention = 4 * width * lengths**2
    return float(config.num_hidden_layers * (per_token * lengths + attention).sum())


def shares(call: Callable[[], Any]) -> str:
    """Where the time of a call goes: operators by their own share of it, over all threads."""
    from torch._C._profiler import _ExperimentalConfig
    from torch.profiler import ProfilerActivity, profile

    every = _ExperimentalConfig(profile_all_threads=True)
    with profile(activities=[ProfilerActivity.CPU], experimental_config=every) as found:
        call()
    operators = sorted(found.key_averages(), key=lambda one: -one.self_cpu_time_total)
    total = sum(one.self_cpu_time_total for one in operators)
    return ", ".join(f"{o.key} {100 * o.self_cpu_time_total / total:.0f} %" for o in operators[:6])


def taken(runs: dict[str, Run], texts: Sequence[str], rounds: int) -> dict[str, Any]:
    """Seconds by the clock and of processor time, shape (rounds, 2), by contender."""
    for run in runs.values():
        run(texts[:2])
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            wall, cpu = time.perf_counter(), time.process_time()
            run(texts)
            seconds[name].append((time.perf_counter() - wall, time.process_time() - cpu))
    return {name: np.array(each) for name, each in seconds.items()}


def speed(given: Any, runs: dict[str, Run], model: Any, tokenizer: Any) -> None:
    """Prints speed, ratios and the share of the machine's rate."""
    texts = distinct_texts(given.file, given.texts)
    seconds, ours = taken(runs, texts, given.rounds), list(runs)[list(runs).index("float32") :]
    exact = runs["float32"](texts)
    for name, each in seconds.items():
        same = np.mean([a == b for a, b in zip(runs[name](texts), exact, strict=True)])
        rate = len(texts) / np.median(each[:, 0])
        print(
            f"{name:14}{rate:7.1f} texts/s, {100 * same:.0f} % labelled as by float32", flush=True
        )
    for name in ours:
        for other in [o for o in seconds if o not in ours]:
            wall, cpu = (seconds[other] / seconds[name]).T.tolist()
            what = f"entailment {name}, {len(texts)} texts"
            figure(what, wall, other)
            figure(f"{what}, processor time", cpu, other)
        rate = needed(texts, tokenizer, model.config) / np.median(seconds[name][:, 1])
        peak = product_rate(model.config, name)
        print(
            f"{name}: {rate / 1e9:.0f} GFLOP per processor second, {100 * rate / peak:.0f} % of "
            f"the products' {peak / 1e9:.0f}; time: {shares(partial(runs[name], texts))}",
            flush=True,
        )


def agreement(given: Any, runs: dict[str, Run]) -> None:
    """Prints how often other precisions and a cascade choose the label of float32."""
    texts = distinct_texts(given.file, given.agreement)
    exact = runs["float32"](texts)
    same = np.mean([a == b for a, b in zip(runs["bf16"](texts), exact, strict=True)])
    print(f"bf16: {100 * same:.2f} % of {len(texts)} texts labelled as by float32", flush=True)
    cascade(texts, exact)


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    usual = Path(os.environ.get("LANSER_DATA_ROOT", "."), "text_tweeteval_emotion/test_text.txt")
    parser.add_argument("file", type=Path, nargs="?", default=usual)
    parser.add_argument("--texts", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--agreement", type=int, default=200, help="texts compared with float32")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--compile", action="store_true", help="also run torch.compile: minutes")
    parser.add_argument("--model", default="package:lanser-nli")
    parts = ("speed", "agreement", "sharing")
    parser.add_argument("--parts", nargs="+", choices=parts, default=parts)
    given = parser.parse_args(arguments)
    os.environ["OMP_NUM_THREADS"] = str(given.threads)
    warnings.simplefilter("ignore")

    import torch
    import transformers

    from lanser_bench.stages.base import machine

    torch.set_num_threads(given.threads)
    transformers.utils.logging.set_verbosity_error()
    model, tokenizer = of_transformers(given.model)
    with tempfile.TemporaryDirectory() as folder:
        runs = contenders(given, model, tokenizer, Path(folder))
        print(f"{machine()}, {given.threads} threads; {given.texts} texts × {len(LABELS)} labels")
        if "speed" in given.parts:
            speed(given, runs, model, tokenizer)
        if "agreement" in given.parts:
            agreement(given, runs)
        if "sharing" in given.parts:
            shared(given.model, distinct_texts(given.file, 2), given.rounds)


if __name__ == "__main__":
    main()
