"""Content of the report from records: rows with their files, stages, weak labels."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ...experiment.settings.axis_names import slug
from ...records.record import DatasetResult, ResultRecord
from ...store import digest
from ..groups import CellId, Group
from ..leaderboard.boards import Board, rank
from ..leaderboard.rows import Row
from ..selection import Selection

RANKED = 400
"""More records than this are sorted by their recorded scores, since reading the predictions of
thousands takes too long."""
RecordFile = tuple[Path, ResultRecord]


@dataclass(frozen=True)
class Source:
    """Origin of a row's numbers."""

    files: list[str]
    """Record files, one per seed."""
    keys: list[str]
    commit: str
    created: str
    version: str
    command: str
    """Command that explains the number."""


def board_anchor(board: Board) -> str:
    """Returns a board's stable anchor in pages, such as ``ravdess-1a2b3c4d``."""
    shape = (board.budget, board.area_axis, board.control)
    place = (board.protocol, board.split_hash, board.labels, *shape)
    return f"{slug(board.dataset)}-{digest(list(place))[:8]}"


def cell_anchor(experiment: str, group: str, target: int = 0) -> str:
    """Returns a row's stable anchor in pages; other rows and another run do not change it."""
    return f"cell-{digest([experiment, group, target])[:10]}"


def row_anchor(row: Row) -> str:
    """Returns the anchor of a row of a board."""
    return cell_anchor(row.experiment, row.name, row.target)


class Records:
    """The newest records of each row, with their files."""

    def __init__(self, files: Sequence[RecordFile]) -> None:
        """Groups records by row."""
        self.selection = Selection(files)
        self.files = self.selection.ordered
        self.older = len(files) - len(self.files)
        self.faults: dict[str, None] = {}
        """Sentences on unusable files of records, each once."""
        self._groups: dict[tuple[str, str], list[RecordFile]] = {}
        for path, record in self.files:
            self._groups.setdefault((record.experiment, record.group), []).append((path, record))

    @cached_property
    def boards(self) -> list[Board]:
        """The boards, largest first."""
        few = len(self.files) <= RANKED
        boards = rank(self.files if few else [record for _, record in self.files], targets=False)
        return sorted(boards, key=lambda board: (-len(board.main), -board.n_utterances))

    def of(self, row: Row) -> list[RecordFile]:
        """Returns the records of a row that have its labelled set, one per seed."""
        every = self._groups[row.experiment, row.name]
        return [(path, record) for path, record in every if row.target < len(record.datasets)]

    def results(self, row: Row) -> list[DatasetResult]:
        """Returns a row's results on its labelled set, one per seed."""
        return [record.datasets[row.target] for _, record in self.of(row)]

    def exact(self, row: Row) -> Group | None:
        """Returns a row's records if their predictions are readable."""
        name = self.results(row)[0].dataset
        group = self.selection.groups[CellId(row.experiment, row.name, name, row.target)]
        if group.has_predictions and (fault := group.fault or group.probe_fault):
            self.faults[fault] = None
        return None if group.fault or group.probe_fault else group

    def source(self, row: Row) -> Source:
        """Returns the origin of a row."""
        files = self.of(row)
        _, last = max(files, key=lambda pair: pair[1].created)
        commits = {str(record.commit or "not recorded") for _, record in files}
        return Source(
            files=[str(path) for path, _ in files],
            keys=[record.key for _, record in files],
            commit=", ".join(sorted(commits)),
            created=last.created[:16].replace("T", " "),
            version=last.versions.get("lanser-bench", "?"),
            command=f"lanser-bench cache explain {shlex.quote(str(files[0][0]))}",
        )

    def controls_of(self, board: Board, row: Row) -> list[Row]:
        """Returns a row's own controls, one of each kind: those that were run for it.

        A control has a row's axes, or those of them that it depends on: random weights depend on
        the encoder, not on the labeler. Where several fit, that with the most axes is taken.
        Controls of pre-training must have the row's encoder; a frozen encoder has none.
        """
        own: dict[str, Row] = {}
        for control in board.controls:
            if control.experiment != row.experiment or control.control is None:
                continue
            if control.control not in ("logmel_stats", "text") and (
                row.labeler is None or control.encoder != row.encoder
            ):
                continue
            best = own.get(control.control)
            if _matches(control, row) and (best is None or len(control.axes) > len(best.axes)):
                own[control.control] = control
        return list(own.values())

    def costs(self) -> dict[str, list[float]]:
        """Returns stage → seconds of its distinct artifacts."""
        used = {use.key: use for _, record in self.files for use in record.stages.values()}
        costs: dict[str, list[float]] = {}
        for use in used.values():
            costs.setdefault(use.stage, []).append(use.seconds or 0.0)
        return costs

    def seconds(self, row: Row) -> float | None:
        """Returns the wall time of all stages that one seed needs; None if one is unknown."""
        times = [
            None if record.external else use.seconds
            for _, record in self.of(row)
            for use in record.stages.values()
        ]
        known = [seconds for seconds in times if seconds is not None]
        return sum(known) / row.n_seeds if known and len(known) == len(times) else None


def _matches(control: Row, row: Row) -> bool:
    """Whether all axes of a control are the row's, but those that make it a control."""
    changed = ("labeler", "taxonomy") if control.control == "reads_gold" else ()
    return all(row.axes.get(a) == value for a, value in control.axes.items() if a not in changed)
