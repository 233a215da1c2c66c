"""A tracker that keeps the main scores of each cell in a CSV file."""

import csv

from lanser_bench import PluginOptions, Tracker, headline, hookimpl


@hookimpl
def register_trackers(register):
    """Registers the tracker as `scores-file`."""
    register("scores-file", f"{__name__}:ScoresFile")


class ScoresFileOptions(PluginOptions):
    """Options of the tracker."""

    file: str = "scores.csv"
    """Name of the file."""


class ScoresFile(Tracker[ScoresFileOptions]):
    """Appends the name of the cell, the metric and its value, one score per line."""

    Options = ScoresFileOptions
    version = "1"

    def log_cell(self, record, events, folder):
        """Appends the scores of one finished cell."""
        with (folder / self.options.file).open("a", encoding="utf-8", newline="") as file:
            rows = ((record["name"], name, value) for name, value in headline(record).items())
            csv.writer(file).writerows(rows)

    def view(self, folder):
        """Returns the command that shows the file."""
        return f"cat {folder / self.options.file}"
