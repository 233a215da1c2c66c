"""What of a record and its events trackers show: curves, scores, summary, a table, a picture."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from typing import Any

from lanser_bench import Event

Scores = dict[str, float | int | str]


def run_id(record: Mapping[str, Any]) -> str:
    """Returns the run's id: the same for the same cell of the same experiment."""
    text = f"{record['experiment']}\n{record['name']}\n{record['key']}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def configuration(record: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what a run can be filtered by: settings, axes, identities, versions."""
    kept = (
        "key",
        "group",
        "role",
        "control",
        "axes",
        "seed",
        "seeds",
        "asr",
        "labeler",
        "taxonomy",
        "encoder",
        "settings",
        "versions",
        "commit",
        "stages",
        "schema_version",
    )
    return {name: record[name] for name in kept}


def curves(events: Iterable[Event]) -> Iterator[dict[str, Any]]:
    """Yields one line per epoch of pre-training."""
    for event in events:
        for line in event.get("training", {}).get("epochs", ()):
            yield {f"pretrain/{name}": value for name, value in line.items()}


def score_lines(record: Mapping[str, Any]) -> Iterator[Scores]:
    """Yields one line per label budget, one per fold score and one per probe target.

    A target's line also holds what each layer scores by itself: ``r2@layer_00``.

    Lines and not `wandb.Table`: a table becomes an artifact, and an offline run then holds the
    absolute path of its staging folder.
    """
    for result in record["datasets"]:
        name = result["dataset"]
        for budget in result["evaluation"]["budgets"]:
            line: Scores = {"budget": budget["budget"], "n_labels": budget["n_labels"]}
            if budget["fraction"] is not None:
                line["fraction"] = budget["fraction"]
            for metric in ("uar", "wa", "macro_f1"):
                line |= flat(metric, budget[metric])
            yield {f"{name}/curve/{key}": value for key, value in line.items()}
        for budget in result["evaluation"]["budgets"]:
            for fold in budget["folds"]:
                scores = {"budget": budget["budget"], **fold}
                yield {f"{name}/folds/{key}": value for key, value in scores.items()}
        for probe in result["probes"]:
            for target in probe["targets"]:
                row: Scores = {k: target[k] for k in ("target", "scale", "layer", "strength", "n")}
                for metric in ("r2", "pearson", "ccc"):
                    row |= flat(metric, target[metric])
                row |= _by_layer("r2", target)
                yield {f"{name}/{probe['probe']}/{key}": value for key, value in row.items()}
            for told in probe.get("classes", ()):
                line = {k: told[k] for k in ("target", "scale", "layer", "strength", "n", "chance")}
                for metric in ("uar", "wa"):
                    line |= flat(metric, told[metric])
                line |= _by_layer("uar", told)
                yield {f"{name}/{probe['probe']}/{key}": value for key, value in line.items()}


def summary(record: Mapping[str, Any]) -> Scores:
    """Returns a run's columns: scores at each budget, area, majority, probes, label quality."""
    found: Scores = {}
    for result in record["datasets"]:
        name, evaluation = result["dataset"], result["evaluation"]
        for budget in evaluation["budgets"]:
            for metric in ("uar", "wa", "macro_f1"):
                found |= flat(f"{name}/{metric}@{budget['budget']}", budget[metric])
        found |= flat(f"{name}/area", evaluation["area"])
        for kind in ("zero_shot", "text_only"):
            for metric in ("coverage", "uar", "wa", "macro_f1") if result.get(kind) else ():
                found |= flat(f"{name}/{kind}/{metric}", result[kind][metric])
        for metric, value in evaluation["majority"].items():
            found |= flat(f"{name}/majority/{metric}", value)
        for probe in result["probes"]:
            for target in probe["targets"]:
                place = f"{name}/{probe['probe']}/{target['target']}/{target['scale']}"
                for metric in ("r2", "pearson", "ccc"):
                    found |= flat(f"{place}/{metric}", target[metric])
            for told in probe.get("classes", ()):
                place = f"{name}/{probe['probe']}/{told['target']}/{told['scale']}"
                found |= flat(f"{place}/uar", told["uar"]) | {f"{place}/chance": told["chance"]}
    for group in ("labels", "transcripts", "training"):
        found |= dict(_numbers(record[group], group))
    return found


def flat(name: str, metric: Mapping[str, Any]) -> Scores:
    """Returns a metric and the ends of its interval as plain numbers."""
    found: Scores = {name: metric["value"]}
    interval = metric["interval"]
    if interval is not None:
        found |= {f"{name}_low": interval["low"], f"{name}_high": interval["high"]}
    return found


def _by_layer(name: str, target: Mapping[str, Any]) -> Scores:
    """What each layer scores by itself; nothing in a record older than these scores."""
    found: Scores = {}
    for layer, metric in target.get("layers", {}).items():
        found |= flat(f"{name}@{layer}", metric)
    return found


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
            cells += [_shown(budget[metric]) for metric in ("uar", "wa", "macro_f1")]
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
        axes.plot(
            x, [100 * b["uar"]["value"] for b in budgets], marker="o", label=result["dataset"]
        )
        ends = [b["uar"]["interval"] for b in budgets]
        if all(ends):
            axes.fill_between(
                x, [100 * e["low"] for e in ends], [100 * e["high"] for e in ends], alpha=0.15
            )
    axes.set_xscale("log")
    axes.set_xlabel("human labels used (log scale)")
    axes.set_ylabel("UAR on held-out speakers, %")
    axes.legend(frameon=False)
    return figure
