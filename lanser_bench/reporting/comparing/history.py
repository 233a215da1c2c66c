"""The history of scores: one line per commit and cell, in one Parquet file.

A line has the cell's scores with intervals, and the sums over speakers behind them. So a candidate
is compared with an earlier commit by the paired test of the gate, without that commit's records.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from ...errors import DataError
from ...evaluation.contrast import Side
from ...evaluation.families import MetricName
from ...evaluation.statistics import flat, ratios_of
from ...measurements import COLUMNS
from ...measurements.metrics import CLASS_METRICS
from ...paths import read_whole
from ...records.names import Names
from ...records.reading import read_records
from ...store import write_atomic
from ...validation import describe
from ..groups import Group
from ..leaderboard.rows import row_of
from ..selection import Selection

HISTORY = Path("results/history.parquet")
Line = dict[str, Any]
"""A line of the file: column → value."""


def _rectangular(sums: list[list[list[float]]]) -> list[list[list[float]]]:
    shape = np.array(sums).shape
    if len(shape) != 3 or shape[2] % 2 or not all(shape):
        raise ValueError("sums have no shape of seeds × speakers × ratios")
    return sums


Sums = Annotated[list[list[list[float]]], AfterValidator(_rectangular)]
"""Seeds × speakers × columns: the ratios of which a score is the mean (`statistics.flat`)."""


class _Line(BaseModel):
    model_config = ConfigDict(extra="allow", allow_inf_nan=False)
    __pydantic_extra__: dict[str, float | str | Sums | None] = Field(init=False)

    date: str
    commit: str
    with_changes: bool
    experiment: str
    cell: str
    dataset: str
    target: int
    drawn: bool
    labels: str
    budgets: str
    split: str
    taxonomy: str


CELL = ("experiment", "cell", "dataset", "target")
"""Columns that name a cell on a labelled set."""
IDENTITY = ("commit", "with_changes", *CELL)
"""Columns of which no two lines have the same values."""


def add_history(
    folders: Sequence[Path], file: Path = HISTORY, *, commit: str | None = None
) -> list[Line]:
    """Adds and returns a line for each cell of some records; it replaces one of the same commit.

    Args:
        folders: of records; the newest of each cell are taken.
        file: the history, which need not exist yet.
        commit: revision that the lines are for; that of the records if left out.

    Raises:
        DataError: no records, a damaged one, one without a commit, or a file that cannot be used.
    """
    reading = read_records(folders)
    if reading.damaged:
        raise DataError("\n".join(["The history takes no damaged records:", *reading.damaged]))
    new = [line_of(group, commit) for group in Selection(reading.records).groups.values()]
    places = {tuple(line[name] for name in IDENTITY) for line in new}
    kept = [
        line
        for line in (read_history(file) if file.exists() else [])
        if tuple(line[name] for name in IDENTITY) not in places
    ]
    lines = sorted([*kept, *new], key=lambda line: (line["date"], *(line[n] for n in CELL)))
    names = dict.fromkeys(name for line in lines for name in line)
    table = pa.table({name: [line.get(name) for line in lines] for name in names})
    content = io.BytesIO()
    pq.write_table(table, content, compression="zstd")
    try:
        write_atomic(file, content.getvalue())
    except OSError as error:
        raise DataError(f"{file} cannot be written: {error.strerror}.") from None
    return new


def read_history(file: Path) -> list[Line]:
    """Reads all lines, oldest first; a missing or another file is a `DataError`."""
    if not file.is_file():
        raise DataError(f"{file} does not exist; `lanser-bench results history add` starts one.")
    try:
        table = pq.ParquetFile(pa.BufferReader(read_whole(file))).read()
        table.validate(full=True)
        return [_Line.model_validate(line).model_dump() for line in table.to_pylist()]
    except ValidationError as error:
        raise DataError(describe(error, _Line, f"{file} is not a history, or is damaged")) from None
    except (OSError, ValueError, OverflowError, pa.ArrowException) as error:
        raise DataError(f"{file} cannot be read as Parquet: {error}") from None


def side_of(sums: Sums, *, drawn: bool) -> Side:
    """Returns a score from the sums over speakers of a line."""
    return Side([ratios_of(np.array(seed)) for seed in sums], drawn)


def sums_of(group: Group, metric: MetricName) -> Sums:
    """Returns a score's sums as a line has them."""
    return [flat(seed).tolist() for seed in group.side(metric).seeds]


def design(group: Group) -> dict[str, str]:
    """Returns what two lines of a cell must have in common to be compared."""
    evaluation = group.evaluation
    return {
        "labels": ", ".join(evaluation.labels),
        "budgets": ", ".join(budget.budget for budget in evaluation.budgets),
        "split": evaluation.split_hash,
        "taxonomy": group.first.taxonomy_hash or "",
    }


def line_of(group: Group, revision: str | None) -> Line:
    """Returns the line of a cell; `revision` replaces the commit of its records.

    It is a `DataError` if neither is known.
    """
    files = list(group.members.values())
    newest = max((record for _, record in files), key=lambda record: record.created)
    commit = newest.commit
    if revision is None and commit is None:
        raise DataError(
            f"{files[0][0]} names no commit, because lanser-bench was not run from a checkout. "
            "Name the commit with --commit."
        )
    line: Line = {
        "date": newest.created,
        "commit": revision or (commit.revision if commit else ""),
        "with_changes": revision is None and commit is not None and commit.dirty,
        **dict(zip(CELL, group.cell, strict=True)),
        "role": newest.role,
        "version": newest.versions.get("lanser-bench", ""),
        "versions": json.dumps(newest.versions),
        **design(group),
        "speakers": group.evaluation.n_speakers,
        "seeds": len(files),
        "drawn": group.drawn,
    }
    members = [(path, record, group.cell.target) for path, record in files]
    exact = group if group.has_predictions and not group.fault else None
    row = row_of(members, exact, Names([newest]), curves=False, targets=False)
    for name in (*CLASS_METRICS, "r2", *COLUMNS):
        score = row.score(name)
        if score is not None:
            line[name] = score.value
            for end in ("low", "high"):
                line[f"{name}_{end}"] = getattr(score.interval, end, None)
    if exact is not None:
        for metric in CLASS_METRICS:
            line[f"{metric}_sums"] = sums_of(exact, metric)
    return line
