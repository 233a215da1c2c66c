"""Error records: one file per failed cell in the store, and one among the results.

Both are removed when the cell succeeds. A file has the name of its cell, not of its key: fixing the
cause often changes the key.
"""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ...records.failed import SUFFIX, FailedCell, portable_error
from ...store import Store, digest, write_atomic
from ..planning.plan import Cell, Plan
from ..settings.axis_names import slug
from .scheduler import Failure


class FailureFiles:
    """The error records of one experiment, ``<store>/failures/<experiment>/<cell>.json``."""

    def __init__(self, store: Store, experiment: str, results: Path) -> None:
        """Lists the folders once, so that cells that never failed cost nothing."""
        self.folder = store.root / "failures" / experiment
        self._names = {path.name for path in self.folder.glob("*.json")}
        self.some = bool(self._names) or any((results / experiment).glob(f"*{SUFFIX}"))
        """Whether a cell has failed, in this run or before."""

    def __contains__(self, cell: Cell) -> bool:
        """Whether the cell's last try failed."""
        return self.path(cell).name in self._names

    def path(self, cell: Cell) -> Path:
        """Returns the path of a cell's record, which may not exist."""
        return self.folder / f"{slug(cell.name)}-{digest(cell.name)[:8]}.json"

    def write(self, failure: Failure, run_id: str) -> None:
        """Writes a failure; the stage itself has reported a full disk."""
        cell = failure.cell
        content: dict[str, Any] = {
            "experiment": cell.experiment,
            "cell": cell.name,
            "cell_key": cell.key,
            "stage": failure.stage,
            "key": failure.key,
            "settings": failure.settings,
            "error": failure.sentence,
            "traceback": failure.traceback,
            "attempts": failure.attempts,
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "run": run_id,
        }
        failed = FailedCell(
            experiment=cell.experiment,
            group=cell.group,
            cell=cell.name,
            stage=failure.stage,
            error=portable_error(failure.sentence),
            time=content["time"],
        )
        path, self.some = self.path(cell), True
        with suppress(OSError):
            write_atomic(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
            self._names.add(path.name)
            write_atomic(_among_results(cell), failed.model_dump_json(indent=1) + "\n")

    def forget(self, cell: Cell) -> None:
        """Removes the record of a finished cell."""
        path = self.path(cell)
        if path.name in self._names:
            self._names.discard(path.name)
            with suppress(OSError):
                path.unlink()
        with suppress(OSError):
            _among_results(cell).unlink()


def _among_results(cell: Cell) -> Path:
    """Returns the path of a cell's error record beside the records of the other cells."""
    folder = (cell.settings.paths.results / cell.record_path).parent
    return folder / f"{slug(cell.name)}-{digest(cell.name)[:8]}{SUFFIX}"


def failed_part(plan: Plan, store: Store) -> Plan:
    """Returns the plan of the cells whose last try failed."""
    files = FailureFiles(store, plan.experiment.name, plan.experiment.paths.results)
    return plan.part(lambda cell: cell in files)
