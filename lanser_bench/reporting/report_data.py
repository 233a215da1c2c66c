"""What the report shows, gathered from records: rows with their files, stages, weak labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from ..errors import DataError
from ..evaluation.contrast import DIFFERENCE, averaged
from ..evaluation.results import Metric
from .attached import DamagedFileError, attached_path, read_attached
from .leaderboard import Board, Row, rank
from .records import DatasetResult, ResultRecord, latest

RANKED = 120
"""More records than this are sorted, and not ranked by tests of every pair."""
Found = tuple[Path, ResultRecord]


@dataclass(frozen=True)
class Source:
    """Where a row's numbers come from."""

    files: list[str]
    """Record files, one per seed, as the user named their folder."""
    keys: list[str]
    commit: str
    created: str
    version: str
    command: str
    """Explains the number from audio on."""


@dataclass(frozen=True)
class Unaided:
    """A row's score without any human label of the set, mean over seeds."""

    name: str
    how: str
    uar: Metric
    coverage: Metric
    unreachable: list[str]
    """Gold labels that nothing maps to."""


@dataclass(frozen=True)
class CueLine:
    """What one cue of prosody is worth to a row's classifier, mean over seeds."""

    name: str
    cue: str
    """In plain words."""
    original: Metric
    """UAR on the recordings as they are."""
    vocoder: Metric
    """What resynthesis alone costs."""
    uar: Metric
    """With the cue flattened."""
    drop: Metric
    """From the resynthesis with nothing flattened."""
    sure: bool
    """Whether the interval of the drop leaves out 0."""


CUES = {"f0": "F0 flattened", "energy": "energy flattened"}


@dataclass(frozen=True)
class StageCost:
    """Wall time of one sort of stage."""

    stage: str
    runs: int
    """Distinct artifacts."""
    seconds: float


@dataclass(frozen=True)
class LabelQuality:
    """The weak labels that one labeler and taxonomy gave one corpus."""

    corpus: str
    labeler: str
    taxonomy: str
    labelled: int
    utterances: int
    entropy: float
    most_entropy: float
    confidence: float | None
    agreement: float | None
    """With gold, where the corpus has it."""
    kappa: float | None
    counts: dict[str, int]
    never: list[str]


