"""Dose and response: a score as a function of a numeric axis, or of the weak labels' accuracy.

A line is all cells that differ only in the dose. Its slope is tested over speakers × seeds
(`evaluation.dose`), both for the score and for the lead over the controls. Only the lead shows the
dose's effect on the training rather than on the task.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..._face import Tabled
from ...errors import DataError, SettingsError, did_you_mean
from ...evaluation.contrast import Side, adjusted, difference, score_of
from ...evaluation.dose import MIN_DOSES, predicted, trend
from ...evaluation.results import Metric
from ...records.names import Names, control_text
from ...records.record import ResultRecord
from ..groups import Group, axes_of, axis_named, by_place, company, grouped, shared_text
from .responses import Response

MEASURED = "label-accuracy"
"""A dose that is not an axis: the share of weak labels that equal the gold labels, over utterances
that have both. For a control on shuffled labels it is the share before shuffling."""
LINES = (None, "reads_gold", "control_labeler", "shuffled", "shuffled_within_speaker")
"""Controls of cells that are trained on labels, which a dose may change; None: main cells."""


@dataclass(frozen=True)
class Point:
    """One cell."""

    dose: float
    name: str
    score: Metric
    seeds: int
    ahead: dict[str, Metric] = field(default_factory=dict)
    """Control → paired difference to it."""
    axes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Slope:
    """Score per unit of the dose."""

    of: str
    value: Metric
    p_value: float | None
    """For no trend; adjusted by Holm's method over the board's slopes."""
    detectable: float | None
    seeds_known: bool


@dataclass(frozen=True)
class Prediction:
    """A least-squares line over log2 of the doses, read at a dose that was not measured."""

    of: str
    per_doubling: Metric
    value: Metric
    seeds_known: bool


@dataclass(frozen=True)
class Line:
    """Cells that differ only in the dose, ordered by dose."""

    name: str
    control: str | None
    points: list[Point]
    slopes: list[Slope]
    """That of the score first; empty with fewer than `MIN_DOSES` doses."""
    predictions: list[Prediction] = field(default_factory=list)
    """The same at the dose to extrapolate to, if there is one."""


@dataclass(frozen=True)
class DoseBoard(Tabled):
    """All lines on one labelled set and split."""

    axis: str
    response: Response
    dataset: str
    split_hash: str
    n_speakers: int
    lines: list[Line]
    references: dict[str, Metric]
    """Rows without a dose, such as random weights."""
    left_out: list[str]
    extrapolate: float | None = None
    shared: str = ""
    head: str = ""
    """Short name of the axis."""


def dose_response(
    axis: str,
    records: Sequence[tuple[Path, ResultRecord]],
    response: Response,
    extrapolate: float | None = None,
) -> list[DoseBoard]:
    """Returns a board per labelled set.

    Args:
        axis: an axis whose values are numbers, such as ``corpora.0.congruence``, or `MEASURED`.
        records: with their paths.
        response: the score.
        extrapolate: a dose at which lines over log2 of the doses are read.

    Raises:
        SettingsError: no record has such an axis, or `extrapolate` is not positive.
        DataError: its values are not numbers (positive ones, to extrapolate), or no cell has the
            files for the score.
    """
    if extrapolate is not None and not 0 < extrapolate < float("inf"):
        raise SettingsError(f"The dose to extrapolate to is {extrapolate:g}; it must be above 0.")
    groups = list(grouped(list(records)).values())
    axis = axis_named(axis, groups)
    _check(axis, groups)
    made = (_board(axis, place, response, extrapolate) for place in by_place(groups))
    boards = [board for board in made if board is not None]
    if not boards:
        raise DataError(
            f"No cell by '{axis}' has the files beside its record that {response.title} needs."
        )
    return boards


def _check(axis: str, groups: Sequence[Group]) -> None:
    known = {name for g in groups for name in g.first.axes}
    if axis != MEASURED and axis not in known:
        raise SettingsError(
            f"No record has the axis '{axis}'.{did_you_mean(axis, {*known, MEASURED})}"
        )
    if not any(dose_of(g.first, axis) is not None for g in groups):
        values = sorted({axes_of(g.first)[axis] for g in groups if axis in axes_of(g.first)})
        raise DataError(
            f"The values of '{axis}' are not numbers: {', '.join(values)}."
            if axis != MEASURED
            else "No record has the accuracy of its weak labels: their corpora have no gold labels."
        )


def dose_of(record: ResultRecord, axis: str) -> float | None:
    """Returns a record's dose, or None."""
    if axis != MEASURED:
        try:
            return float(record.axes[axis])
        except (KeyError, ValueError):
            return None
    scores = [s for s in (report.against_gold for report in record.labels.values()) if s]
    n = sum(found.n for found in scores)
    return sum(found.n * found.wa.value for found in scores) / n if n else None


