"""Trackers: readers of a run's event log. They can neither change nor stop a run."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from .base import OptionsT, Plugin

Event = Mapping[str, Any]
"""One line of the event log: ``event`` (its name), ``time`` (UTC, ISO 8601) and plain values."""


class Tracker(Plugin[OptionsT]):
    """Sends finished cells elsewhere, using only the run's own records."""

    @property
    def remote(self) -> bool:
        """Whether `log_cell` waits for another machine; a run then ends without waiting for it."""
        return False

    def prepare(self) -> None:
        """Imports the libraries that the other methods need; called once, before the first cell.

        `tracker_timeout_s` does not limit it, as imports take long on a busy machine.
        """

    def view(self, folder: Path) -> str | None:
        """Returns the command that shows, or uploads, what was sent; None if there is none.

        Args:
            folder: as in `log_cell`.
        """
        return None

    @abstractmethod
    def log_cell(self, record: Mapping[str, Any], events: Iterable[Event], folder: Path) -> None:
        """Sends one finished cell.

        Called in a helper process after the record is safely on disk; exceptions and hangs are
        reported and do not affect the run.

        Args:
            record: the result record as plain JSON values, without secrets and absolute paths.
            events: the events of the cell's stages, oldest first.
            folder: a scratch folder of this run where the tracker may keep files.
        """

    def log_grid(self, results: Path, folder: Path) -> None:
        """Sends a summary of the experiment, after its cells; by default nothing is sent.

        Called at the end of a run whose records have changed. `grid_summary` of `lanser_bench`
        makes the summary.

        Args:
            results: a folder with copies of the experiment's records, without secrets and paths.
            folder: as in `log_cell`.
        """
