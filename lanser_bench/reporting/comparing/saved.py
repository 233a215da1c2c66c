"""Labels saved: how many labels one side needs for the score of the other, budget by budget."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ..._face import Tabled
from ...errors import DataError, SettingsError
from ...evaluation.contrast import score_of
from ...evaluation.families import MetricName
from ...evaluation.results import Metric
from ...evaluation.savings import Curve, Saved, labels_saved
from ...numbers import percent
from ..groups import Group
from ..selection import Selection
from ..tables.sheet import ONE_SEED, Column, Entry, Sheet, Shown
from .compare import read_sides
from .responses import Response
from .sides import left_out_notes, pairs, side_head


@dataclass(frozen=True)
class SavedLine:
    """One budget of A on a labelled set, and what B needs for the same score."""

    what: str
    """What the two share: the other axes, and the labelled set."""
    budget: str
    n_labels: float
    """Mean number of labels over folds and draws."""
    score: Metric
    other: Metric | None
    """B's score with as many labels; None beyond its budgets."""
    saved: Saved


@dataclass(frozen=True)
class SavedBoard(Tabled):
    """Labels that A saves against B."""

    a: str
    b: str
    metric: MetricName
    lines: list[SavedLine]
    left_out: list[str]


def compare_labels(
    a: str | Path,
    b: str | Path,
    *,
    folder: Path = Path("results"),
    metric: MetricName = "uar",
    budget: str | None = None,
) -> SavedBoard:
    """Returns how many times as many labels B needs for the scores of A at each of its budgets.

    The sides are those of `compare`. With a `budget`, only that of A counts.

    Raises:
        SettingsError: `area`, which is a score of all budgets, or an unknown axis or value.
        DataError: no cells of the two can be compared, or they have no curve.
    """
    if metric == "area":
        raise SettingsError("area is a score of all budgets: use uar, wa or macro_f1.")
    sides, unread = read_sides(
        (str(a), str(b)), folder, cache(lambda place: Selection.read([place]))
    )
    matched, left_out = pairs(sides, Response(metric).hindrance)
    lines = []
    for what, one, other in matched:
        points = _budgets(other)
        curve = Curve([n for _, n in points], [other.side(metric, name) for name, _ in points])
        if len(points) < 2:
            left_out.append(f"{what}: a single budget is no curve")
            continue
        lines += [
            _line(what, one, name, n_labels, curve, metric)
            for name, n_labels in _budgets(one)
            if budget in (None, name)
        ]
    if not lines:
        reasons = "; ".join(left_out[:3]) or f"no cell of '{a}' has the budget {budget}"
        raise DataError(f"'{a}' and '{b}' cannot be compared: {reasons}.")
    return SavedBoard(str(a), str(b), metric, lines, [*left_out, *unread])


def _budgets(group: Group) -> list[tuple[str, float]]:
    """Returns budgets with their mean number of labels, increasing; equal ones once."""
    found = {result.n_labels: result.budget for result in group.evaluation.budgets}
    return [(found[n_labels], n_labels) for n_labels in sorted(found)]


def _line(
    what: str, one: Group, budget: str, n_labels: float, curve: Curve, metric: MetricName
) -> SavedLine:
    side = one.side(metric, budget)
    within = curve.labels[0] <= n_labels <= curve.labels[-1]
    other = score_of(curve.at(math.log(n_labels))) if within else None
    saved = labels_saved(side, n_labels, curve)
    return SavedLine(what, budget, n_labels, score_of(side), other, saved)


def saved_sheet(found: SavedBoard) -> Sheet:
    """Returns the ratios as a table."""
    notes = [
        f"labels saved: labels that {found.b} needs for the score of {found.a}, divided by the "
        "labels used; 2.0 means twice as many",
        "95 % intervals over speakers × training seeds: ratios at which the paired difference is "
        "not significant, each line on its own; the curve is linear in the logarithm of labels",
        "> and <: beyond the budgets that were measured; nothing is extrapolated",
    ]
    if not all(line.saved.seeds_known for line in found.lines):
        notes.append(ONE_SEED)
    name = found.metric.replace("_", "-")
    return Sheet(
        title=f"labels saved at equal {name}: {found.a} against {found.b}",
        columns=[
            Column("what", ""),
            Column("budget", "budget"),
            Column("n_labels", "labels", "{:.0f}".format, True),
            Column("a", side_head(found.a), percent, True),
            Column("b", side_head(found.b), percent, True),
            Column("saved", "labels saved", right=True),
            *(Column(key, None) for key in ("low", "high", "least", "most", "beyond")),
        ],
        rows=[_entry(line) for line in found.lines],
        notes=[*notes, *left_out_notes(found.left_out)[0]],
        faults=left_out_notes(found.left_out)[1],
    )


def _entry(line: SavedLine) -> Entry:
    saved = line.saved
    low, high = saved.interval or (None, None)
    text = Shown(saved.ratio, saved_text(saved))
    scores = {"a": line.score, "b": line.other, "saved": text, "low": low, "high": high}
    ends = {name: getattr(saved, name) for name in ("least", "most", "beyond")}
    return Entry({**vars(line), **scores, **ends})


def saved_text(saved: Saved) -> str:
    """Returns a ratio with its interval, such as ``2.1 [1.3, > 4.0]``."""
    above, below = f"> {saved.most:.2g}", f"< {saved.least:.2g}"
    missing = above if saved.beyond else below
    text = missing if saved.ratio is None else f"{saved.ratio:.2g}"
    if saved.interval is not None:
        low, high = saved.interval
        ends = below if low is None else f"{low:.2g}", above if high is None else f"{high:.2g}"
        text += f" [{', '.join(ends)}]"
    return text if saved.seeds_known else f"{text} *"
