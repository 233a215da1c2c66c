"""Arguments and options that several commands have, each with one wording, and what they print."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ..allocator import keep_freed_memory
from ..printing import echo, json_text
from . import _complete
from ._stdout import emit

if TYPE_CHECKING:
    from ..plugins.discovery import Registry
    from ..reporting.selection import Selection

in_data = partial(typer.Option, rich_help_panel="Data")
in_labeling = partial(typer.Option, rich_help_panel="Labeling")
in_output = partial(typer.Option, rich_help_panel="Output")
in_store = partial(typer.Option, rich_help_panel="Store and plugins")
"""Options of a panel: the default, names if they differ from the parameter's, the help."""

DATASET = "DATASET [ROOT] [KEY=VALUE]..."
"""How every command takes a dataset."""
dataset_words = partial(
    typer.Argument,
    autocompletion=_complete.dataset_words,
    show_default=False,
    help="A dataset plugin, such as ravdess; its folder, unless it makes its own files; then "
    "options of the plugin, limit=N, hours=H, share=1/N and on_bad_audio=skip.",
)
TEXT_COLUMN = in_data("text", "--column", help="Column of a table's texts.")

RESULTS = Path("results")
SCRATCH = "scratch"
"""Folder in `RESULTS` where experiments write unless they name another."""
FOLDERS = typer.Argument(
    [],
    metavar="[DIR]...",
    help="Folders of result records; default: the newest run, else results.",
    show_default=False,
)
METRICS = (
    "uar, wa, macro_f1, area, a measurement's score such as zero_shot or finetune, r2 (mean over "
    "probe targets), r2:TARGET, or of a probe of classes uar:TARGET or identity:speaker."
)
METRIC = in_data("uar", help="uar, wa, macro_f1 or area.")
BUDGET = in_data(None, help="Label budget, such as 10%; default: the largest.")

TAXONOMY = in_labeling(
    "ekman-6",
    help="A taxonomy's name, or the path of a YAML file.",
    autocompletion=_complete.plugin_names("taxonomy"),
)
LABELER = in_labeling(
    "entailment",
    help="Name of the labeler.",
    autocompletion=_complete.plugin_names("labeler"),
)
LABELER_OPTIONS = in_labeling(
    [],
    "--option",
    metavar="KEY=VALUE",
    help="Option of the labeler; repeatable.",
    autocompletion=_complete.labeler_options,
)
RECOGNISER = in_labeling(
    "reference",
    help="Speech recogniser; reference: the dataset's own transcripts.",
    autocompletion=_complete.plugin_names("asr"),
)
COMPARE_IN = in_labeling(
    None, help="Taxonomy in which labels and human labels are compared; maps both."
)
SETTINGS = in_labeling(
    [],
    "--set",
    metavar="KEY=VALUE",
    help="A setting as in an experiment, such as label.temperature=2, segmenter=vad or "
    "asr.language=en; repeatable.",
    autocompletion=_complete.setting,
)
HISTORY = in_data(Path("results/history.parquet"), help="History of scores.")
COMMIT = in_data(None, metavar="REV", help="Commit of the records; default: that in them.")

AS_JSON = in_output(False, "--json", help="Print JSON.")
AS_JSON_FORM = in_output(False, "--json", help="Same as --format json.")
FORMAT = in_output("table", "--format", help="Format of the output.")
NOTES = in_output(False, "--notes", help="Show all notes below tables, not only two lines.")

STORE = in_store(Path(".lanser/store"), help="Folder of the store.")
STORE_OF_RUN = in_store(Path(".lanser/store"), envvar="LANSER_STORE", help="Folder of the store.")
RECORDS = in_store(
    [],
    "--results",
    metavar="PATH",
    help="Folder of result records, or a record; repeatable. Default: results.",
)
PLUGINS_DIRS = in_store(
    [], "--plugins-dir", metavar="DIR", help="Folder of plugin files; repeatable."
)


def _strictly(strict: bool) -> None:
    if strict:
        from ..plugins import isolation

        os.environ[isolation.STRICT] = "1"


STRICT = typer.Option(
    False,
    "--strict",
    help="Fail if a plugin prints to stdout, leaves threads running or changes the process "
    "(directory, environment, signals, seeds); without it, this is a warning.",
    callback=_strictly,
)

tracebacks = False
"""Whether errors are shown with their tracebacks; set by `main`."""


def plugins_in(folders: list[Path]) -> Registry:
    """Returns the installed plugins and those of folders."""
    from ..plugins.discovery import registry

    return registry(folders)


def quieten_libraries() -> None:
    """Keeps model libraries from printing advice between the answers."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


def note(sentence: str) -> None:
    """Prints a sentence that the user must not miss to stderr."""
    echo(f"! {sentence}", err=True)


def echo_json(content: Any, indent: int | None = None) -> None:
    """Prints content as JSON."""
    emit(json_text(content, indent))


class _NoPandas:
    """An entry of `sys.meta_path` that hides pandas."""

    @staticmethod
    def find_spec(name: str, *_: object) -> None:
        if name == "pandas":
            raise ModuleNotFoundError(name)


def many_small_tables() -> None:
    """Prepares a process for thousands of small tables, in which no plugin runs.

    A second thread of BLAS costs more than it saves, and so do blocks of memory that are returned
    to the system after each score. pyarrow does without pandas, which it would
    load for half a second; it looks for it once, and again if it converts to or from pandas.
    """
    if "numpy" not in sys.modules:
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    import pyarrow

    keep_freed_memory()
    sys.meta_path.insert(0, _NoPandas)
    try:
        pyarrow.scalar(0)
    finally:
        sys.meta_path.remove(_NoPandas)


def read_results(folders: list[Path]) -> Selection:
    """Reads the records of `folders`, else those of the newest run, else of `results`.

    Records in ``scratch`` of a folder are those of runs, and not read with the others. Notes name
    the rest.
    """
    from ..reporting.selection import Selection

    selection = Selection.read(folders or [_newest_run()])
    for sentence in selection.left_out:
        note(f"Left out: {sentence}")
    runs = [folder / SCRATCH for folder in folders]
    kept = [one for one in selection.every if not any(run in one[0].parents for run in runs)]
    if 0 < len(kept) < len(selection.every):
        hidden = len(selection.every) - len(kept)
        note(f"{hidden} records in {SCRATCH} are not shown: name that folder to see them.")
        return Selection(kept, selection.left_out, selection.where)
    return selection


def _newest_run() -> Path:
    """Returns the folder of the newest run in ``results/scratch``, or `results` without any."""
    written = {path.parent: path.stat().st_mtime for path in RESULTS.glob(f"{SCRATCH}/*/*.json")}
    if not written:
        return RESULTS
    newest, *others = sorted(written, key=lambda folder: -written[folder])
    more = f" Other runs: {', '.join(folder.name for folder in others)}." if others else ""
    note(f"{newest}: the newest run.{more} Name folders to see others, such as {RESULTS}.")
    return newest


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns a fault of the system while a file is written into a `DataError` that names it."""
    from ..errors import DataError

    try:
        yield
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror}.") from None
