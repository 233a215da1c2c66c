"""A static site of results: an overview, a report per experiment, the history, the plugins.

All pages work from files, without a network and without scripts but those of the reports.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ... import __version__
from ...errors import DataError
from ...evaluation.contrast import difference
from ...evaluation.results import Metric
from ...experiment.settings.axis_names import slug
from ...plugins.discovery import registry
from ...records.reading import read_records
from ...store import write_atomic
from ..comparing.history import Line, read_history
from ..leaderboard.boards import Board
from ..leaderboard.rows import Row
from .data import RecordFile, Records, cell_anchor
from .finding import verdict
from .report import environment, part, render
from .whiskers import whisker

DECIDING = ("shuffled", "random_init")
"""Controls that weak pre-training must beat in the overview's headline."""
CONTROLS = {
    "shuffled": "shuffled labels",
    "random_init": "random weights",
    "logmel_stats": "log-mel statistics",
}
"""Controls in the overview → head of their column."""
SCALE = (-0.2, 0.2)
"""Ends of the overview's scale, in shares; longer intervals are cut there."""
BACK = '<nav class="card" aria-label="Site"><a href="../index.html">All experiments</a></nav>'
"""Put before the head of each report."""


def write_site(
    results: Iterable[str | Path],
    output: str | Path,
    *,
    report: Callable[[str], None] = lambda sentence: None,
) -> Path:
    """Writes a static site: the Python twin of `lanser-bench site`.

    Args:
        results: folders of result records; a ``history.parquet`` in them is shown too.
        output: folder of the site.
        report: called with a sentence for each file left out.

    Returns:
        The path of the overview.

    Raises:
        DataError: no records, or a place that cannot be written.
    """
    folders, site = [Path(place) for place in results], Path(output)
    reading = read_records(folders)
    for sentence in reading.left_out:
        report(f"Left out: {sentence}")
    experiments: dict[str, list[RecordFile]] = {}
    for path, record in sorted(reading.records, key=lambda found: found[1].created, reverse=True):
        experiments.setdefault(record.experiment, []).append((path, record))
    names = _file_names(experiments)
    pages = {
        f"experiments/{names[name]}.html": render(sorted(files)).replace(
            "<header", f"{BACK}<header", 1
        )
        for name, files in experiments.items()
    }
    lines = {name: _overview(Records(sorted(files))) for name, files in experiments.items()}
    files = [folder / "history.parquet" for folder in folders]
    history = [line for file in files if file.is_file() for line in read_history(file)]
    shared = {"names": names, "version": __version__, "style": part("report.css")}
    template = environment().get_template("site.html.j2")
    contents: dict[str, dict[str, Any]] = {
        "index": {
            "experiments": lines,
            "headline": _headline(lines),
            "controls": CONTROLS,
            "left_out": reading.left_out,
        },
        "history": {"trends": _trends(history)},
        "plugins": {"plugins": _plugins(reading.records)},
    }
    for page, content in contents.items():
        pages[f"{page}.html"] = template.render(page=page, **shared, **content)
    pages["index.json"] = json.dumps(_index(experiments, names), indent=1, ensure_ascii=False)
    try:
        for name, text in pages.items():
            write_atomic(site / name, text)
    except OSError as error:
        raise DataError(f"{site} cannot be written: {error.strerror}.") from None
    return site / "index.html"


def _file_names(experiments: Iterable[str]) -> dict[str, str]:
    """Returns experiment → name of its page, unique among them."""
    names: dict[str, str] = {}
    for name in sorted(experiments):
        made = slug(name)
        while made in names.values():
            made += "-2"
        names[name] = made
    return names


def _index(experiments: dict[str, list[RecordFile]], names: dict[str, str]) -> dict[str, Any]:
    """Returns what a program needs to find a cell: its page, keys and files."""
    return {
        name: {
            "page": f"experiments/{names[name]}.html",
            "records": [
                {
                    "cell": record.group,
                    "anchor": cell_anchor(record.experiment, record.group),
                    "seed": record.seed,
                    "key": record.key,
                    "file": path.name,
                    "created": record.created,
                }
                for path, record in sorted(files)
            ],
        }
        for name, files in experiments.items()
    }


def _overview(records: Records) -> list[dict[str, Any]]:
    """Returns a line per labelled set of an experiment."""
    return [_line(records, board) for board in records.boards if board.control is None]


def _headline(lines: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    gaps = [line["gaps"] for of_experiment in lines.values() for line in of_experiment]
    decided = [
        {of[name]["verdict"] for name in DECIDING} for of in gaps if {*DECIDING} <= of.keys()
    ]
    won = decided.count({"above"})
    return (
        f"{len(lines)} experiments: weak pre-training beats shuffled labels and random weights in "
        f"{won} of {len(decided)}"
    )


def _line(records: Records, board: Board) -> dict[str, Any]:
    trained = [row for row in board.main if row.labeler is not None]
    row = (trained or board.main or board.controls)[0]
    gaps = {}
    for control in records.controls_of(board, row) if trained else ():
        gap = _gap(records, row, control) if control.control in CONTROLS else None
        if gap is not None:
            gaps[control.control] = {
                "gap": gap,
                "whisker": whisker(gap, SCALE),
                "verdict": verdict(gap),
            }
    return {"board": board, "row": row, "gaps": gaps}


def _gap(records: Records, row: Row, control: Row) -> Metric | None:
    ours, theirs = records.exact(row), records.exact(control)
    if ours is None or theirs is None or not (ours.has_predictions and theirs.has_predictions):
        return None
    return difference(ours.side("uar"), theirs.side("uar")).metric()


def _trends(history: Sequence[Line]) -> list[dict[str, Any]]:
    """Returns a chart per cell: the places of its commits in percent, oldest first."""
    cells: dict[tuple[str, str, str], list[Line]] = {}
    for line in history:
        cells.setdefault((line["experiment"], line["cell"], line["dataset"]), []).append(line)
    trends = []
    for (experiment, cell, dataset), lines in sorted(cells.items()):
        ends = [v for x in lines for v in (x["uar_low"], x["uar_high"], x["uar"]) if v is not None]
        low, high = min(ends), max(ends)
        points = [
            {
                "x": round(100 * (i + 0.5) / len(lines), 1),
                "line": line,
                **{
                    end: round(100 * (high - (line[name] or line["uar"])) / ((high - low) or 1), 1)
                    for end, name in (("y", "uar"), ("y1", "uar_low"), ("y2", "uar_high"))
                },
            }
            for i, line in enumerate(lines)
        ]
        trends.append(
            {
                "experiment": experiment,
                "name": f"{cell} on {dataset}",
                "points": points,
                "low": low,
                "high": high,
            }
        )
    return trends


def _plugins(files: Sequence[RecordFile]) -> list[tuple[str, str, str, list[str]]]:
    """Returns kind, name, distribution and the experiments of each plugin, installed or used."""
    used: dict[tuple[str, str, str], set[str]] = {
        (entry.kind, entry.name, entry.distribution): set() for entry in registry().entries.values()
    }
    for _, record in files:
        for plugin in record.plugins.values():
            key = (plugin.kind, plugin.name, plugin.distribution)
            used.setdefault(key, set()).add(record.experiment)
    return [(*key, sorted(names)) for key, names in sorted(used.items())]
