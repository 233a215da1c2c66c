"""The comparisons that an experiment declared before its run, tested as one family."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from ...evaluation.contrast import Contrast, difference
from ...evaluation.families import Declared, filters
from ...numbers import p_text
from ..groups import declared_in
from ..selection import Selection
from ..tables.sheet import ONE_SEED, Column, Entry, Sheet, Shown, verdict
from .compare import Line, tested
from .family import Family, picked_sides
from .responses import Response
from .sides import pairs


@dataclass(frozen=True)
class DeclaredLine:
    """A declared comparison on one labelled set."""

    settings: tuple[str, ...]
    """The filters that both sides share, `axis=value`."""
    score: str
    sides: str
    dataset: str
    split_hash: str
    metric: str
    line: Line

    @property
    def text(self) -> str:
        """The whole comparison in short names."""
        return self.name(())

    def name(self, common: Collection[str]) -> str:
        """The comparison without what is written elsewhere."""
        sides = "" if self.sides in common else f": {self.sides}"
        return ", ".join([*(x for x in self.settings if x not in common), self.score + sides])

    @property
    def of(self) -> tuple[str, str]:
        """The board that it belongs to: labelled set and split."""
        return self.dataset, self.split_hash


def declared_lines(selection: Selection) -> list[DeclaredLine]:
    """Returns a line per pair of cells; p is adjusted over each experiment's family.

    A comparison whose cells have no records, or none with predictions, counts with p = 1 and has no
    line.
    """
    found = []
    for experiment in sorted({record.experiment for _, record in selection.found}):
        own = Selection([pair for pair in selection.found if pair[1].experiment == experiment])
        places: list[tuple[tuple[str, ...], str, str, str, str, str]] = []
        contrasts: list[tuple[str, Contrast]] = []
        missing = 0
        for one in declared_in([record for _, record in own.found]):
            picked = picked_sides(one, own)
            response = Response(one.metric, one.budget)
            matched = pairs(picked, response.hindrance)[0] if picked else []
            missing += not matched
            for what, a, b in matched:
                contrasts.append((what, difference(*map(response.side, (a, b)))))
                place = a.cell.dataset, a.evaluation.split_hash, one.metric
                settings, sides = _worded(one, own)
                places.append((settings, response.title, sides, *place))
        lines = tested(contrasts, Family(others=(1.0,) * missing))
        found += [DeclaredLine(*p, line) for p, line in zip(places, lines, strict=True)]
    return found


def _worded(one: Declared, selection: Selection) -> tuple[tuple[str, ...], str]:
    """Returns the filters that both sides share, and what the sides are, in short names."""
    a, b = ([selection.short(*given) for given in filters(side)] for side in (one.a, one.b))
    shared = [given for given in a if given in b]
    sides = [",".join(f"{k}={v}" for k, v in x if (k, v) not in shared) for x in (a, b)]
    return tuple(f"{k}={v}" for k, v in shared), f"{sides[0]} minus {sides[1]}"


def common(lines: Sequence[DeclaredLine]) -> list[str]:
    """Returns what all lines share: settings, and the sides."""
    return [
        text
        for text in (*lines[0].settings, lines[0].sides)
        if all(text in (*one.settings, one.sides) for one in lines)
    ]


def declared_sheet(lines: Sequence[DeclaredLine]) -> Sheet:
    """Returns the comparisons as a table, in points."""
    notes = [
        "declared before the run: p by Holm over the family",
        "95 % intervals over speakers × training seeds, paired by utterance",
    ]
    sets, shared = {one.dataset for one in lines}, common(lines)
    where = any(set(one.settings) - set(shared) for one in lines)
    if not all(one.line.seeds_known for one in lines):
        notes.append(ONE_SEED)
    return Sheet(
        title="Declared comparisons, in points",
        columns=[
            Column("settings", "where" if where else None),
            Column("score", "score"),
            Column("sides", None if lines[0].sides in shared else "comparison"),
            Column("dataset", "on" if len(sets) > 1 else None),
            Column("a", "first", right=True, order=0),
            Column("b", "second", right=True, order=0),
            Column("difference", "difference", right=True, judged=True),
            Column("p", "p (Holm)", right=True),
            Column("detectable", "detectable", right=True, order=1),
        ],
        rows=[_entry(one, shared) for one in lines],
        notes=notes,
        shared=", ".join([*(f"on {name}" for name in sets if len(sets) == 1), *shared]),
    )


def _entry(one: DeclaredLine, shared: Collection[str]) -> Entry:
    response = Response(one.metric)
    line, star = one.line, "" if one.line.seeds_known else " *"
    return Entry(
        {
            "settings": ", ".join(text for text in one.settings if text not in shared),
            "score": one.score,
            "sides": one.sides,
            "dataset": one.dataset,
            "a": Shown(line.a, response.text(line.a)),
            "b": Shown(line.b, response.text(line.b)),
            "difference": Shown(line.difference, response.text(line.difference, sign=True)),
            "p": Shown(line.p_value, p_text(line.p_value) + star),
            "detectable": Shown(line.detectable, response.size_text(line.detectable)),
        },
        verdict=verdict(line.difference, line.p_value, lower_is_better=response.lower_is_better),
    )
