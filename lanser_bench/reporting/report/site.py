"""A static site of results: an overview, a report per experiment, the history, the plugins.

All pages work from files, without a network and without scripts but those of the reports.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..._version import __version__
from ...errors import DataError
from ...evaluation.results import Interval, Metric
from ...experiment.settings.axis_names import slug
from ...plugins.discovery import registry
from ...records.reading import read_records
from ...store import digest, write_atomic
from ..comparing.history import CELL, Line, read_history
from ..leaderboard.boards import PLAIN, Board
from .data import RecordFile, Records, board_anchor, cell_anchor
from .finding import leading, versus
from .report import environment, findings, part, render
from .whiskers import ends, whisker

DECIDING = [PLAIN["shuffled"], PLAIN["random_init"]]
"""Controls that weak pre-training must beat in the overview's headline."""
CONTROLS = [*DECIDING, PLAIN["logmel_stats"]]
"""Controls with a column in the overview."""
SCALE = (-0.2, 0.2)
"""Ends of the overview's scale, in shares; longer intervals are cut there."""
NAV = '<nav aria-label="Sections">'
"""Start of the links in the head of a report."""
Experiments = Mapping[str, Sequence[RecordFile]]
"""Name → records, in the order of their paths."""


def write_site(
    results: Iterable[str | Path],
    output: str | Path,
    *,
    report: Callable[[str], None] = lambda sentence: None,
) -> Path:
    """Writes a static site: the Python twin of `lanser-bench site`.

    Args:
        results: folders of result records; a ``history.parquet`` in them is shown too.
        output: folder of the site; the path of its overview is returned.
        report: called with a sentence for each file left out.

    Raises:
        DataError: no records, or a place that cannot be written.
    """
    folders, site = [Path(place) for place in results], Path(output)
    reading = read_records(folders)
    for sentence in reading.left_out:
        report(f"Left out: {sentence}")
    found: dict[str, list[RecordFile]] = {}
    for path, record in sorted(reading.records, key=lambda pair: pair[1].created, reverse=True):
        found.setdefault(record.experiment, []).append((path, record))
    experiments = {name: sorted(files, key=lambda file: file[0]) for name, files in found.items()}
    links = _links(experiments)
    parquet = [file for folder in folders if (file := folder / "history.parquet").is_file()]
    lines = {name: _overview(Records(files)) for name, files in experiments.items()}
    contents: dict[str, dict[str, Any]] = {
        "index": {"lines": lines, "headline": _headline(lines), "left_out": reading.left_out},
        "history": {"trends": _trends([line for file in parquet for line in read_history(file)])},
        "plugins": {"plugins": _plugins(reading.records)},
    }
    template = environment().get_template("site.html.j2")
    shared = {"links": links, "controls": CONTROLS, "style": part("report.css") + part("clips.css")}
    pages = {
        f"{page}.html": template.render(page=page, version=__version__, **shared, **content)
        for page, content in contents.items()
    }
    for name, files in experiments.items():
        pages[links[name]] = render(files).replace(
            NAV, f'{NAV}<a href="../index.html">All experiments</a>', 1
        )
    pages["index.json"] = json.dumps(_index(experiments, links), indent=1, ensure_ascii=False)
    try:
        for page, text in pages.items():
            write_atomic(site / page, text)
    except OSError as error:
        raise DataError(f"{site} cannot be written: {error.strerror}.") from None
    return site / "index.html"


def _links(experiments: Iterable[str]) -> dict[str, str]:
    """Returns experiment → its page; names that make the same file name have a digest in it."""
    slugs = {name: slug(name) for name in experiments}
    alike = [*slugs.values()]
    return {
        name: f"experiments/{made if alike.count(made) == 1 else f'{made}-{digest(name)[:8]}'}.html"
        for name, made in slugs.items()
    }


def _index(experiments: Experiments, links: Mapping[str, str]) -> dict[str, Any]:
    """Returns what a program needs to find a cell: its place in the pages, key and file."""
    return {
        experiment: [
            {
                "cell": record.group,
                "seed": record.seed,
                "key": record.key,
                "file": path.name,
                "page": f"{links[experiment]}#{cell_anchor(experiment, record.group)}",
            }
            for path, record in files
        ]
        for experiment, files in experiments.items()
    }


def _overview(records: Records) -> list[dict[str, Any]]:
    """Returns a line per labelled set of an experiment."""
    return [
        _line(records, board) | {"finding": finding}
        for board, finding in zip(records.boards, findings(records), strict=True)
        if board.control is None
    ]


def _line(records: Records, board: Board) -> dict[str, Any]:
    """Returns the best row and, if it is pre-trained on weak labels, its differences to controls.

    Among pre-trained rows, those with most controls of pre-training come first, as in the report.
    """
    trained = leading(records, board)
    gaps = {gap.name: gap for gap in (versus(records, board, trained) if trained else ())}
    return {
        "id": board_anchor(board),
        "board": board,
        "row": trained or (board.main or board.controls)[0],
        "gaps": gaps,
        "whiskers": {name: whisker(gap.difference, SCALE) for name, gap in gaps.items()},
    }


def _headline(lines: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    gaps = [line["gaps"] for of_experiment in lines.values() for line in of_experiment]
    decided = [{of[name].verdict for name in DECIDING} for of in gaps if {*DECIDING} <= of.keys()]
    return (
        f"{len(lines)} experiments: weak pre-training beats {' and '.join(DECIDING)} in "
        f"{decided.count({'above'})} of {len(decided)}"
    )


def _trends(history: Sequence[Line]) -> list[dict[str, Any]]:
    """Returns a chart per cell: the places of its commits in percent, oldest first."""
    cells: dict[tuple[Any, ...], list[Line]] = {}
    for line in history:
        cells.setdefault(tuple(line[name] for name in CELL), []).append(line)
    trends = []
    for (experiment, cell, dataset, target), lines in sorted(cells.items()):
        scores = [
            Metric(value=x["uar"], interval=None)
            if x["uar_low"] is None
            else Metric(
                value=x["uar"],
                interval=Interval(low=x["uar_low"], high=x["uar_high"], method=""),
            )
            for x in lines
        ]
        low = min(ends(score)[0] for score in scores)
        high = max(ends(score)[1] for score in scores)
        places = [whisker(score, (low, high)) for score in scores]
        trends.append(
            {
                "experiment": experiment,
                "anchor": cell_anchor(experiment, cell, target),
                "name": f"{cell} on {dataset}".replace("_", " "),
                "points": list(zip(lines, places, strict=True)),
                "range": f"{100 * low:.1f} to {100 * high:.1f} %",
            }
        )
    return trends


def _interval(line: Line) -> Interval | None:
    low, high = line["uar_low"], line["uar_high"]
    return None if low is None else Interval(low=low, high=high, method="")


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
