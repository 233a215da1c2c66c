"""Compares two cells, or all pairs of cells that two values of an axis share, by speaker."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from ..._face import Tabled
from ...errors import DataError, SettingsError
from ...evaluation.contrast import Contrast, Side, adjusted, difference
from ...evaluation.results import Metric
from ...evaluation.statistics import LEVEL
from ..groups import Group, probe_contrasts, shared_text
from ..selection import Groups, Selection
from .family import Family, family_of
from .responses import Response
from .sides import pairs, shared_axes


@dataclass(frozen=True)
class Line:
    """One comparison: A minus B."""

    what: str
    """What the two share: the other axes, and the labelled set."""
    a: Metric
    b: Metric
    difference: Metric
    p_value: float | None
    """Adjusted by Holm's method over the declared family if the comparison belongs to it, else over
    the lines of the table without the mean."""
    detectable: float | None
    seeds: tuple[int, int]
    seeds_known: bool
    axes: dict[str, str] = field(default_factory=dict)
    """What the two share, as in their records; empty for the mean."""


@dataclass(frozen=True)
class Comparison(Tabled):
    """A against B."""

    a: str
    b: str
    metric: str
    budget: str | None
    lines: list[Line]
    mean: Line | None
    """Over all lines of one labelled set and split; None for a single line."""
    left_out: list[str]
    """Sentences on cells that only one side has, or that cannot be compared."""
    targets: bool = False
    """Whether lines are probe targets: R² of numbers and UAR of classes."""
    shared: str = ""
    """What all cells share, in words."""
    family: Family = field(default_factory=Family)
    """Comparisons that were declared before the run."""


def compare(
    a: str | Path,
    b: str | Path,
    *,
    folder: Path = Path("results"),
    metric: str | None = None,
    budget: str | None = None,
    targets: bool = False,
) -> Comparison:
    """Compares two sides: a line per pair of cells that agree in everything else, and their mean.

    Args:
        a: a record file, a folder, or filters such as ``labeler=entailment`` or
            ``encoder=cnn,control=none`` within `folder`.
        b: the other side, in the same form.
        folder: where filters look for records.
        metric: the score, as `Response.metric`; ``uar`` if left out.
        budget: at which label budget; the largest if left out.
        targets: compares probe targets instead: a line per target and scale, R² of numbers and UAR
            of classes.

    Raises:
        SettingsError: a filter names an unknown axis or value, the metric is unknown, or `targets`
            is combined with a metric or budget.
        DataError: no cells of the two can be compared.
    """
    if targets and (metric is not None or budget is not None):
        raise SettingsError(
            "Each probe target has its own score, R² or UAR, over all its rows: leave --metric and "
            "--budget out with --targets."
        )
    response = Response(metric or "uar", budget)
    read = cache(lambda *places: Selection.read(places))
    sides, unread = read_sides((str(a), str(b)), folder, read)
    matched, left_out = pairs(sides, response.hindrance)
    contrasts, axes = _contrasts(matched, response, targets)
    if matched and not contrasts:
        left_out.append("no probe measured the same targets of both, with sums beside the records")
    if not contrasts:
        reasons = "; ".join(left_out[:3]) or "they have nothing in common"
        raise DataError(f"'{a}' and '{b}' cannot be compared: {reasons}.")
    family = Family()
    if not targets:
        family = family_of(sides, response, lambda: read(*_places(a, b, folder)))
    tests = zip(tested(contrasts, family), axes, strict=True)
    lines = [replace(line, axes=of) for line, of in tests]
    same_set = {(one.cell.dataset, one.evaluation.split_hash) for _, one, _ in matched}
    mean = None
    if len(contrasts) > 1 and len(same_set) == 1 and not targets:
        mean = _mean([contrast for _, contrast in contrasts])
    named = str(a), str(b), response.metric, budget
    return Comparison(*named, lines, mean, left_out + unread, targets, _shared(sides), family)


def _contrasts(
    matched: Sequence[tuple[str, Group, Group]], response: Response, targets: bool
) -> tuple[list[tuple[str, Contrast]], list[dict[str, str]]]:
    """Returns the difference of each line with its name, and what its two cells share."""
    contrasts, axes = [], []
    for what, one, other in matched:
        own = shared_axes(one, other)
        if targets:
            probes = probe_contrasts(one, other).items()
            contrasts += [(f"{what}, {name}", contrast) for name, contrast in probes]
            axes += [{**own, "target": name} for name, _ in probes]
        else:
            contrasts.append((what, difference(response.side(one), response.side(other))))
            axes.append(own)
    return contrasts, axes


def _shared(sides: Sequence[Groups]) -> str:
    cells = [group for side in sides for group in side.values()]
    datasets = {group.cell.dataset for group in cells}
    where = [f"on {name}" for name in datasets if len(datasets) == 1]
    return "; ".join(filter(None, [*where, shared_text(cells)]))


def read_sides(
    sides: Sequence[str], folder: Path, read: Callable[[Path], Selection]
) -> tuple[list[Groups], list[str]]:
    """Returns the cells of each side, and sentences on what could not be read."""
    picked: list[Groups] = []
    unread: dict[str, None] = {}
    for side in sides:
        place = Path(side)
        filtered = "=" in side and not place.exists()
        selection = read(folder if filtered else place)
        picked.append(selection.picked(side) if filtered else selection.groups)
        unread |= dict.fromkeys(selection.left_out)
    return picked, list(unread)


def _places(a: str | Path, b: str | Path, folder: Path) -> list[Path]:
    """Where the family's other records are: beside those that are given by their path."""
    given = [Path(side) for side in (a, b) if Path(side).exists()]
    return [p.parent if p.is_file() else p for p in given] or [folder]


def tested(contrasts: Sequence[tuple[str, Contrast]], family: Family) -> list[Line]:
    """Returns differences of two cells as lines, with p adjusted over them and their family."""
    p_values = adjusted([contrast.p_value() for _, contrast in contrasts], family.others)
    size = len(contrasts) + len(family.others)
    return [
        _line(what, contrast, p, size)
        for (what, contrast), p in zip(contrasts, p_values, strict=True)
    ]


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
    """The mean difference; a cell counts once for each of its pairs."""
    n = len(contrasts)
    sides: list[Side] = [c.sides[k] for k in (0, 1) for c in contrasts]
    whole = Contrast(sides, [1 / n] * n + [-1 / n] * n)
    return _line(f"mean of {n}", whole, whole.p_value(), 1)
