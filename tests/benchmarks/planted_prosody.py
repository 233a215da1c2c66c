"""What the probe finds of prosody that was planted, where the answer is known.

On `synthetic` each clip's pitch, range, rate and volume are settings of the voice. An encoder that
holds pitch must give them back; sentence embeddings, which hear nothing, must give nothing where
prosody ignores the words (congruence 0) and much where it follows them (congruence 1), up to the
ceiling that stands beside: knowing the emotion of the words itself.

    python tests/benchmarks/planted_prosody.py [--clips 840] [--speakers 12]
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lanser_bench.data.utterances import UtteranceTable, read_utterances
from lanser_bench.evaluation.folds import Fold
from lanser_bench.evaluation.predictions import Predicted, regression_metrics
from lanser_bench.evaluation.results import Metric, ProbeResult
from lanser_bench.evaluation.ridge import cross_predict
from lanser_bench.experiment import run_experiment
from lanser_bench.records.reading import load_record
from lanser_bench.records.record import ResultRecord
from lanser_bench.stages.probe import spec as probe
from lanser_bench.stages.probe.folds import checked_folds
from lanser_bench.stages.probe.numbers import within_speakers
from lanser_bench.stages.targets import read_targets
from lanser_bench.store import Store

PLANTED = ("planted_pitch", "planted_range", "planted_rate", "planted_volume")
PARAMS = probe.Params(sentence_folds=7, scales=("speaker",))
"""Within speakers: each voice adds a pitch of its own to the setting, so hertz do not tell the
setting across voices."""
CEILING = "emotion of the words"


@dataclass(frozen=True)
class Found:
    """What was found at one congruence."""

    scores: dict[str, dict[str, Metric]]
    """Row → target → R²."""
    folds: int
    disjoint: bool
    """Whether no fold shares a speaker or a sentence between its sides."""
    as_planted: bool
    """Whether the targets are the settings that the engine was told."""


def measured(folder: Path, congruence: float, clips: int, speakers: int) -> Found:
    """Speaks the corpus, embeds it twice and probes both."""
    settings = {
        "name": f"planted-{congruence}",
        "labeler": "majority",
        "taxonomy": "ekman-6",
        "encoder": "pitch-contour",
        "targets": [
            {
                "dataset": "synthetic",
                "clips": clips,
                "speakers": speakers,
                "congruence": congruence,
                "seed": 2,
            }
        ],
        "evaluate": {"budgets": [1.0], "seeds": 1, "strengths": [0.01]},
        "probes": ["planted"],
        "probe": PARAMS.model_dump(mode="json"),
        "controls": {"random_init": False, "logmel_stats": False, "text": True, "shuffled": "none"},
        "trackers": [],
        "executor": {"name": "local", "inline": True},
        "paths": {"store": str(folder / "store"), "results": str(folder / "results")},
    }
    outcome = run_experiment(settings, plugin_dirs=[Path(__file__).parent / "plugins"])
    if outcome.failures:
        raise SystemExit(outcome.failures[0].sentence)
    records = [load_record(path) for path in outcome.records]
    return _found(records, Store(folder / "store"))


def _found(records: list[ResultRecord], store: Store) -> Found:
    key = records[0].stages["targets targets.0 planted"].key
    table = read_utterances(store.checked(store.checked(key).spec.parents["utterances"]))
    targets = read_targets(store, key)
    folds = folds_of(table)
    scores = {r.encoder: _r2(r.datasets[0].probes[0]) for r in records}
    scores[CEILING] = ceiling(table, targets)
    disjoint = not any(
        {column[p] for p in fold.train} & {column[p] for p in fold.test}
        for fold in folds
        for column in (table.speakers, table.sentence_ids)
    )
    told = {name: [extras[name] for extras in table.extras] for name in PLANTED}
    same = all(np.array_equal(targets[name], told[name]) for name in PLANTED)
    return Found(scores, len(folds), disjoint, same)


def folds_of(table: UtteranceTable) -> list[Fold]:
    """The probe's own folds."""
    made = checked_folds(
        table,
        "speakers-and-sentences",
        folds=PARAMS.folds,
        sentence_folds=PARAMS.sentence_folds,
        seed=0,
    )
    return made.folds


def _r2(result: ProbeResult) -> dict[str, Metric]:
    return {score.target: score.r2 for score in result.targets}


def ceiling(table: UtteranceTable, targets: dict[str, np.ndarray]) -> dict[str, Metric]:
    """R² of the words' emotion itself, by the same ridge regression on the same folds."""
    emotions = np.array([extras["words_emotion"] for extras in table.extras])
    known = (emotions[:, None] == np.unique(emotions)).astype(float)
    speakers = [str(speaker) for speaker in table.speakers]
    truth = within_speakers(np.stack([targets[name] for name in PLANTED], 1), speakers)
    found = cross_predict(
        {"emotion": known},
        truth,
        speakers,
        folds_of(table),
        strengths=PARAMS.strengths,
        inner_folds=PARAMS.inner_folds,
        seed=0,
        sentences=[str(sentence) for sentence in table.sentence_ids],
    )
    columns = zip(PLANTED, truth.T, found.predicted.T, found.baseline.T, strict=True)
    return {
        name: regression_metrics(Predicted(table.ids, speakers, *values))["r2"]
        for name, *values in columns
    }


def verdicts(none: Found, full: Found) -> dict[str, bool]:
    """What must hold, in words → whether it does; at congruence 0 and at congruence 1."""
    both = (none, full)

    def pitch(found: Found, row: str) -> float:
        return found.scores[row]["planted_pitch"].value

    return {
        "the targets are the planted settings": all(found.as_planted for found in both),
        "no fold shares a speaker or a sentence": all(found.disjoint for found in both),
        "an encoder with pitch: R² of pitch ≥ 0.9": all(
            pitch(found, "pitch-contour") >= 0.9 for found in both
        ),
        "text at congruence 0: R² of pitch ≤ 0.1": pitch(none, "text") <= 0.1,
        "text at congruence 1: R² of pitch ≥ 0.3": pitch(full, "text") >= 0.3,
    }


def main() -> None:
    """Prints the table and what must hold; exit code 1 if something does not."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=840)
    parser.add_argument("--speakers", type=int, default=12)
    options = parser.parse_args()
    heads = [name.removeprefix("planted_") for name in PLANTED]
    print(f"R² within speakers, {options.clips} clips, {options.speakers} speakers")
    print(f"{'congruence':>10}  {'row':<22}" + "".join(f"{head:>22}" for head in heads))
    both = []
    with tempfile.TemporaryDirectory() as folder:
        for congruence in (0.0, 1.0):
            found = measured(Path(folder), congruence, options.clips, options.speakers)
            both.append(found)
            for row, scores in found.scores.items():
                shown = "".join(f"{_shown(scores[name]):>22}" for name in PLANTED)
                print(f"{congruence:>10}  {row:<22}{shown}", flush=True)
    held = verdicts(*both)
    print()
    for what, holds in held.items():
        print(f"{'yes' if holds else 'NO':>3}  {what}")
    raise SystemExit(not all(held.values()))


def _shown(found: Metric) -> str:
    if found.interval is None:
        return f"{found.value:.2f}"
    return f"{found.value:.2f} [{found.interval.low:.2f}, {found.interval.high:.2f}]"


if __name__ == "__main__":
    main()
