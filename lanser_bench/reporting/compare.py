"""Compares two cells, or all that two values of an axis have in common: paired, by speaker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import DataError, SettingsError, did_you_mean
from ..evaluation.contrast import Contrast, Side, holm
from ..evaluation.results import Metric
from ..evaluation.statistics import LEVEL
from .groups import CellId, Group, MetricName, axes_of, load_groups, unlike
from .probe_gaps import probe_contrasts


@dataclass(frozen=True)
class Line:
    """One comparison: A minus B."""

    what: str
    """What the two have in common: the other axes, and the labelled set."""
    a: Metric
    b: Metric
    difference: Metric
    p_value: float | None
    """Adjusted by Holm's method over the lines of the table, the mean not counted."""
    detectable: float | None
    seeds: tuple[int, int]
    seeds_known: bool


@dataclass(frozen=True)
class Comparison:
    """A against B."""

    a: str
    b: str
    metric: MetricName
    budget: str | None
    lines: list[Line]
    mean: Line | None
    """Over all lines of one labelled set and split; None where there is one line."""
    left_out: list[str]
    """What one of them has and the other has not, or what cannot be compared, and why."""
    targets: bool = False
    """True where lines are probe targets: R² of numbers and UAR of classes."""


def compare(
    a: str | Path,
    b: str | Path,
    *,
    folder: Path = Path("results"),
    metric: MetricName = "uar",
    budget: str | None = None,
    targets: bool = False,
) -> Comparison:
    """Compares two sides, each given by a place or by filters.

    Args:
        a: a record file, a folder, or filters such as ``labeler=entailment`` or
            ``encoder=cnn,control=none`` within `folder`.
        b: the other side, in the same words.
        folder: where filters look.
        metric: the score.
        budget: at which label budget; the largest if left out.
        targets: compares what probes found instead: a line per target and scale, R² of numbers and
            UAR of classes.

    Returns:
        A line per pair of cells that agree in everything else, and their mean.

    Raises:
        SettingsError: a filter names no axis, or no value that is there.
        DataError: nothing of the two can be compared.
    """
    sides = [_chosen(str(side), folder) for side in (a, b)]
    pairs, left_out = _pairs(*sides)
    found = []
    for what, one, other in pairs:
        if targets:
            found += [(f"{what}, {name}", c) for name, c in probe_contrasts(one, other).items()]
            continue
        contrast = Contrast([one.side(metric, budget), other.side(metric, budget)], [1.0, -1.0])
        found.append((what, contrast))
    if pairs and not found:
        left_out.append("no probe measured the same targets of both, with its sums beside them")
    if not found:
        reasons = "; ".join(left_out[:3]) or "they have nothing in common"
        raise DataError(f"'{a}' and '{b}' cannot be compared: {reasons}.")
    tested = [(what, c, c.p_value()) for what, c in found]
    adjusted = iter(holm([p for _, _, p in tested if p is not None]))
    lines = [
        _line(what, c, None if p is None else next(adjusted), len(tested)) for what, c, p in tested
    ]
    same_set = {(one.cell.dataset, one.evaluation.split_hash) for _, one, _ in pairs}
    mean = None
    if len(found) > 1 and len(same_set) == 1 and not targets:
        mean = _mean([contrast for _, contrast in found])
    return Comparison(str(a), str(b), metric, budget, lines, mean, left_out, targets)


def _line(what: str, contrast: Contrast, p: float | None, family: int) -> Line:
    half = len(contrast.sides) // 2
    shares = [abs(weight) for weight in contrast.weights[:half]]
    a, b = (Contrast(sides, shares) for sides in (contrast.sides[:half], contrast.sides[half:]))
    return Line(
        what=what,
        a=a.metric(),
        b=b.metric(),
        difference=contrast.metric(),
        p_value=p,
        detectable=contrast.detectable(alpha=(1 - LEVEL) / family),
        seeds=(sum(len(s.seeds) for s in a.sides), sum(len(s.seeds) for s in b.sides)),
        seeds_known=contrast.seeds_known,
    )


def _mean(contrasts: Sequence[Contrast]) -> Line:
    """The mean difference; cells that stand in several pairs are in it as often."""
    n = len(contrasts)
    sides: list[Side] = [c.sides[k] for k in (0, 1) for c in contrasts]
    whole = Contrast(sides, [1 / n] * n + [-1 / n] * n)
    return _line(f"mean of {n}", whole, whole.p_value(), 1)


def _chosen(side: str, folder: Path) -> dict[CellId, Group]:
    place = Path(side)
    if "=" not in side or place.exists():
        return load_groups([place])
    groups = load_groups([folder])
    for text in side.split(","):
        axis, _, value = (part.strip() for part in text.partition("="))
        known = {name for group in groups.values() for name in axes_of(group.first)}
        if axis not in known:
            raise SettingsError(
                f"No record in {folder} has the axis '{axis}'.{did_you_mean(axis, known)} There "
                f"are: {', '.join(sorted(known))}."
            )
        values = {axes_of(group.first).get(axis, "") for group in groups.values()} - {""}
        groups = {c: g for c, g in groups.items() if axes_of(g.first).get(axis) == value}
        if not groups:
            raise SettingsError(
                f"No record in {folder} has {axis}={value}.{did_you_mean(value, values)} There "
                f"are: {', '.join(sorted(values))}."
            )
    return groups


def _pairs(
    a: dict[CellId, Group], b: dict[CellId, Group]
) -> tuple[list[tuple[str, Group, Group]], list[str]]:
    """Pairs of cells that agree in all but what tells the sides apart."""
    if len(a) == len(b) == 1:
        one, other = next(iter(a.values())), next(iter(b.values()))
        why = unlike(one, other)
        what = one.cell.dataset
        return ([(what, one, other)], []) if why is None else ([], [why])
    ignored = _distinguishing(a, b)
    places = [{_rest(group, ignored): group for group in side.values()} for side in (a, b)]
    pairs, left_out = [], []
    for rest, one in places[0].items():
        match = places[1].get(rest)
        shown = ", ".join(rest)
        why = "only on the first side" if match is None else unlike(one, match)
        if match is not None and why is None:
            pairs.append((shown, one, match))
        else:
            left_out.append(f"{shown}: {why}")
    left_out += [
        f"{', '.join(rest)}: only on the second side"
        for rest in places[1].keys() - places[0].keys()
    ]
    return pairs, sorted(left_out)


def _distinguishing(a: dict[CellId, Group], b: dict[CellId, Group]) -> set[str]:
    """Axes in which no cell of one side agrees with any of the other."""
    axes = [_axes(group) for side in (a, b) for group in side.values()]
    names = {name for found in axes for name in found}
    return {
        name
        for name in names
        if not {_axes(g).get(name) for g in a.values()} & {_axes(g).get(name) for g in b.values()}
    }


def _axes(group: Group) -> dict[str, Any]:
    found = dict(axes_of(group.first))
    found.pop("group", None)
    return {**found, "dataset": f"{group.cell.dataset} {group.cell.target or ''}".strip()}


def _rest(group: Group, ignored: set[str]) -> tuple[str, ...]:
    """What two cells of a pair have in common, in words."""
    found = _axes(group)
    kept = [f"{axis}={value}" for axis, value in sorted(group.first.axes.items())]
    kept += [f"{name}={found[name]}" for name in ("control", "experiment")]
    shown = [text for text in kept if text.partition("=")[0] not in ignored]
    return (*(text for text in shown if text != "control=none"), str(found["dataset"]))
