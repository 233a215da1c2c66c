"""Prints the tables of a finished study from its records and its store, as Markdown.

    python tests/benchmarks/study_tables.py RESULTS --store STORE

Time per stage, word error rates, weak labels, curves, and the differences of each row to its
controls, paired by speaker.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from lanser_bench.evaluation.predictions import (
    Predictions,
    classified_rows,
    difference_statistic,
    read_predicted,
)
from lanser_bench.evaluation.results import Metric, TargetScore
from lanser_bench.evaluation.statistics import combine, metric
from lanser_bench.records.reading import load_records
from lanser_bench.records.record import ResultRecord
from lanser_bench.store import Store

Groups = dict[str, list[ResultRecord]]


def shown(found: Metric, unit: float = 1.0, digits: int = 2, sign: bool = False) -> str:
    """A score with its interval."""
    form = f"{{:{'+' if sign else ''}.{digits}f}}"
    text = form.format(found.value * unit)
    if found.interval is None:
        return text
    low, high = (form.format(v * unit) for v in (found.interval.low, found.interval.high))
    return f"{text} [{low}, {high}]"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Lines of a Markdown table."""
    yield "| " + " | ".join(head) + " |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield "| " + " | ".join(row) + " |"
    yield ""


def grouped(records: Sequence[ResultRecord]) -> Groups:
    """Row of the leaderboard → its seeds."""
    found: Groups = defaultdict(list)
    for record in records:
        name = record.control or (record.encoder + (" on weak labels" if record.labeler else ""))
        found[name].append(record)
    return dict(found)


def times(records: Sequence[ResultRecord]) -> Iterator[str]:
    """Wall time of each distinct stage, summed by kind."""
    seconds: dict[str, dict[str, float]] = defaultdict(dict)
    for record in records:
        for use in record.stages.values():
            seconds[use.stage][use.key] = use.seconds or 0.0
    rows = [[s, str(len(k)), f"{sum(k.values()):.0f}"] for s, k in seconds.items()]
    yield from table(("stage", "distinct", "seconds"), rows)


def words(record: ResultRecord) -> Iterator[str]:
    """Word error rate and weak labels of each corpus."""
    rows = []
    for corpus, report in record.transcripts.items():
        wer, labels = report["wer"], record.labels[corpus]
        counts = ", ".join(f"{name} {n}" for name, n in labels["labels"].items())
        error = f"{100 * wer['wer']:.1f} ({wer['words']})" if wer else "–"
        rows.append([corpus, str(report["utterances"]), error, counts])
    yield from table(("corpus", "utterances", "WER, % (reference words)", "weak labels"), rows)


def curves(groups: Groups) -> Iterator[str]:
    """UAR at every budget, the mean over seeds."""
    first = next(iter(groups.values()))[0].datasets[0].evaluation
    names = [b.budget for b in first.budgets]
    rows = []
    for name, members in groups.items():
        values = np.array(
            [[b.uar.value for b in r.datasets[0].evaluation.budgets] for r in members]
        )
        rows.append([name, str(len(members)), *(f"{100 * v:.1f}" for v in values.mean(0))])
    yield from table(("row", "seeds", *names), rows)


def averaged(pairs: Sequence[tuple[Predictions, Predictions]], score: str) -> Metric:
    """Mean over seeds of the paired difference, its interval over speakers."""
    parts = [difference_statistic(a, b, score) for a, b in pairs]
    return metric(combine(parts, [1 / len(parts)] * len(parts)))


def differences(groups: Groups, store: Store, main: str) -> Iterator[str]:
    """The main row against every other: UAR at all labels and at a tenth, R² of each target."""
    labels = groups[main][0].datasets[0].evaluation.labels
    probe = groups[main][0].datasets[0].probes[0]
    targets = [t.target for t in probe.targets if t.scale == "speaker"]
    rows = []
    for name, members in groups.items():
        if name == main:
            continue
        seeds = [members[i % len(members)] for i in range(len(groups[main]))]
        pairs = list(zip(groups[main], seeds, strict=True))
        row = [name]
        for budget in ("100%", "10%"):
            found = [tuple(_classified(store, r, budget, len(labels)) for r in p) for p in pairs]
            row.append(shown(averaged(found, "uar"), 100, 1, sign=True))
        for target in targets:
            found = [tuple(_values(store, r, target) for r in p) for p in pairs]
            row.append(shown(averaged(found, "r2"), sign=True))
        rows.append(row)
    yield from table(("minus", "UAR 100%", "UAR 10%", *targets), rows)


def _classified(store: Store, record: ResultRecord, budget: str, n: int) -> Predictions:
    key = next(u.key for u in record.stages.values() if u.stage == "evaluate")
    path = store.checked(key).path / "predictions.parquet"
    return classified_rows(pq.read_table(path, filters=[("budget", "==", budget)]), n)


def _values(store: Store, record: ResultRecord, target: str) -> Predictions:
    key = next(u.key for u in record.stages.values() if u.stage == "probe")
    return read_predicted(store.checked(key).path / "predictions.parquet", target, "speaker")


def probes(groups: Groups) -> Iterator[str]:
    """R² of each target, z-scored within speakers, the mean over seeds."""
    names = [t.target for t in _probe(next(iter(groups.values()))[0]) if t.scale == "speaker"]
    rows = []
    for name, members in groups.items():
        values = np.array(
            [[t.r2.value for t in _probe(r) if t.scale == "speaker"] for r in members]
        )
        rows.append([name, *(f"{v:.2f}" for v in values.mean(0))])
    yield from table(("row", *names), rows)


def _probe(record: ResultRecord) -> list[TargetScore]:
    return record.datasets[0].probes[0].targets


def main() -> None:
    """Prints all tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path)
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--main", default="resnet on weak labels")
    arguments = parser.parse_args()
    records = [record for _, record in load_records([arguments.results])]
    groups = grouped(records)
    store = Store(arguments.store)
    for title, lines in (
        ("Wall time", times(records)),
        ("Transcripts and weak labels", words(groups[arguments.main][0])),
        ("UAR in % by share of human labels", curves(groups)),
        ("R² by target, z-scored within speakers", probes(groups)),
        (f"{arguments.main}, minus each row", differences(groups, store, arguments.main)),
    ):
        print(f"### {title}\n")
        print("\n".join(lines))


if __name__ == "__main__":
    main()
