"""`lanser-bench predictions`: score predictions made elsewhere, and write those of a record."""

from __future__ import annotations

import json
from pathlib import Path

import typer

from ..printing import cell, echo
from . import _shared as shared
from ._app import App
from ._shared import DATASET, dataset_words, in_data, in_output, writing

app = App(help="Score predictions made elsewhere, or export a record's.")


@app.command("import")
def import_(
    table: Path = typer.Argument(..., help="CSV, TSV, JSONL or Parquet."),
    dataset: list[str] = dataset_words([], metavar=f"[{DATASET}]"),
    name: str | None = in_data(None, help="What made them; default: the table's name."),
    like: str | None = in_data(
        None, help="Experiment whose targets, folds and budgets are used; records are added to it."
    ),
    option: list[str] = in_data(
        [],
        metavar="KEY=VALUE",
        help="Option of the labeler `table`, such as taxonomy=goemotions-28, columns={id: utt} or "
        "absent=skip; repeatable.",
    ),
    set_: list[str] = in_data(
        [], "--set", metavar="KEY=VALUE", help="A setting, such as evaluate.folds=4; repeatable."
    ),
    results: Path | None = in_output(None, help="Folder of results; default: results/scratch."),
    store: Path = shared.STORE,
    plugins_dir: list[Path] = shared.PLUGINS_DIRS,
) -> None:
    """Score predictions made elsewhere, marked as external.

    The table has the utterance's id, file name or recording's hash, and a label or a score per
    label (score_LABEL). Further columns may be seed, draw, budget and fold. Folds, intervals over
    speakers, majority class and a control of permuted predictions are those of a run.

    Examples:
        lanser-bench predictions import gpt.csv ravdess data/ravdess --name gpt-4o
        lanser-bench predictions import emotion2vec.csv --like study.yaml --option absent=skip
    """
    from ..experiment import import_predictions
    from ..experiment.running.display import Display
    from ..records import load_record
    from ..reporting.leaderboard.boards import rank
    from ..reporting.leaderboard.table import sheets
    from ..reporting.tables.form import Format
    from ._console import print_sheets
    from ._options import dataset_ref, parsed_options

    plugins = shared.plugins_in(plugins_dir)
    ref = dataset_ref(dataset, plugins, "predictions import TABLE") if dataset else None
    given = None if ref is None else ref.model_dump(mode="json", exclude_unset=True)
    places = {"store": store, **({"results": results} if results else {})}
    with Display() as display:
        records = import_predictions(
            table,
            given,
            name=name,
            like=like,
            options=parsed_options(option),
            overrides=[*(f"paths.{n}={json.dumps(str(p))}" for n, p in places.items()), *set_],
            plugin_dirs=plugins.plugin_dirs,
            progress=display.reading,
        )
    boards = rank([(path, load_record(path)) for path in records], curves=False)
    print_sheets(sheets(boards), Format.table, notes=True)  # misses, and the mark
    echo("\n".join(f"Record: {path}" for path in records))


@app.command()
def export(
    record: Path = typer.Argument(..., help="A result record."),
    output: Path = typer.Argument(..., help="CSV file to write."),
    target: int = in_data(0, min=0, help="Position of the labelled set in the record."),
) -> None:
    """Write a record's predictions as a table, with ids and labels.

    Examples:
        lanser-bench predictions export results/study/cell.json predictions.csv
    """
    import pyarrow as pa
    from pyarrow import csv

    from ..records import labelled_predictions

    table = labelled_predictions(record, target)
    for place, field in enumerate(table.schema):
        if pa.types.is_string(field.type):
            texts = pa.array(map(cell, table[place].to_pylist()), field.type)
            table = table.set_column(place, field.name, texts)
    with writing(output):
        csv.write_csv(table, output)
