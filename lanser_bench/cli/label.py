"""`lanser-bench label`: the weak labels of sentences, of a table of texts or of a dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from ..printing import echo
from ..reporting.tables.form import Format
from . import _shared as shared
from ._app import App
from ._options import dataset_ref, parsed_options
from ._shared import DATASET, dataset_words, echo_json, in_data, in_output

app = App(help="Label sentences, a table of texts or a dataset, without training anything.")

OUT = in_output(None, help="Folder for labels and report; default: one in results/scratch/labels.")


@app.command()
def text(
    texts: list[str] = typer.Argument(..., metavar="TEXT...", help="Sentences to label."),
    taxonomy: str = shared.TAXONOMY,
    labeler: str = shared.LABELER,
    option: list[str] = shared.LABELER_OPTIONS,
    language: str = shared.in_labeling(
        "", help="Language of the sentences, such as de; it selects the wording of labels."
    ),
    as_json: bool = shared.AS_JSON,
    plugins_dir: list[Path] = shared.PLUGINS_DIRS,
) -> None:
    """Label sentences, and show the score of each label.

    Examples:
        lanser-bench label text "I am so happy that you came!"
        lanser-bench label text "We lost." "We won!" --labeler lexicon --taxonomy plutchik-8 --json
    """
    from ..experiment.text_labels import label_texts
    from ..plugins.taxonomies import find_taxonomy
    from ..stages.label.spec import ODD_TEXTS

    shared.quieten_libraries()
    plugins = shared.plugins_in(plugins_dir)
    labels = find_taxonomy(plugins, taxonomy)
    plugin = plugins.create("labeler", labeler, parsed_options(option))
    answers = label_texts(plugin, labeler, texts, labels, language)
    for answer in answers:
        if answer["truncated"]:
            echo(f"Note: '{answer['text'][:40]}…' is {ODD_TEXTS['truncated']}.", err=True)
    if as_json:
        echo_json(answers[0] if len(answers) == 1 else answers)
    else:
        for answer in answers:
            _show_scores(answer)


@app.command()
def table(
    file: Path = typer.Argument(
        ..., help="CSV, TSV, JSONL or Parquet, or .txt with a text per line."
    ),
    options: list[str] = typer.Argument(
        [], metavar="[KEY=VALUE]...", help="Options of the dataset `text`."
    ),
    column: str = shared.TEXT_COLUMN,
    gold: str | None = in_data(None, help="Column of human labels."),
    gold_taxonomy: str | None = in_data(
        None, help="Taxonomy of that column; default: that of --taxonomy."
    ),
    taxonomy: str = shared.TAXONOMY,
    labeler: str = shared.LABELER,
    option: list[str] = shared.LABELER_OPTIONS,
    set_: list[str] = shared.SETTINGS,
    compare_in: str | None = shared.COMPARE_IN,
    out: Path | None = OUT,
    form: Format = shared.FORMAT,
    as_json: bool = shared.AS_JSON_FORM,
    store: Path = shared.STORE,
    plugins_dir: list[Path] = shared.PLUGINS_DIRS,
) -> None:
    """Label a table of texts, and write labels and a report.

    Labels are written as Parquet. The report shows coverage, entropy, labels never given and, with
    --gold, the agreement with human labels. Cached results are reused.

    Examples:
        lanser-bench label table diary.csv --column entry --labeler lexicon
        lanser-bench label table diary.csv --column entry --gold mood --labeler lexicon --out labels
    """
    from ._labeling import Labeling

    labeling = Labeling(labeler, option, store, set_, plugins_dir)
    dataset = labeling.table(file, column, gold, gold_taxonomy or taxonomy, options)
    labeling.report(dataset, taxonomy, compare_in, out, form=Format.json if as_json else form)


@app.command()
def corpus(
    dataset: list[str] = dataset_words(..., metavar=DATASET),
    taxonomy: str = shared.TAXONOMY,
    labeler: str = shared.LABELER,
    option: list[str] = shared.LABELER_OPTIONS,
    asr: str = shared.RECOGNISER,
    set_: list[str] = shared.SETTINGS,
    compare_in: str | None = shared.COMPARE_IN,
    out: Path | None = OUT,
    form: Format = shared.FORMAT,
    as_json: bool = shared.AS_JSON_FORM,
    store: Path = shared.STORE,
    plugins_dir: list[Path] = shared.PLUGINS_DIRS,
) -> None:
    """Label a dataset, and write labels and a report.

    Labels are written as Parquet. The report shows coverage, entropy, labels never given and the
    agreement with human labels, if the dataset has any. Cached results are reused.

    Examples:
        lanser-bench label corpus synthetic clips=24 speakers=4 --labeler lexicon
        lanser-bench label corpus librispeech LibriSpeech/dev-clean --asr faster-whisper
    """
    from ._labeling import Labeling

    labeling = Labeling(labeler, option, store, set_, plugins_dir, asr)
    named = dataset_ref(dataset, labeling.plugins, "label corpus")
    labeling.report(named, taxonomy, compare_in, out, form=Format.json if as_json else form)


def _show_scores(answer: dict[str, Any]) -> None:
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    from ..console import Console

    console = Console()
    verdict = answer["label"] or f"no label ({answer['reason']})"
    console.print(Text.assemble((answer["text"], "italic"), "  →  ", (verdict, "bold")))
    grid = Table.grid(padding=(0, 1))
    for name, score in sorted(answer["scores"].items(), key=lambda item: -item[1]):
        style = "bold" if name == answer["label"] else ""
        bar = ProgressBar(total=1.0, completed=score, width=30)
        grid.add_row(Text(name, style=style), bar, Text(f"{score:.3f}", style=style))
    console.print(grid)
