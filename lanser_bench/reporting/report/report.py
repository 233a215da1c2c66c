"""The report: one self-contained page that starts with the finding and shows its evidence."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import UTC, datetime
from functools import cache, partial
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any

from ..._version import __version__
from ...errors import DataError
from ...measurements import MEASUREMENTS
from ...measurements.base import Measurement
from ...printing import visible
from ...records.reading import read_records
from ...store import write_atomic
from ..comparing.declared import declared_lines
from .clips import SECONDS, Clips
from .content import WIDE, board_content, matrix_content, stage_costs
from .data import RecordFile, Records
from .finding import declared_headline
from .label_sets import label_sets
from .matrix import MatrixBoard, matrices
from .questions import answer
from .weak_labels import label_panels

PAGE = 50
"""Rows of a leaderboard that are shown at first."""


def write_report(
    results: Iterable[str | Path],
    output: str | Path,
    *,
    report: Callable[[str], None] = lambda sentence: None,
    store: str | Path | None = None,
    with_audio: Collection[str] = (),
) -> Path:
    """Writes the report of some results: the Python twin of `lanser-bench report`.

    Args:
        results: folders of result records, or single files.
        output: the page to write; its path is returned.
        report: called with a sentence for each file left out; the page shows it too.
        store: the run's store, for transcripts and sound of single clips.
        with_audio: datasets whose transcripts and sound you may pass on, though their licence does
            not let everybody do so.

    Raises:
        DataError: no records, or a place that cannot be written.
    """
    page = Path(output)
    reading = read_records(Path(place) for place in results)
    for sentence in reading.left_out:
        report(f"Left out: {sentence}")
    clips = Clips(None if store is None else Path(store), with_audio)
    text = render(reading.records, reading.left_out, clips)
    try:
        write_atomic(page, text)
    except OSError as error:
        raise DataError(f"{page} cannot be written: {error.strerror}.") from None
    return page


def render(
    files: Sequence[RecordFile], unread: Sequence[str] = (), clips: Clips | None = None
) -> str:
    """Returns the page's HTML.

    Every text of users is escaped. The content policy allows only the script of the page itself.
    """
    records, clips = Records(files), clips or Clips(None)
    declared = declared_lines(records.selection)
    matrix = _matrices(records)
    found = [board for _, board in matrix]
    boards = [board_content(records, b, declared, found, clips) for b in records.boards]
    panels = label_panels(records, clips)
    style, script = (part(f"report.{x}") + part(f"clips.{x}") for x in ("css", "js"))
    template = environment().get_template("report.html.j2")
    made: str = template.render(
        boards=boards,
        unread=[*unread, *records.faults],
        experiments=sorted({record.experiment for _, record in records.files}),
        n_records=len(records.files),
        older=records.older,
        costs=stage_costs(records),
        quality=label_sets(records.files),
        label_panels=panels,
        cut=SECONDS,
        matrices=matrix_content(matrix),
        host=_host(records),
        style=style,
        script=script,
        script_hash="sha256-" + b64encode(sha256(script.encode()).digest()).decode(),
        page=PAGE,
        wide=WIDE,
        version=__version__,
        made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    )
    return made


def findings(records: Records) -> list[str]:
    """Returns the headline of each board: of its declared comparisons, else of its question."""
    declared = declared_lines(records.selection)
    found = [board for _, board in _matrices(records)]
    headlines = []
    for board in records.boards:
        tested = [one for one in declared if one.of == (board.dataset, board.split_hash)]
        headlines.append(
            declared_headline(board, tested)[0]
            if tested
            else answer(records, board, found).finding.headline
        )
    return headlines


def _matrices(records: Records) -> list[tuple[Measurement[Any], MatrixBoard]]:
    return [(m, b) for m in MEASUREMENTS if m.matrix is not None for b in matrices(records, m)]


def _host(records: Records) -> str:
    hosts = {
        f"{r.host.get('system', '?')} {r.host.get('machine', '')}, {r.host.get('cpus', '?')} cores"
        for _, r in records.files
        if r.host
    }
    return "; ".join(sorted(hosts))


def part(name: str) -> str:
    """Returns the text of a template, style or script."""
    return files(__package__).joinpath("templates", name).read_text(encoding="utf-8")


@cache
def environment() -> Any:
    """Returns what fills the templates; every text of users is escaped."""
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    environment = Environment(
        loader=FunctionLoader(part),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: visible(value) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["minus"] = partial(re.sub, r"(?<![\w.])-(?=\d)", "−")
    return environment
