"""Groups records for comparison: one cell on one labelled set, with all its seeds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import NamedTuple, TypeVar

from ..errors import DataError, SettingsError, did_you_mean
from ..evaluation.arrays import Floats
from ..evaluation.contrast import Contrast, Side, difference, score_of
from ..evaluation.curves import area_weights
from ..evaluation.families import Declared, MetricName
from ..evaluation.predictions import Classified, area_score, classification_score
from ..evaluation.results import EvaluationResult, Metric
from ..evaluation.statistics import Statistic
from ..measurements.metrics import CLASS_METRICS
from ..records.attachments import Place, classified, hit_statistics, probe_statistics, read_attached
from ..records.counts import COLUMNS, Counts, counted, footer_counts
from ..records.names import Names
from ..records.record import Attached, ResultRecord

T = TypeVar("T")


class CellId(NamedTuple):
    """Names a cell on a labelled set across runs, without seeds, keys and paths."""

    experiment: str
    group: str
    dataset: str
    target: int
    """Position of the labelled set in its records."""

    def __str__(self) -> str:
        """The cell's name in tables."""
        return f"{self.group} on {self.dataset}"


@dataclass
class Group:
    """One cell on one labelled set: a record per seed."""

    cell: CellId
    members: dict[int | None, tuple[Path, ResultRecord]] = field(default_factory=dict)
    """Seed → record."""
    _sides: dict[tuple[str, str | None], Side] = field(default_factory=dict, repr=False)
    """Score and budget → its sums, which are small beside the predictions."""

    @property
    def first(self) -> ResultRecord:
        """Any of its records, for what all share: they differ only in the seed."""
        return next(iter(self.members.values()))[1]

    @property
    def evaluation(self) -> EvaluationResult:
        """The first record's evaluation."""
        return self.first.datasets[self.cell.target].evaluation

    @property
    def has_predictions(self) -> bool:
        """Whether all its records have predictions beside them."""
        return all(record.predictions is not None for _, record in self.members.values())

    @property
    def drawn(self) -> bool:
        """Whether its training draws from a seed."""
        return any(seed is not None for seed in self.members)

    def side(self, metric: MetricName = "uar", budget: str | None = None) -> Side:
        """Returns its score per seed as sums over speakers.

        At the largest label budget if none is named; `area` takes all.

        Raises:
            DataError: the predictions are missing, damaged, of other utterances than those of
                another seed, or have no such budget.
        """
        if (metric, budget) not in self._sides:
            target = self.cell.target
            seeds = [
                statistic(path, r, target, metric, budget) for path, r in self.members.values()
            ]
            self._refuse_others()
            self._sides[metric, budget] = Side(seeds, self.drawn)
        return self._sides[metric, budget]

    def score(self, metric: MetricName = "uar", budget: str | None = None) -> Metric:
        """Returns its mean over seeds, with its interval over seeds × speakers; see `side`."""
        return score_of(self.side(metric, budget))

    def probes(self) -> dict[str, Side]:
        """Returns ``probe.target (scale)`` → its R² or UAR per seed, as sums over speakers.

        Targets that are missing in one of its records, or have no sums, are left out.

        Raises:
            DataError: a file of such sums is missing, damaged, or of other speakers than that of
                another seed.
        """
        seeds = [
            place_statistics(path, record.probe_sums, self.cell.target)
            | place_statistics(path, record.probe_hits, self.cell.target)
            for path, record in self.members.values()
        ]
        places = [place for place in seeds[0] if all(place in found for found in seeds)]
        for path, found in zip(self._files, seeds, strict=True):
            if any(len(found[place].sums) != len(seeds[0][place].sums) for place in places):
                raise self._odd(path)
        return {
            f"{place[0]}.{place[1]} ({place[2]})": Side([f[place] for f in seeds], self.drawn)
            for place in places
        }

    @cached_property
    def fault(self) -> str | None:
        """Why its scores cannot be computed from the files beside its records; None if they can."""
        return _fault_of(self.side)

    @cached_property
    def probe_fault(self) -> str | None:
        """The same for its probes; None also if its records have no sums."""
        return _fault_of(self.probes)

    @cached_property
    def utterances(self) -> list[str]:
        """Hash of each seed's utterances with their speakers and gold labels."""
        target, labels = self.cell.target, len(self.evaluation.labels)
        return [
            _counts(path, _attached(path, record), target, labels).utterances
            for path, record in self.members.values()
        ]

    def _refuse_others(self) -> None:
        """Raises `DataError` for predictions of other utterances than the first seed's."""
        if len(set(self.utterances)) > 1:
            first, *others = self.predictions()
            for path, other in zip(self._files[1:], others, strict=True):
                if apart(first, other):
                    raise self._odd(path)

    @property
    def _files(self) -> list[Path]:
        return [path for path, _ in self.members.values()]

    def _odd(self, path: Path) -> DataError:
        return DataError(
            f"{path} was measured on other utterances, speakers or gold labels than "
            f"{self._files[0].name}, another seed of the same row. Copy both with the files beside "
            "them again from where they were made, or run the experiment again."
        )

    def predictions(self) -> Iterator[Classified]:
        """Yields each seed's predictions at the largest budget; having none is a `DataError`."""
        for path, record in self.members.values():
            table = read_attached(path, _attached(path, record))
            yield classified(record, table, self.cell.target, self.evaluation.largest.budget)


