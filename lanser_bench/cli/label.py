"""`lanser-bench label`: the weak label of a sentence at once, or of a corpus with a report."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ._shared import (
    STORE,
    LabelerName,
    LabelerOptions,
    Overrides,
    PluginsDirs,
    Recogniser,
    StoreDir,
    TextColumn,
)

if TYPE_CHECKING:
    from ..reporting.labels.report import LabelReport


def label(
    dataset: Annotated[
        str | None, typer.Argument(help="A dataset to label, such as librispeech.")
    ] = None,
    root: Annotated[
        str | None, typer.Argument(help="Its folder; not needed by one that makes its own files.")
    ] = None,
    dataset_options: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[KEY=VALUE]...", help="Options of the dataset, and on_bad_audio, limit."
        ),
    ] = None,
    text: Annotated[
        list[str] | None, typer.Option(help="A sentence to label; may be given again.")
    ] = None,
    texts: Annotated[
        Path | None,
        typer.Option(help="A table of texts to label: CSV, TSV, JSONL, Parquet, or lines of .txt."),
    ] = None,
    column: TextColumn = "text",
    gold: Annotated[
        str | None, typer.Option(help="Column of the table's human labels, if it has one.")
    ] = None,
    gold_taxonomy: Annotated[
        str | None, typer.Option(help="Taxonomy of that column; left out: that of --taxonomy.")
    ] = None,
    taxonomy: Annotated[
        str, typer.Option(help="A taxonomy's name, or the path of a YAML file.")
    ] = "ekman-6",
    labeler: LabelerName = "entailment",
    option: LabelerOptions = None,
    asr: Recogniser = "reference",
    set_: Overrides = None,
    compare_in: Annotated[
        str | None,
        typer.Option(help="Taxonomy in which labels and gold are compared; both are mapped."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for labels and report; left out: below results/scratch/labels."),
    ] = None,
    store: StoreDir = STORE,
    plugins_dir: PluginsDirs = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON: the labels of --text, or the report.")
    ] = False,
) -> None:
    """Labels sentences, a table of texts or a corpus by a labeler over a taxonomy.

    With --text the labels are shown at once. With a dataset or --texts they are written as Parquet,
    with a report: coverage, entropy, labels never given, and where there are human labels, how far
    both agree. What is in the store is not computed again.
    """
    import json

    from ..errors import SettingsError
    from ._options import parsed_options

    _hush()
    options = parsed_options(option or [])
    words = [word for word in (dataset, root) if word is not None] + (dataset_options or [])
    sources = [bool(text), texts is not None, bool(words) and "=" not in words[0]]
    if sum(sources) != 1:
        raise SettingsError(
            "Say what to label, one of these: --text SENTENCE, --texts FILE, or a dataset and its "
            "folder, such as: lanser-bench label librispeech FOLDER."
        )
    folders = tuple(folder.resolve() for folder in plugins_dir or ())
    if text:
        _label_sentences(text, labeler, options, taxonomy, folders, as_json=as_json)
        return
    if texts is not None:
        ref = table_ref(texts, column, gold, gold_taxonomy or taxonomy, words)
    else:
        ref = corpus_ref(words)
    settings = [
        f"paths.store={json.dumps(str(store), ensure_ascii=False)}",
        f"asr={asr}",
        *(set_ or []),
    ]
    from ..plugins.discovery import registry
    from ..plugins.taxonomies import find_taxonomy

    common = find_taxonomy(registry(folders), compare_in) if compare_in else None
    found = _label_corpus(ref, labeler, options, taxonomy, settings, folders, out, common)
    if as_json:
        typer.echo(json.dumps(found.report, ensure_ascii=False, allow_nan=False))
    else:
        _show_report(found)


def corpus_ref(words: list[str]) -> dict[str, Any]:
    """Reads ``DATASET [ROOT] [KEY=VALUE]...`` as a dataset of an experiment."""
    from ..experiment.labelling import dataset_ref
    from ._options import parsed_options

    name, *rest = words
    root = None
    if rest and ("=" not in rest[0] or Path(rest[0]).exists()):
        root = Path(rest.pop(0))
    return dataset_ref(name, root, parsed_options(rest))


def table_ref(
    path: Path, column: str, gold: str | None, gold_taxonomy: str, words: list[str]
) -> dict[str, Any]:
    """Reads ``--texts`` with its columns and options as the dataset `text`."""
    from ..errors import DataError
    from ..experiment.labelling import dataset_ref
    from ._options import parsed_options
    from ._texts import texts_options

    options = texts_options(path, column) | {"title": f"Texts of {path.name}"}
    if gold is not None and not options["columns"]:
        raise DataError(f"{path} has one text per line and no column '{gold}'. Omit --gold.")
    if gold is not None:
        options["columns"]["label"] = gold
        options["taxonomy"] = gold_taxonomy
    return dataset_ref("text", path.resolve().parent, options | parsed_options(words))


def _label_sentences(
    said: list[str],
    labeler: str,
    options: dict[str, Any],
    taxonomy: str,
    folders: tuple[Path, ...],
    *,
    as_json: bool,
) -> None:
    import json

    from ..experiment.labelling import label_texts
    from ..plugins.discovery import registry
    from ..plugins.taxonomies import find_taxonomy
    from ..stages.label.run import ODD_TEXTS

    plugins = registry(folders)
    labels = find_taxonomy(plugins, taxonomy)
    plugin = plugins.create("labeler", labeler, options)
    answers = label_texts(plugin, labeler, said, labels)
    for answer in answers:
        if answer["truncated"]:
            typer.echo(f"Note: '{answer['text'][:40]}…' is {ODD_TEXTS['truncated']}.", err=True)
    if as_json:
        typer.echo(json.dumps(answers[0] if len(answers) == 1 else answers, ensure_ascii=False))
    else:
        for answer in answers:
            _show(answer)


def _label_corpus(
    ref: dict[str, Any],
    labeler: str,
    options: dict[str, Any],
    taxonomy: str,
    settings: list[str],
    folders: tuple[Path, ...],
    out: Path | None,
    common: Any,
) -> LabelReport:
    from ..experiment.labelling import label_corpus
    from ..experiment.settings.axis_names import slug
    from ..reporting.labels.report import write_label_report
    from ._display import Display

    with Display() as display:
        [corpus] = label_corpus(
            ref,
            {"name": labeler, "options": options},
            taxonomy,
            overrides=settings,
            plugin_dirs=folders,
            listener=display,
            progress=display.reading,
        )
    if out is None:
        name = "-".join(slug(part) for part in (corpus.dataset, labeler, corpus.taxonomy.name))
        out = Path("results/scratch/labels") / f"{name}-{corpus.labels[:8]}"
    return write_label_report(corpus, out, common)


def _show_report(found: LabelReport) -> None:
    from ..reporting.labels.views import summary_lines

    for line in summary_lines(found.report):
        typer.echo(line)
    typer.echo(f"Labels, report and pictures: {found.folder}")


def _hush() -> None:
    """Keeps model libraries from printing bars and advice between the answers."""
    for name, value in (
        ("TRANSFORMERS_VERBOSITY", "error"),
        ("HF_HUB_DISABLE_PROGRESS_BARS", "1"),
        ("TOKENIZERS_PARALLELISM", "false"),
    ):
        os.environ.setdefault(name, value)


def _show(answer: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    console = Console()
    verdict = answer["label"] or f"no label ({answer['reason']})"
    console.print(Text.assemble((answer["text"], "italic"), "  →  ", (verdict, "bold")))
    table = Table.grid(padding=(0, 1))
    for name, score in sorted(answer["scores"].items(), key=lambda item: -item[1]):
        style = "bold" if name == answer["label"] else ""
        bar = ProgressBar(total=1.0, completed=score, width=30)
        table.add_row(Text(name, style=style), bar, Text(f"{score:.3f}", style=style))
    console.print(table)
