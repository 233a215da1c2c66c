"""The parts of a record and its events that trackers show: curves, scores, a table, a picture."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from typing import Any

from lanser_bench import Event

Scores = dict[str, float | int | str]
CONFIGURATION = (
    *("key", "group", "role", "control", "axes", "seed", "seeds", "asr", "labeler", "taxonomy"),
    *("encoder", "settings", "versions", "commit", "stages", "schema_version"),
)
METRICS = ("uar", "wa", "macro_f1")
TARGET = ("target", "scale", "layer", "strength", "n")
NUMBER_METRICS, CLASS_METRICS = ("r2", "pearson", "ccc"), ("uar", "wa")


def run_id(record: Mapping[str, Any]) -> str:
    """Returns the run's id: the same for the same cell of the same experiment."""
    text = f"{record['experiment']}\n{record['name']}\n{record['key']}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def configuration(record: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the facts by which runs can be filtered: settings, axes, identities, versions."""
    return {name: record[name] for name in CONFIGURATION}


def curves(events: Iterable[Event]) -> Iterator[dict[str, Any]]:
    """Yields one line per epoch of pre-training."""
    for event in events:
        for line in event.get("training", {}).get("epochs", ()):
            yield {f"pretrain/{name}": value for name, value in line.items()}


def score_lines(record: Mapping[str, Any]) -> Iterator[Scores]:
    """Yields one line per label budget, one per fold score and one per probe target.

    A target's line also contains the score of each single layer: ``r2@layer_00``.

    Lines and not `wandb.Table`: a table becomes an artifact, and an offline run then contains the
    absolute path of its staging folder.
    """
    for result in record["datasets"]:
        name, budgets = result["dataset"], result["evaluation"]["budgets"]
        for budget in budgets:
            line: Scores = {"budget": budget["budget"], "n_labels": budget["n_labels"]}
            if budget["fraction"] is not None:
                line["fraction"] = budget["fraction"]
            yield _under(f"{name}/curve", line | flat_all("", budget, METRICS))
        for budget in budgets:
            for fold in budget["folds"]:
                yield _under(f"{name}/folds", {"budget": budget["budget"], **fold})
        for probe in result["probes"]:
            for target in probe["targets"]:
                line = {key: target[key] for key in TARGET}
                line |= flat_all("", target, NUMBER_METRICS) | _by_layer("r2", target)
                yield _under(f"{name}/{probe['probe']}", line)
            for target in probe.get("classes", ()):
                line = {key: target[key] for key in (*TARGET, "chance")}
                line |= flat_all("", target, CLASS_METRICS) | _by_layer("uar", target)
                yield _under(f"{name}/{probe['probe']}", line)


def summary(record: Mapping[str, Any]) -> Scores:
    """Returns a run's columns: scores at each budget, area, majority, probes, label quality."""
    columns: Scores = {}
    for result in record["datasets"]:
        name, evaluation = result["dataset"], result["evaluation"]
        for budget in evaluation["budgets"]:
            for metric in METRICS:
                columns |= flat(f"{name}/{metric}@{budget['budget']}", budget[metric])
        columns |= flat(f"{name}/area", evaluation["area"])
        for kind in ("zero_shot", "text_only"):
            if result.get(kind):
                columns |= flat_all(f"{name}/{kind}/", result[kind], ("coverage", *METRICS))
        majority = evaluation["majority"]
        columns |= flat_all(f"{name}/majority/", majority, majority)
        for probe in result["probes"]:
            for target in probe["targets"]:
                place = f"{name}/{probe['probe']}/{target['target']}/{target['scale']}/"
                columns |= flat_all(place, target, NUMBER_METRICS)
            for target in probe.get("classes", ()):
                place = f"{name}/{probe['probe']}/{target['target']}/{target['scale']}/"
                columns |= flat_all(place, target, ("uar",)) | {f"{place}chance": target["chance"]}
    for group in ("labels", "transcripts", "training"):
        columns |= dict(_numbers(record[group], group))
    return columns


def _under(place: str, line: Mapping[str, Any]) -> Scores:
    return {f"{place}/{name}": value for name, value in line.items()}


def flat_all(prefix: str, metrics: Mapping[str, Any], names: Iterable[str]) -> Scores:
    """Returns some metrics as plain numbers, see `flat`."""
    numbers: Scores = {}
    for name in names:
        numbers |= flat(f"{prefix}{name}", metrics[name])
    return numbers


def flat(name: str, metric: Mapping[str, Any]) -> Scores:
    """Returns a metric and the ends of its interval as plain numbers."""
    numbers: Scores = {name: metric["value"]}
    interval = metric["interval"]
    if interval is not None:
        numbers |= {f"{name}_low": interval["low"], f"{name}_high": interval["high"]}
    return numbers


def _by_layer(name: str, target: Mapping[str, Any]) -> Scores:
    """Scores of each single layer; none in a record from before they existed."""
    layers = target.get("layers", {})
    return flat_all(f"{name}@", layers, layers)


def _numbers(value: Any, place: str) -> Iterator[tuple[str, float]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _numbers(inner, f"{place}/{key}")
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield place, value


def score_table(record: Mapping[str, Any]) -> str:
    """Returns the scores at each label budget as an HTML table."""
    rows = []
    for result in record["datasets"]:
        for budget in result["evaluation"]["budgets"]:
            cells = [result["dataset"], budget["budget"], f"{budget['n_labels']:.0f}"]
            cells += [_shown(budget[metric]) for metric in METRICS]
            rows.append("<tr>" + "".join(f"<td>{escape(c)}</td>" for c in cells) + "</tr>")
    heads = ("dataset", "budget", "labels", "UAR %", "WA %", "macro-F1 %")
    head = "".join(f"<th>{h}</th>" for h in heads)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _shown(metric: Mapping[str, Any]) -> str:
    text, interval = f"{100 * metric['value']:.1f}", metric["interval"]
    if interval is None:
        return text
    return f"{text} [{100 * interval['low']:.1f}, {100 * interval['high']:.1f}]"


def picture(record: Mapping[str, Any]) -> Any | None:
    """Returns a matplotlib figure of the label-efficiency curves; None with a single budget."""
    shown = [r for r in record["datasets"] if len(r["evaluation"]["budgets"]) > 1]
    if not shown:
        return None
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = figure.add_subplot()
    for result in shown:
        budgets = sorted(result["evaluation"]["budgets"], key=lambda b: b["n_labels"])
        x = [b["n_labels"] for b in budgets]
        y = [100 * b["uar"]["value"] for b in budgets]
        axes.plot(x, y, marker="o", label=result["dataset"])
        ends = [b["uar"]["interval"] for b in budgets]
        if all(ends):
            low, high = ([100 * e[end] for e in ends] for end in ("low", "high"))
            axes.fill_between(x, low, high, alpha=0.15)
    axes.set_xscale("log")
    axes.set_xlabel("human labels used (log scale)")
    axes.set_ylabel("UAR on held-out speakers, %")
    axes.legend(frameon=False)
    return figure
