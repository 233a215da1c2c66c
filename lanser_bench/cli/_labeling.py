"""How commands label texts and datasets: `label` and `taxonomy compare`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import DataError
from ..experiment.labelling import (
    LabelledCorpus,
    PluginWords,
    TranscribedCorpus,
    label_corpus,
    transcribe_corpus,
)
from ..experiment.running.display import Display
from ..experiment.settings.axis_names import slug
from ..experiment.settings.model import DatasetRef
from ..plugins.discovery import registry
from ..plugins.taxonomies import find_taxonomy
from ..printing import echo
from ..reporting.tables.form import Format
from ._options import parsed_options
from ._shared import quieten_libraries


class Labeling:
    """A labeler, and the settings with which it labels a dataset."""

    def __init__(
        self,
        name: str,
        options: Sequence[str],
        store: Path,
        settings: Sequence[str],
        plugin_dirs: Sequence[Path],
        asr: str = "reference",
    ) -> None:
        """Reads the options of a command."""
        self.name, self.options = name, parsed_options(options)
        self.plugins = registry(plugin_dirs)
        place = json.dumps(str(store), ensure_ascii=False)
        self.shared = [f"paths.store={place}", *settings]
        self.settings = [f"asr={asr}", *self.shared]

    def label(
        self,
        dataset: DatasetRef,
        taxonomies: str | Sequence[str],
        labelers: Sequence[PluginWords] = (),
        asr: PluginWords | None = None,
    ) -> list[LabelledCorpus]:
        """Labels a dataset through the stages of an experiment, with progress on stderr.

        `labelers` and `asr` are used in place of the command's own.
        """
        quieten_libraries()
        with Display() as display:
            return label_corpus(
                dataset.model_dump(mode="json", exclude_unset=True),
                list(labelers) or {"name": self.name, "options": self.options},
                taxonomies,
                overrides=self.settings
                if asr is None
                else [f"asr={json.dumps(asr)}", *self.shared],
                plugin_dirs=self.plugins.plugin_dirs,
                listener=display,
            )

    def transcribe(
        self, dataset: DatasetRef, recognisers: Mapping[str, PluginWords]
    ) -> dict[str, TranscribedCorpus]:
        """Transcribes a dataset by several recognisers, with progress on stderr."""
        quieten_libraries()
        with Display() as display:
            corpora = transcribe_corpus(
                dataset.model_dump(mode="json", exclude_unset=True),
                list(recognisers.values()),
                overrides=self.shared,
                plugin_dirs=self.plugins.plugin_dirs,
                listener=display,
            )
        return dict(zip(recognisers, corpora, strict=True))

    def report(
        self,
        dataset: DatasetRef,
        taxonomy: str,
        compare_in: str | None,
        out: Path | None,
        *,
        form: Format,
    ) -> None:
        """Labels a dataset, writes labels and report to `out`, and prints a summary or tables."""
        from ..reporting.labels.report import write_label_report
        from ..reporting.labels.views import sheets, summary_lines
        from ._console import print_sheets

        common = find_taxonomy(self.plugins, compare_in) if compare_in else None
        [labelled] = self.label(dataset, taxonomy)
        if out is None:
            parts = (labelled.dataset, self.name, labelled.taxonomy.name)
            name = f"{'-'.join(map(slug, parts))}-{labelled.labels[:8]}"
            out = Path("results/scratch/labels") / name
        written = write_label_report(labelled, out, common)
        if form is not Format.table:
            print_sheets(sheets(written.report), form, written.report, "Weak labels")
        else:
            echo("\n".join(summary_lines(written.report)))
            echo(f"Labels, report and pictures: {written.folder}")

    def table(
        self, path: Path, column: str, gold: str | None, gold_taxonomy: str, words: Sequence[str]
    ) -> DatasetRef:
        """Returns a table as the dataset `text`, without human labels unless `gold` is set."""
        options = text_options(path, column) | {"title": f"Texts of {path.name}"}
        folder = path.resolve().parent
        if gold is not None:
            if not options["columns"]:
                raise DataError(
                    f"{path} has one text per line and no column '{gold}'. Omit --gold."
                )
            options["columns"]["label"] = gold
            options["taxonomy"] = gold_taxonomy
        options |= parsed_options(words)
        if "taxonomy" not in options:
            # Human labels without a taxonomy cannot be read: leave out the columns they come from.
            try:
                rows = self.plugins.create("dataset", "text", options).utterances(folder)
                has_gold = any(row.gold for row in rows)
            except DataError:  # such as two columns of labels; the run reports any other fault
                has_gold = True
            if has_gold:
                options["columns"] = {"label": "", "gold": "", **options["columns"]}
        return DatasetRef(dataset="text", root=folder, options=options)


def text_options(path: Path, column: str) -> dict[str, Any]:
    """Returns the options with which the dataset `text` reads one file of its folder.

    The file is a table with a column of texts, or a ``.txt`` file with one text per line.
    """
    if not path.is_file():
        raise DataError(f"The texts {path} cannot be read: No such file.")
    if path.suffix.lower() != ".txt":
        return {"tables": [path.name], "columns": {"text": column}}
    if column != "text":
        raise DataError(f"{path} has one text per line and no column '{column}'. Omit --column.")
    return {"tables": [path.name], "columns": {}}


def read_texts(path: Path, column: str = "text") -> list[str]:
    """Reads the texts of a file, as `text_options`; an empty cell is an empty text."""
    dataset = registry().create("dataset", "text", text_options(path, column))
    texts = [row.transcript or "" for row in dataset.utterances(path.resolve().parent)]
    if not any(texts):
        lines = path.suffix.lower() == ".txt"
        remedy = "Write one text per line" if lines else "Name its --column"
        raise DataError(f"The file {path} contains no text. {remedy}.")
    return texts