def _board(
    axis: str, groups: Sequence[Group], response: Response, extrapolate: float | None
) -> DoseBoard | None:
    names = Names(group.first for group in groups)
    left_out = [f"{names.name(g.first)}: {why}" for g in groups if (why := response.lacking(g))]
    usable = [g for g in groups if not response.lacking(g)]
    table: dict[tuple[str | None, tuple[str, ...]], dict[float, Group]] = defaultdict(dict)
    for group in usable:
        dose = dose_of(group.first, axis)
        if dose is not None and group.first.control in LINES:
            table[group.first.control, _alike(group.first, axis)][dose] = group
    if not table:
        return None
    lowest = min(dose for cells in table.values() for dose in cells)
    if extrapolate is not None and lowest <= 0:
        raise DataError(
            f"'{axis}' has the value {lowest:g}, which has no logarithm: extrapolation is linear "
            "in log2 of the dose."
        )
    references = {names.name(g.first): g for g in usable if g.first.control not in LINES}
    maker = _Maker(axis, names, table, references, response.side, extrapolate)
    lines = [
        maker.line(*key) for key in sorted(table, key=lambda key: (LINES.index(key[0]), key[1]))
    ]
    first = groups[0]
    return DoseBoard(
        axis,
        response,
        first.cell.dataset,
        first.evaluation.split_hash,
        first.evaluation.n_speakers,
        _adjusted(lines),
        {name: score_of(response.side(g)) for name, g in references.items()},
        sorted(left_out),
        extrapolate,
        shared_text(groups),
        names.heads.get(axis, axis),
    )


def _alike(record: ResultRecord, axis: str) -> tuple[str, ...]:
    """What the cells of a line share; with measured accuracy, a labeler's numbers may differ."""
    texts = company(record, axis)
    if axis != MEASURED:
        return texts
    number = re.compile(r"(?<==)[\d.]+")
    return tuple(number.sub("…", t) if t.startswith("labeler") else t for t in texts)


@dataclass(frozen=True)
class _Maker:
    """Makes lines with their leads over the controls."""

    axis: str
    names: Names
    table: Mapping[tuple[str | None, tuple[str, ...]], Mapping[float, Group]]
    references: Mapping[str, Group]
    side: Callable[[Group], Side]
    extrapolate: float | None

    def line(self, control: str | None, alike: tuple[str, ...]) -> Line:
        cells = dict(sorted(self.table[control, alike].items()))
        sides = {dose: self.side(group) for dose, group in cells.items()}
        rivals = dict(self._rivals(control, alike, list(cells)))
        points = []
        for dose, group in cells.items():
            name, score = self.names.name(group.first), score_of(sides[dose])
            ahead = {n: difference(sides[dose], of[dose]).metric() for n, of in rivals.items()}
            axes = dict(axes_of(group.first))
            points.append(Point(dose, name, score, len(group.members), ahead, axes))
        slopes, predictions = [], []
        if len(cells) >= MIN_DOSES:
            doses, own = list(sides), list(sides.values())
            others = {"itself": list[Side]()} | {
                f"ahead of {name}": list({id(other[d]): other[d] for d in doses}.values())
                for name, other in rivals.items()
            }
            # A control without a dose does not change the slope.
            made = {of: trend(doses, own, minus) for of, minus in others.items() if len(minus) != 1}
            slopes = [
                Slope(of, one.metric(), one.p_value(), one.detectable(), one.seeds_known)
                for of, one in made.items()
            ]
            if (at := self.extrapolate) is not None:
                predictions = [
                    _predicted(of, doses, own, minus, at) for of, minus in others.items()
                ]
        name = self._name([group.first for group in cells.values()])
        return Line(name, control, points, slopes, predictions)

    def _name(self, records: Sequence[ResultRecord]) -> str:
        """Names a line by what its cells share; labelers that differ in numbers by their plugin."""
        labelers = {self.names.values(record).get("labeler") for record in records}
        if len(labelers) == 1 or self.axis == "labeler":
            return self.names.name(records[0], {self.axis})
        plugin = axes_of(records[0]).get("labeler", "").partition("(")[0]
        return f"{self.names.name(records[0], {self.axis, 'labeler'})}: {plugin}"

    def _rivals(
        self, control: str | None, alike: tuple[str, ...], doses: Sequence[float]
    ) -> Iterator[tuple[str, dict[float, Side]]]:
        """Yields controls that were measured at every dose of a line, or have no dose."""
        if control is not None and control.startswith("shuffled"):
            return
        for (other, rest), cells in self.table.items():
            if (other or "").startswith("shuffled") and rest == alike and set(cells) >= set(doses):
                yield control_text(other), {dose: self.side(cells[dose]) for dose in doses}
        for group in self.references.values():
            own = set(company(group.first, "")) - {f"experiment={group.first.experiment}"}
            if group.first.control == "random_init" and own <= set(alike):
                yield control_text("random_init"), dict.fromkeys(doses, self.side(group))


def _predicted(
    of: str, doses: Sequence[float], own: Sequence[Side], minus: Sequence[Side], at: float
) -> Prediction:
    logs = [math.log2(dose) for dose in doses]
    slope = trend(logs, own, minus if len(minus) > 1 else ())
    value = predicted(logs, own, math.log2(at), minus)
    return Prediction(of, slope.metric(), value.metric(), value.seeds_known)


def _adjusted(lines: Sequence[Line]) -> list[Line]:
    """Adjusts the p-values of all slopes of a board."""
    p_values = iter(adjusted([slope.p_value for line in lines for slope in line.slopes]))
    return [
        replace(line, slopes=[replace(slope, p_value=next(p_values)) for slope in line.slopes])
        for line in lines
    ]
