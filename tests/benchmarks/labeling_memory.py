"""How much memory does labelling need for 10,000 transcripts, and for 1,000,000?

    python tests/benchmarks/labeling_memory.py [--rows 10000 1000000] [--labeler lexicon]

Each size runs the real label stage in a process of its own, over a manifest and transcripts that
are written block by block beforehand; the largest resident memory of that process is its peak
(`ru_maxrss`), with everything: Python, libraries, the text. The ratio is printed so, and beyond the
text itself: with its bytes taken off both peaks, although the stage never holds all of it.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from _figures import figure

from lanser_bench.stages.base import RunnableCall

BLOCK = 8192
SENTENCES = (
    "i really love the road and the house today",
    "they said you know money makes me so happy",
    "never again will we miss the bus and be so sad",
    "it was awful and disgusting and you are angry",
    "thanks i am grateful proud and not very worried",
)
TAXONOMY = "goemotions-28"


def text(number: int) -> str:
    """Ten words and a number, other for every number, but each tenth one is said twice."""
    number -= number % 10 == 9
    return f"{SENTENCES[number * 2_654_435_761 % 2**32 % len(SENTENCES)]} {number}"


def write_manifest(store_root: Path, rows: int) -> tuple[str, int]:
    """Writes utterances with transcripts; returns their key and the bytes of text."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from lanser_bench.data.utterances import SCHEMA, SUMMARY, UTTERANCES
    from lanser_bench.store import Spec, Store

    spec = Spec(stage="manifest", stage_version="1", params={"rows": rows})
    size = 0
    with Store(store_root).write(spec) as draft:
        with pq.ParquetWriter(draft.path / UTTERANCES, SCHEMA) as file:
            for begin in range(0, rows, BLOCK):
                numbers = range(begin, min(begin + BLOCK, rows))
                texts = [text(number) for number in numbers]
                size += sum(map(len, texts))
                blank = dict.fromkeys(SCHEMA.names)
                blank |= {"gold": "{}", "gold_kind": "single", "extras": "{}", "language": "en"}
                told = [
                    blank | {"id": f"utterance-{n:07}", "transcript": said}
                    for n, said in zip(numbers, texts, strict=True)
                ]
                file.write_table(pa.Table.from_pylist(told, schema=SCHEMA))
        summary = json.dumps({"card": {"taxonomy": None}})
        (draft.path / SUMMARY).write_text(summary, encoding="utf-8")
    return spec.key, size


def label(store_root: Path, utterances: str, labeler: str, shard_rows: int) -> dict[str, float]:
    """Runs the label stage as the executor would; returns seconds and the peak in bytes."""
    from lanser_bench.plugins.discovery import registry
    from lanser_bench.plugins.identity import plugin_identity
    from lanser_bench.plugins.taxonomies import find_taxonomy
    from lanser_bench.stages.base import run_call
    from lanser_bench.stages.label import spec as stage

    plugin = registry().create("labeler", labeler)
    spec = stage.spec(
        utterances=utterances,
        transcripts=None,
        labeler=plugin_identity(registry(), "labeler", labeler, plugin),
        taxonomy=find_taxonomy(registry(), TAXONOMY),
        params=stage.Params(prior_correction="corpus-mean", top_q=0.5, shard_rows=shard_rows),
        threads=1,
    )
    begin = time.perf_counter()
    report = run_call(RunnableCall("label", spec.key, spec.model_dump(mode="json"), store_root))
    seconds = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"seconds": seconds, "peak": peak, "distinct": report.counts["distinct"]}


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints both peaks and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 1_000_000])
    parser.add_argument("--labeler", default="lexicon")
    parser.add_argument("--shard-rows", type=int, default=4096)
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.child:
        found = label(Path(given.child[0]), given.child[1], given.labeler, given.shard_rows)
        print(json.dumps(found))
        return
    peaks, beyond = [], []
    for rows in given.rows:
        root = Path(tempfile.mkdtemp(prefix="labeling-memory-"))
        try:
            key, size = write_manifest(root, rows)
            command = [
                sys.executable,
                __file__,
                "--labeler",
                given.labeler,
                "--shard-rows",
                str(given.shard_rows),
                "--child",
                str(root),
                key,
            ]
            answer = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
        finally:
            shutil.rmtree(root)
        found = json.loads(answer.stdout)
        peaks.append(found["peak"])
        beyond.append(found["peak"] - size)
        print(
            f"{rows:9,} transcripts × 28 labels ({found['distinct']:,} distinct, "
            f"{size / 1e6:.1f} MB of text): peak {found['peak'] / 1e6:.0f} MB, "
            f"{found['seconds']:.0f} s, {rows / found['seconds']:.0f} utterances/s",
            flush=True,
        )
        figure(f"memory of label, {rows:,} utterances", [found["peak"] / 1e6], unit="MB")
    print(
        f"peak of the last / peak of the first: {peaks[-1] / peaks[0]:.3f}; beyond the text "
        f"itself: {beyond[-1] / beyond[0]:.3f}"
    )


if __name__ == "__main__":
    main()
