"""What trackers share: names, curves and scores of a record, pictures."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from typing import Any

from lanser_bench import Event, metric_name

Scores = dict[str, float | int | str]
CONFIGURATION = (
    *("key", "group", "role", "control", "axes", "seed", "seeds", "asr", "labeler", "taxonomy"),
    *("encoder", "settings", "versions", "commit", "stages", "schema_version"),
)
LONGEST = 128
"""Characters in a name, which servers of W&B limit."""
METRICS = ("uar", "wa", "macro_f1")
TARGET = ("target", "scale", "layer", "strength", "n")
NUMBER_METRICS, CLASS_METRICS = ("r2", "pearson", "ccc"), ("uar", "wa")


def run_id(*parts: object) -> str:
    """Returns a run's id, from experiment, name and key for a cell: resending it updates it."""
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()[:16]


def cell_id(record: Mapping[str, Any]) -> str:
    """Returns the id of a cell's run."""
    return run_id(record["experiment"], record["name"], record["key"])


def shortened(text: str) -> str:
    """Returns a name of at most 128 characters; those of unlike texts stay unlike."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 9]}-{run_id(text)[:8]}"


def group_name(experiment: str, group: str) -> str:
    """Returns the group of a cell's runs, one per seed."""
    return shortened(f"{experiment}/{group}")


def configuration(record: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the facts by which runs can be filtered: settings, axes, identities, versions."""
    return {name: record[name] for name in CONFIGURATION}


def curves(events: Iterable[Event]) -> Iterator[dict[str, Any]]:
    """Yields one line per epoch of pre-training."""
    for event in events:
        for line in event.get("training", {}).get("epochs", ()):
            yield {f"pretrain/{name}": value for name, value in line.items()}


def datasets(record: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Returns the labelled sets of a record with unique names, as in `headline`."""
    names = [metric_name(result["dataset"]) for result in record["datasets"]]
    return [
        (name if names.count(name) == 1 else f"{name}.{i}", record["datasets"][i])
        for i, name in enumerate(names)
    ]


def budget_curves(record: Mapping[str, Any]) -> Iterator[tuple[str, float, int]]:
    """Yields name, score and number of labels at each label budget."""
    for name, result in datasets(record):
        for budget in result["evaluation"]["budgets"]:
            for metric in METRICS:
                value = budget[metric]["value"]
                yield f"{name}/curve/{metric}", value, round(budget["n_labels"])


def score_lines(record: Mapping[str, Any]) -> Iterator[Scores]:
    """Yields one line per label budget, one per fold score and probe target, one of other scores.

    A target's line also contains the score of each single layer: ``r2@layer_00``.
    """
    for name, result in datasets(record):
        budgets = result["evaluation"]["budgets"]
        for budget in budgets:
            line: Scores = {"budget": budget["budget"], "n_labels": budget["n_labels"]}
            if budget["fraction"] is not None:
                line["fraction"] = budget["fraction"]
            yield _under(f"{name}/curve", line | flat_all("", budget, METRICS))
        for budget in budgets:
            for fold in budget["folds"]:
                yield _under(f"{name}/folds", {"budget": budget["budget"], **fold})
        majority = result["evaluation"]["majority"]
        line = flat_all("majority/", majority, majority) | flat(
            "area", result["evaluation"]["area"]
        )
        for kind in ("zero_shot", "text_only"):
            if result.get(kind):
                line |= flat_all(f"{kind}/", result[kind], ("coverage", *METRICS))
        yield _under(f"{name}/other", line)
        for probe in result["probes"]:
            for target in probe["targets"]:
                line = {key: target[key] for key in TARGET}
                line |= flat_all("", target, NUMBER_METRICS) | _by_layer("r2", target)
                yield _under(f"{name}/{probe['probe']}", line)
            for target in probe.get("classes", ()):
                line = {key: target[key] for key in (*TARGET, "chance")}
                line |= flat_all("", target, CLASS_METRICS) | _by_layer("uar", target)
                yield _under(f"{name}/{probe['probe']}", line)


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


def load_pictures() -> None:
    """Imports what draws pictures, so that the first cell's time does not count it."""
    for module in ("matplotlib.backends.backend_agg", "matplotlib.figure", "PIL.Image"):
        import_module(module)
