"""Planted regressions, each caught by one command with exit code 1.

    python tests/benchmarks/gate_planted.py [--folder DIR]

Labels alone, on the sentences of the synthetic corpus or on its speech: a labeler swapped,
entailment with one template that fits nothing, a taxonomy with other wording, a recogniser with
more errors (a table of transcripts with wrong words). Whole runs of the shipped grid `regression`:
its labeler swapped, Whisper's encoder without its transformer layers, a probe broken. Every plant
is compared with the unchanged run, which must pass. About ten minutes on two cores.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from lanser_bench.data.utterances import read_utterances
from lanser_bench.experiment import label_corpus

ROOT = Path(__file__).parents[2]
PLUGINS = Path(__file__).parent / "plugins"
SENTENCES = (
    *("text", str(ROOT / "plugins" / "datasets"), "tables=[synthetic_sentences.tsv]"),
    *("columns={label: emotion}", "taxonomy=goemotions-ekman"),
)
SPEECH = ("synthetic", "clips=240", "speakers=12", "seed=1")
WORDING = ("busy", "tall", "quick", "near", "round", "early")


@dataclass(frozen=True)
class Labels:
    """A plant in labels alone: arguments of ``gate labels`` before and after."""

    name: str
    dataset: Sequence[str]
    before: Sequence[str]
    after: Sequence[str]
    score: str


@dataclass(frozen=True)
class Run:
    """A plant in a run of `regression`: overrides before and after."""

    name: str
    before: Sequence[str]
    after: Sequence[str]
    score: str


def lanser(folder: Path, *words: str) -> int:
    """Runs a command; returns its exit code."""
    with (folder / "said.txt").open("a") as said:
        done = subprocess.run(
            [sys.executable, "-m", "lanser_bench", *words],
            cwd=folder,
            stdout=said,
            stderr=said,
            check=False,
        )
    return done.returncode


def plants(folder: Path) -> list[Labels | Run]:
    """All planted regressions; writes the files that they need."""
    taxonomy = yaml.safe_load((ROOT / "taxonomies" / "ekman-6.yaml").read_text())
    for label, word in zip(taxonomy["labels"], WORDING, strict=True):
        label |= {"hypothesis": word, "synonyms": [word]}
    taxonomy.pop("languages", None)
    (folder / "ekman-6.yaml").write_text(yaml.safe_dump(taxonomy, sort_keys=False))
    tables = {share: write_transcripts(folder, share) for share in (0.05, 0.25)}
    asr = {share: ("--asr", f"{{name: table, file: {path}}}") for share, path in tables.items()}
    similar = ("--labeler", "similarity")
    entailment = ("--labeler", "entailment")
    one = 'templates=["The building is {}."]'
    broken = "probes=[{name: misaligned, broken: true}]"
    return [
        Labels("entailment → random", SENTENCES, entailment, ("--labeler", "random"), "kappa"),
        Labels("similarity → random", SENTENCES, similar, ("--labeler", "random"), "kappa"),
        Labels(
            "entailment: all templates → one",
            SENTENCES,
            (*entailment, "--option", "templates=all"),
            (*entailment, "--option", one),
            "kappa",
        ),
        Labels(
            "wording of a taxonomy",
            SENTENCES,
            entailment,
            (*entailment, "--taxonomy", str(folder / "ekman-6.yaml")),
            "kappa",
        ),
        Labels(
            "ASR: 5 % → 25 % wrong words",
            SPEECH,
            (*similar, *asr[0.05]),
            (*similar, *asr[0.25]),
            "wer",
        ),
        Run("labeler lexicon → random", (), ("labeler=random",), "labels.kappa"),
        Run("encoder: transformer layers lost", (layers(5),), (layers(1),), "uar"),
        Run("probe broken", ("probes=[misaligned]",), (broken,), "r2"),
    ]


def layers(kept: int) -> str:
    """An override: Whisper's encoder with some of its five layers."""
    return f"encoder={{name: losing-layers, kept: {kept}}}"


def write_transcripts(folder: Path, share: float) -> Path:
    """Writes the corpus' transcripts with a share of their words replaced; returns the table."""
    options = {"clips": 240, "speakers": 12, "seed": 1}
    place = json.dumps(str(folder / "store"))
    (corpus,) = label_corpus(
        {"dataset": "synthetic", **options}, "random", "ekman-6", overrides=[f"paths.store={place}"]
    )
    table = read_utterances(corpus.manifest.artifact)
    rng = np.random.default_rng(3)
    path = folder / f"transcripts-{round(100 * share)}.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "transcript"])
        for name, text in zip(table.ids, table.transcripts, strict=True):
            words = [w if rng.random() >= share else "table" for w in str(text).split()]
            writer.writerow([name, " ".join(words)])
    return path


def gate(folder: Path, plant: Labels | Run, number: int) -> tuple[int, int, dict]:
    """Exit codes of the unchanged run and of the plant, and the plant's row of its score."""
    result, base = folder / f"{number}.json", folder / f"{number}.parquet"
    if isinstance(plant, Labels):
        common = ("gate", "labels", *plant.dataset, "--store", "store")
        assert lanser(folder, *common, *plant.before, "--write", str(base)) == 0, plant.name
        same = lanser(folder, *common, *plant.before, "--baseline", str(base))
        written = ("--baseline", str(base), "--json", str(result))
        code = lanser(folder, *common, *plant.after, *written)
    else:
        sides = [folder / f"{number}-{side}" for side in ("before", "after")]
        for side, changes in zip(sides, (plant.before, plant.after), strict=True):
            paths = (f"paths.store={folder / 'store'}", f"paths.results={side}")
            plugins = ("--plugins-dir", str(PLUGINS))
            assert lanser(folder, "run", "regression", *paths, *changes, *plugins) == 0, plant.name
        baseline = ("gate", "--baseline", str(sides[0]), "--candidate")
        same = lanser(folder, *baseline, str(sides[0]))
        code = lanser(folder, *baseline, str(sides[1]), "--json", str(result))
    rows = json.loads(result.read_text())["compared"]
    wanted = (plant.score, f"labels.{plant.score}", f"transcripts.{plant.score}")
    worst = {"worse": 0, "undecided": 1, "same": 2, "better": 3}
    own = [row for row in rows if row["metric"] in wanted]
    return same, code, min(own, key=lambda row: worst[row["verdict"]])


def main() -> None:
    """Prints a line per plant."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=None)
    parser.add_argument("--only", type=int, nargs="*", help="Numbers of plants, from 0.")
    options = parser.parse_args()
    folder = (options.folder or Path(tempfile.mkdtemp(prefix="planted-"))).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    print(
        f"{'planted':<34}{'score':<14}{'before':>8}{'after':>8}{'detectable':>11}{'p':>9}"
        f"{'unchanged':>11}{'planted':>9}"
    )
    for number, plant in enumerate(plants(folder)):
        if options.only and number not in options.only:
            continue
        same, code, row = gate(folder, plant, number)
        numbers = f"{row['baseline']:>8.3f}{row['candidate']:>8.3f}{row['detectable'] or 0:>11.3f}"
        print(
            f"{plant.name:<34}{plant.score:<14}{numbers}{row['p_value']:>9.2g}"
            f"{f'exit {same}':>11}{f'exit {code}':>9}",
            flush=True,
        )


if __name__ == "__main__":
    main()