def _fault_of(read: Callable[[], object]) -> str | None:
    try:
        read()
    except DataError as error:
        return str(error)
    return None


def grouped(records: Sequence[tuple[Path, ResultRecord]]) -> dict[CellId, Group]:
    """Groups records by experiment, group and labelled set."""
    groups: dict[CellId, Group] = {}
    for path, record in records:
        for target, result in enumerate(record.datasets):
            cell = CellId(record.experiment, record.group, result.dataset, target)
            groups.setdefault(cell, Group(cell)).members[record.seed] = path, record
    for group in groups.values():
        group.members = by_seed(group.members)
    return groups


def cell_titles(groups: Mapping[CellId, Group]) -> dict[str, str]:
    """Returns experiment and cell → its name on its set, as short as the others allow."""
    names = Names(group.first for group in groups.values())
    return {
        f"{cell.experiment}: {cell}": f"{names.name(group.first)} on {cell.dataset}"
        for cell, group in groups.items()
    }


def shared_text(groups: Iterable[Group]) -> str:
    """Returns what cells share, in words: the axes that their names leave out."""
    return "; ".join(Names(group.first for group in groups).captions)


def axis_named(axis: str, groups: Iterable[Group]) -> str:
    """Returns the axis in records that has this short name in tables; else the name itself."""
    every = [group.first for group in groups]
    if any(axis in axes_of(record) for record in every):
        return axis
    return next((a for a, short in Names(every).heads.items() if short == axis), axis)


def by_seed(members: Mapping[int | None, T]) -> dict[int | None, T]:
    """Returns members in the order of their seeds; one without a seed comes last."""
    return dict(sorted(members.items(), key=lambda member: (member[0] is None, member[0])))


def by_place(groups: Iterable[Group]) -> list[list[Group]]:
    """Splits groups by labelled set, split, and control of its gold labels."""
    places: dict[tuple[str, str, str], list[Group]] = {}
    for group in groups:
        found = group.evaluation
        place = group.cell.dataset, found.split_hash, str(found.control)
        places.setdefault(place, []).append(group)
    return list(places.values())


def checked_metric(name: str) -> MetricName:
    """Returns a score's name; an unknown one is a `SettingsError`."""
    for known in CLASS_METRICS:
        if known == name:
            return known
    raise SettingsError(f"Unknown metric '{name}'.{did_you_mean(name, CLASS_METRICS)}")


def statistic(
    path: Path, record: ResultRecord, target: int, metric: MetricName, budget: str | None = None
) -> Statistic:
    """Returns one record's score as sums over its speakers, sorted."""
    evaluation = record.datasets[target].evaluation
    if metric != "area":
        at = _at(path, record, target, budget or evaluation.largest.budget)
        return classification_score(at, metric)
    shares = [b for b in evaluation.budgets if b.fraction is not None] or [evaluation.largest]
    weights = area_weights([b.fraction or 1.0 for b in shares])
    return area_score([_at(path, record, target, b.budget) for b in shares], weights.tolist())


