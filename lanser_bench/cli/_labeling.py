"""How commands label texts and datasets: `label` and `taxonomy compare`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import DataError
from ._options import parsed_options

if TYPE_CHECKING:
    from ..experiment.labelling import LabelledCorpus
    from ..experiment.settings.model import DatasetRef
    from ..plugins.discovery import Registry


@dataclass(frozen=True)
class Labeling:
    """A labeler, and the settings with which it labels a dataset."""

    name: str
    options: dict[str, Any]
    settings: Sequence[str]
    """``key=value`` of an experiment."""
    plugins: Registry

    def label(self, dataset: DatasetRef, taxonomies: str | Sequence[str]) -> list[LabelledCorpus]:
        """Labels a dataset through the stages of an experiment, with progress on stderr."""
        from ..experiment.labelling import label_corpus
        from ._display import Display

        with Display() as display:
            return label_corpus(
                dataset.model_dump(mode="json", exclude_unset=True),
                {"name": self.name, "options": self.options},
                taxonomies,
                overrides=self.settings,
                plugin_dirs=self.plugins.plugin_dirs,
                listener=display,
            )


def labeling(
    name: str,
    options: Sequence[str],
    store: Path,
    settings: Sequence[str],
    plugin_dirs: Sequence[Path],
    asr: str = "reference",
) -> Labeling:
    """Reads the options of a command that labels a dataset."""
    from ..plugins.discovery import registry

    fixed = [f"paths.store={json.dumps(str(store), ensure_ascii=False)}", f"asr={asr}"]
    plugins = registry(tuple(plugin_dirs))
    return Labeling(name, parsed_options(options), [*fixed, *settings], plugins)


def text_options(path: Path, column: str) -> dict[str, Any]:
    """Returns the options with which the dataset `text` reads one file of its folder.

    Args:
        path: a table (CSV, TSV, JSONL or Parquet), or a ``.txt`` file with one text per line.
        column: the table's column of the texts.

    Raises:
        DataError: the file is missing, or a column of a ``.txt`` file is requested.
    """
    if not path.is_file():
        raise DataError(f"The texts {path} cannot be read: No such file.")
    if path.suffix.lower() != ".txt":
        return {"tables": [path.name], "columns": {"text": column}}
    if column != "text":
        raise DataError(f"{path} has one text per line and no column '{column}'. Omit --column.")
    return {"tables": [path.name], "columns": {}}


def read_texts(path: Path, column: str = "text") -> list[str]:
    """Reads the texts of a file; an empty cell is an empty text.

    Args:
        path: as for `text_options`.
        column: the table's column of the texts.

    Raises:
        DataError: the file cannot be read, contains no text, or has no such column.
    """
    from ..plugins.discovery import registry

    dataset = registry().create("dataset", "text", text_options(path, column))
    texts = [row.transcript or "" for row in dataset.utterances(path.resolve().parent)]
    if not any(texts):
        raise DataError(f"The file {path} contains no text.")
    return texts