class Records:
    """The newest records of each row, with their files."""

    def __init__(self, found: Sequence[Found]) -> None:
        """Groups records by row.

        Args:
            found: from `load_records`.
        """
        kept = {id(record) for record in latest(record for _, record in found)}
        self.found = [(path, record) for path, record in found if id(record) in kept]
        self.older = len(found) - len(self.found)
        self._groups: dict[tuple[str, str], list[Found]] = {}
        for path, record in self.found:
            self._groups.setdefault((record.experiment, record.group), []).append((path, record))

    @cached_property
    def boards(self) -> list[Board]:
        """The boards, those with most rows first."""
        return sorted(self._ranked(), key=_weight)

    def _ranked(self) -> list[Board]:
        """Boards with ranks from paired tests where that is feasible and no file is missing."""
        if len(self.found) <= RANKED:
            try:
                return rank(self.found)
            except DamagedFileError:
                raise
            except DataError:
                pass
        return rank(record for _, record in self.found)

    def of(self, row: Row) -> list[Found]:
        """The records of a row, one per seed."""
        return self._groups[row.experiment, row.name]

    def source(self, row: Row) -> Source:
        """Provenance of a row."""
        found = self.of(row)
        _, last = max(found, key=lambda pair: pair[1].created)
        commits = {_commit(record) for _, record in found}
        return Source(
            files=[str(path) for path, _ in found],
            keys=[record.key for _, record in found],
            commit=", ".join(sorted(commits)),
            created=last.created[:16].replace("T", " "),
            version=last.versions.get("lanser-bench", "?"),
            command=f"lanser-bench cache explain {_quoted(str(found[0][0]))}",
        )

    def controls_of(self, board: Board, row: Row) -> list[Row]:
        """The controls that a row is to be held against, one of each sort.

        Of several of a sort the one with the row's own axes is taken, else one of its encoder;
        an encoder that was not pre-trained has no use for a control of pre-training.
        """
        found: dict[str, Row] = {}
        for control in board.controls:
            if control.experiment != row.experiment or control.control is None:
                continue
            if control.control not in ("logmel_stats", "text") and (
                row.labeler is None or control.encoder != row.encoder
            ):
                continue
            best = found.get(control.control)
            if best is None or _likeness(control, row) > _likeness(best, row):
                found[control.control] = control
        return list(found.values())

    def unaided(self, board: Board, name: Callable[[Row], str]) -> list[Unaided]:
        """Scores of the pre-trained heads and of the labelers alone, read through the map."""
        found = []
        for row in (*board.main, *board.controls):
            results = self._results(board, row)
            for kind, how in (
                ("zero_shot", "head, from sound"),
                ("text_only", "labeler, from text"),
            ):
                there = [z for r in results if (z := getattr(r, kind)) is not None]
                if there:
                    found.append(
                        Unaided(
                            name(row), how, averaged([z.uar for z in there]),
                            averaged([z.coverage for z in there]), there[0].unreachable,
                        )
                    )  # fmt: skip
        return sorted(found, key=lambda u: -u.uar.value)

    def flattened(self, board: Board, name: Callable[[Row], str]) -> list[CueLine]:
        """What rows lose where a cue is flattened: one line per row and cue, in the board's order.

        A row is left out unless all of its seeds were tested so.
        """
        found = []
        for row in (*board.main, *board.controls):
            results = self._results(board, row)
            tested = [result.flatten for result in results if result.flatten is not None]
            if not tested or len(tested) < len(results):
                continue
            for cues in zip(*(one.cues for one in tested), strict=True):
                drop = averaged([cue.drop for cue in cues], DIFFERENCE)
                found.append(
                    CueLine(
                        name(row), CUES.get(cues[0].cue, cues[0].cue),
                        averaged([one.original for one in tested]),
                        averaged([one.vocoder for one in tested]),
                        averaged([cue.uar for cue in cues]), drop,
                        drop.interval is not None
                        and not drop.interval.low <= 0 <= drop.interval.high,
                    )
                )  # fmt: skip
        return found

    def _results(self, board: Board, row: Row) -> list[DatasetResult]:
        return [
            result
            for _, record in self.of(row)
            for result in record.datasets
            if result.dataset == board.dataset
        ]

    def costs(self) -> list[StageCost]:
        """Wall time by stage; an artifact that several cells share counts once."""
        seen: dict[str, tuple[str, float | None]] = {}
        for _, record in self.found:
            for use in record.stages.values():
                seen[use.key] = use.stage, use.seconds
        stages: dict[str, list[float]] = {}
        for stage, seconds in seen.values():
            stages.setdefault(stage, []).append(seconds or 0.0)
        return [StageCost(stage, len(times), sum(times)) for stage, times in stages.items()]

    def label_quality(self) -> list[LabelQuality]:
        """The weak labels of each corpus, labeler and taxonomy, once each."""
        found: dict[str, LabelQuality] = {}
        for _, record in self.found:
            for corpus, report in record.labels.items():
                place = f"label {corpus.partition(' ')[0]}"
                key = (
                    record.stages[place].key if place in record.stages else f"{corpus} {id(record)}"
                )
                if key not in found:
                    found[key] = _quality(record, corpus, report)
        return sorted(found.values(), key=lambda q: (q.labeler, q.taxonomy, q.corpus))


def _weight(board: Board) -> tuple[int, int]:
    return -len(board.main), -board.n_utterances


def _likeness(control: Row, row: Row) -> int:
    return sum(row.axes.get(axis) == value for axis, value in control.axes.items())


def _commit(record: ResultRecord) -> str:
    if record.commit is None:
        return "not recorded"
    return record.commit.revision[:10] + (" with changes" if record.commit.dirty else "")


def _quoted(path: str) -> str:
    import shlex

    return shlex.quote(path)


def _quality(record: ResultRecord, corpus: str, report: dict[str, Any]) -> LabelQuality:
    gold = report.get("gold") or {}
    return LabelQuality(
        corpus=corpus.partition(" ")[2] or corpus,
        labeler=record.labeler or "–",
        taxonomy=str(report.get("taxonomy", record.taxonomy)),
        labelled=int(report.get("labelled", 0)),
        utterances=int(report.get("utterances", 0)),
        entropy=float(report.get("label_entropy_bits") or 0),
        most_entropy=float(report.get("max_entropy_bits") or 0),
        confidence=report.get("mean_confidence"),
        agreement=gold.get("agreement"),
        kappa=gold.get("kappa"),
        counts={str(name): int(n) for name, n in report.get("labels", {}).items()},
        never=[str(name) for name in report.get("never_firing", [])],
    )


def attached_table(
    path: Path,
    record: ResultRecord,
    kind: Literal["predictions", "probe_sums", "probe_hits"],
) -> Any | None:
    """Returns a record's file beside it as a table; None where it has none or the file is missing.

    Raises:
        DamagedFileError: it is not the one that the record was written with.
    """
    attached = getattr(record, kind)
    if attached is None or not attached_path(path, attached).exists():
        return None
    return read_attached(path, attached)


def datasets_of(record: ResultRecord) -> list[str]:
    """Names of a record's labelled sets, in order."""
    return [result.dataset for result in record.datasets]