def unlike(a: Group, b: Group) -> str | None:
    """Returns why two groups cannot be compared utterance by utterance; None if they can."""
    mine, other = a.evaluation, b.evaluation
    if mine.labels != other.labels:
        return f"other labels: {_changed(mine.labels, other.labels)}"
    if mine.protocol != other.protocol:
        return f"another protocol: {mine.protocol} and {other.protocol}"
    if mine.split_hash != other.split_hash:
        return f"another split: {mine.split_hash[:8]} and {other.split_hash[:8]}"
    if mine.control != other.control:
        return f"another control: {mine.control} and {other.control}"
    budgets = mine.largest.budget, other.largest.budget
    if budgets[0] != budgets[1]:
        return f"another largest budget: {budgets[0]} and {budgets[1]}"
    if not (a.has_predictions and b.has_predictions):
        return "no predictions beside some of the records"
    if a.utterances[0] != b.utterances[0] and apart(next(a.predictions()), next(b.predictions())):
        return "other utterances, speakers or gold labels under the same split hash"
    return None


def apart(x: Classified, y: Classified) -> bool:
    """Whether predictions are of other utterances, speakers or gold labels."""
    return x.ids != y.ids or x.speakers != y.speakers or x.gold.tolist() != y.gold.tolist()


def same_speakers(a: Side, b: Side) -> bool:
    """Whether both were measured on as many speakers."""
    return len({len(seed.sums) for seed in (*a.seeds, *b.seeds)}) == 1


def probe_contrasts(a: Group, b: Group) -> dict[str, Contrast]:
    """Returns ``probe.target (scale)`` → score of `a` minus that of `b`, paired by speaker.

    Targets of only one of them, or of other speakers, are left out.
    """
    ours, theirs = a.probes(), b.probes()
    shared = [name for name in ours if name in theirs and same_speakers(ours[name], theirs[name])]
    return {name: difference(ours[name], theirs[name]) for name in shared}


def _changed(a: Sequence[str], b: Sequence[str]) -> str:
    gone, new = sorted(set(a) - set(b)), sorted(set(b) - set(a))
    return ", ".join([*(f"−{name}" for name in gone), *(f"+{name}" for name in new)]) or "order"


def _at(path: Path, record: ResultRecord, target: int, budget: str) -> Floats:
    evaluation = record.datasets[target].evaluation
    known = [b.budget for b in evaluation.budgets]
    if budget not in known:
        raise DataError(f"{path} has no budget {budget}, but {', '.join(known)}.")
    found = _counts(path, _attached(path, record), target, len(evaluation.labels)).tallies
    if budget not in found:
        raise DataError(f"{record.name}: its predictions have no rows at budget {budget}.")
    return found[budget]


@lru_cache(maxsize=64)
def _counts(path: Path, attached: Attached, target: int, n_labels: int) -> Counts:
    known = footer_counts(read_attached(path, attached, ("target",)), target, n_labels)
    return known or counted(read_attached(path, attached, COLUMNS), target, n_labels)


def _attached(path: Path, record: ResultRecord) -> Attached:
    if record.predictions is None:
        raise DataError(
            f"{path} cannot be compared utterance by utterance: it has no predictions beside it. "
            "If the store still has them, `lanser-bench results upgrade --store STORE` adds them. "
            "Otherwise run the experiment again."
        )
    return record.predictions


@lru_cache(maxsize=256)
def place_statistics(path: Path, attached: Attached | None, target: int) -> dict[Place, Statistic]:
    """Returns the scores in a file of probe sums or hits; empty without one."""
    if attached is None:
        return {}
    statistics = hit_statistics if attached.name == "classes" else probe_statistics
    return statistics(read_attached(path, attached), target)


def axes_of(record: ResultRecord) -> Mapping[str, str]:
    """Returns the axes that filters accept: the grid's axes and the cell's parts."""
    parts = {
        "asr": record.asr,
        "labeler": record.labeler,
        "taxonomy": record.taxonomy,
        "encoder": record.encoder,
        "control": record.control or "none",
        "role": record.role,
        "experiment": record.experiment,
        "group": record.group,
    }
    return {**{k: v for k, v in parts.items() if v is not None}, **record.axes}


def company(record: ResultRecord, axis: str) -> tuple[str, ...]:
    """Returns a cell's experiment and its axes but one, as ``name=value``."""
    others = {**record.axes, "experiment": record.experiment}
    return tuple(f"{name}={value}" for name, value in sorted(others.items()) if name != axis)


def declared_in(records: Sequence[ResultRecord]) -> tuple[Declared, ...]:
    """Returns the comparisons that any record declares, each once."""
    return tuple(dict.fromkeys(c for record in records for c in record.comparisons))
