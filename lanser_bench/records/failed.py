"""Error records of cells that failed, beside the records of the others.

A failed cell has no record, so without them it would vanish from every table.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from ..errors import DataError
from ..paths import read_whole
from ..validation import describe

SUFFIX = ".failed.json"
_FOLDERS = re.compile(r"(?<![\w.…/])/(?:[^\s/'\",;:]+/)+")


class FailedCell(BaseModel):
    """A cell whose last try failed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    experiment: str
    group: str
    cell: str
    """Its name, with the seed."""
    stage: str
    error: str
    """Without the folders of absolute paths."""
    time: str
    """UTC, ISO 8601."""

    def __str__(self) -> str:
        """A sentence for notes below tables."""
        return f"{self.experiment}: cell '{self.cell}' failed ({self.stage}): {self.error}"


def portable_error(sentence: str) -> str:
    """Cuts absolute paths to their last part, so that a record shows no home folder."""
    return _FOLDERS.sub("…/", sentence)


def read_failed(paths: Iterable[Path]) -> tuple[list[tuple[Path, FailedCell]], list[str]]:
    """Reads error records; returns them, and sentences on damaged ones.

    Raises:
        DataError: a file cannot be read.
    """
    found, damaged = [], []
    for path in paths:
        try:
            found.append((path, FailedCell.model_validate_json(read_whole(path))))
        except ValidationError as error:
            damaged.append(describe(error, FailedCell, str(path)))
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror}.") from None
    return found, damaged
