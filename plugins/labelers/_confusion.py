"""Confusions: how often a labeler gives each label for each human label."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import model_validator

from lanser_bench import PluginOptions, user_path

SHIPPED = Path(__file__).with_name("confusions")
"""Measured confusions of built-in labelers; each file names its corpus and command."""


class Confusion(PluginOptions):
    """Counts by human and by weak label: given directly, as a file's path, or a built-in name.

    A file is a label report (``report.json`` of `lanser-bench label`), a result record, or JSON
    with ``labels`` and ``confusion``. Its counts become part of the options, so a key contains the
    counts and not the path.
    """

    labels: tuple[str, ...]
    confusion: tuple[tuple[float, ...], ...]
    """A row per human label, a column per weak label, both in the order of `labels`."""

    @model_validator(mode="before")
    @classmethod
    def _read(cls, value: Any) -> Any:
        return read_confusion(value) if isinstance(value, str | Path) else value

    @model_validator(mode="after")
    def _square(self) -> Confusion:
        k = len(self.labels)
        rows = self.confusion
        if len(rows) != k or any(len(row) != k for row in rows):
            raise ValueError(f"it needs {k} rows of {k} counts, one for each of its labels")
        if any(count < 0 for row in rows for count in row):
            raise ValueError("a count is negative")
        return self

    def given(self, gold: str) -> dict[str, float]:
        """Returns label → share of the utterances of a human label; empty if there are none."""
        if gold not in self.labels:
            return {}
        row = self.confusion[self.labels.index(gold)]
        total = sum(row)
        return {n: c / total for n, c in zip(self.labels, row, strict=True) if c} if total else {}


def read_confusion(place: str | Path) -> dict[str, Any]:
    """Reads a file or a built-in confusion; raises `ValueError` if it is neither."""
    path = user_path(place)
    if not path.is_file():
        path = SHIPPED / f"{place}.json"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in SHIPPED.glob("*.json")))
        raise ValueError(f"no such file, and no built-in confusion of that name ({known})")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path.name} cannot be read as JSON: {error}") from None
    tables = _tables(content)
    if not tables:
        raise ValueError(
            f"{path.name} compares no weak labels with human ones: give the report.json of "
            "`lanser-bench label` on a corpus with human labels, a result record, or JSON with "
            "`labels` and `confusion`"
        )
    if len({tuple(table["labels"]) for table in tables}) > 1:
        raise ValueError(f"{path.name} contains several corpora with different labels")
    grids = [table["confusion"] for table in tables]
    total = [[sum(cells) for cells in zip(*rows, strict=True)] for rows in zip(*grids, strict=True)]
    return {"labels": tables[0]["labels"], "confusion": total}


def _tables(content: Any) -> list[Mapping[str, Any]]:
    """A bare confusion, that of a label report, or those of a record's corpora."""
    if not isinstance(content, Mapping):
        return []
    if "confusion" in content and "labels" in content:
        return [content]
    if isinstance(content.get("gold"), Mapping):
        return _tables(content["gold"])
    labels = content.get("labels")
    reports = labels.values() if isinstance(labels, Mapping) else ()
    return [table for report in reports for table in _tables(report)]
