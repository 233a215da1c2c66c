"""`lanser-bench compare`: compare runs, labelers or recognisers, paired."""

from __future__ import annotations

from pathlib import Path

import typer

from ..errors import DataError, SettingsError
from ..printing import echo
from ..reporting.tables.form import Format
from . import _shared as shared
from ._app import App
from ._complete import plugin_names
from ._options import dataset_ref, plugin_words, plugins_and_dataset
from ._shared import DATASET, in_data, in_labeling, in_output, writing

app = App(
    help="Compare runs, labelers or recognisers, paired.\n\n"
    "`lanser-bench compare A B` is short for `lanser-bench compare records A B`."
)

SUFFIXES = (".png", ".svg", ".pdf")
PICTURE = in_output(None, help=f"Also draw it into this file ({', '.join(SUFFIXES)}).")
LABELERS, RECOGNISERS = plugin_names("labeler", "dataset"), plugin_names("asr", "dataset")
PARTS = "A B... " + DATASET


@app.command()
def records(
    a: str = typer.Argument(
        ..., help="A record, a folder, or filters: labeler=entailment,encoder=cnn."
    ),
    b: str = typer.Argument(..., help="What to compare A with."),
    folder: Path = in_data(shared.RESULTS, "--in", help="Folder of records for filters."),
    metric: str | None = in_data(None, help=f"{shared.METRICS} Default: uar."),
    budget: str | None = shared.BUDGET,
    targets: bool = in_data(False, "--targets", help="Compare scores of probes, target by target."),
    labels_saved: bool = in_data(
        False,
        "--labels-saved",
        help="Show how many times as many labels B needs for the score of A at each budget.",
    ),
    form: Format = shared.FORMAT,
    notes: bool = shared.NOTES,
    picture: Path | None = PICTURE,
) -> None:
    """Compare records by utterance, over speakers and training seeds.

    A and B are record files, folders of records, or filters on the records of --in. If a side has
    several cells, those that agree in everything else are paired; the last line is their mean.

    Examples:
        lanser-bench compare records labeler=entailment labeler=random --in results/study
        lanser-bench compare records results/a results/b --metric wa --format md
        lanser-bench compare records control=none control=shuffled --labels-saved
    """
    from ..reporting.comparing import compare_views as views
    from ..reporting.comparing.compare import compare as compared
    from ..reporting.comparing.saved import compare_labels, saved_sheet
    from ..reporting.groups import checked_metric
    from ._console import print_sheets

    if labels_saved:
        if targets or picture is not None:
            raise SettingsError(
                "--labels-saved is a table of its own: leave --targets and --picture out."
            )
        score = checked_metric(metric or "uar")
        saved = compare_labels(a, b, folder=folder, metric=score, budget=budget)
        print_sheets([saved_sheet(saved)], form, saved, "Labels saved", notes=notes)
        return
    _check_suffix(picture)
    comparison = compared(a, b, folder=folder, metric=metric, budget=budget, targets=targets)
    if picture is not None:
        with writing(picture):
            views.picture(comparison, picture)
    if form is Format.md:
        echo(views.comparison_markdown(comparison), nl=False)
    else:
        content = views.as_json(comparison)
        print_sheets([views.sheet(comparison)], form, content, "Comparison", notes=notes)


@app.command()
def labels(
    words: list[str] = typer.Argument(
        ...,
        metavar=PARTS,
        show_default=False,
        autocompletion=LABELERS,
        help='Labelers, such as random or "similarity(templates=all)"; then a labelled dataset, '
        "its folder and options, as in `label corpus`.",
    ),
    taxonomy: str = shared.TAXONOMY,
    asr: str = shared.RECOGNISER,
    set_: list[str] = shared.SETTINGS,
    compare_in: str | None = shared.COMPARE_IN,
    by: str = in_data(
        "uar", help="Score of the order and the differences: uar, kappa, jsd, brier."
    ),
    form: Format = shared.FORMAT,
    notes: bool = shared.NOTES,
    picture: Path | None = PICTURE,
    store: Path = shared.STORE,
    plugins_dir: list[Path] = shared.PLUGINS_DIRS,
) -> None:
    """Compare labelers with gold and each other, and their cost.

    Intervals and differences are over speakers, or over texts if they have no speakers. Labels are
    stored as those of a run, and reused; labelers run one after another.

    Examples:
        lanser-bench compare labels random lexicon synthetic clips=48 --taxonomy goemotions-ekman
        lanser-bench compare labels lexicon "similarity(templates=all)" manifest speech --by kappa
    """
    from ..plugins.taxonomies import find_taxonomy
    from ..reporting.labels import ladder_views as views
    from ..reporting.labels.ladder import check_gold, check_score, compare_labelers
    from ._console import print_sheets
    from ._labeling import Labeling

    _check_suffix(picture)
    check_score(by)
    labeling = Labeling("", [], store, set_, plugins_dir, asr)
    labelers, dataset = plugins_and_dataset(words, "labeler", labeling.plugins, "compare labels")
    plugin = labeling.plugins.create("dataset", dataset.dataset, dataset.options)
    check_gold(dataset.dataset, plugin.card.taxonomy)
    common = find_taxonomy(labeling.plugins, compare_in) if compare_in else None
    corpora = labeling.label(dataset, taxonomy, list(labelers.values()))
    named = dict(zip(labelers, corpora, strict=True))
    ladder = compare_labelers(named, by=by, compare_in=common)
    if picture is not None:
        with writing(picture):
            views.picture(ladder, picture)
    print_sheets(views.sheets(ladder, labelers), form, ladder, "Labelers", notes=notes)


@app.command()
def asr(
    words: list[str] = typer.Argument(
        ...,
        metavar=PARTS,
        show_default=False,
        autocompletion=RECOGNISERS,
        help='Recognisers, such as openai-whisper or "faster-whisper(language=en)"; then a dataset '
        "with transcripts, its folder and options.",
    ),
    silence: bool = in_data(True, help="Also transcribe clips without words."),
    labeler: str | None = in_labeling(
        None, help="Labeler whose labels from recognised and reference texts are compared."
    ),
    taxonomy: str = shared.TAXONOMY,
    set_: list[str] = shared.SETTINGS,
    form: Format = shared.FORMAT,
    notes: bool = shared.NOTES,
    picture: Path | None = PICTURE,
    store: Path = shared.STORE,
    plugins_dir: list[Path] = shared.PLUGINS_DIRS,
) -> None:
    """Compare recognisers: errors, words in silence, speed, labels.

    Intervals and differences are over speakers, or over utterances if they have no speakers.
    Transcripts are stored as those of a run, and reused; recognisers run one after another.

    Examples:
        lanser-bench compare asr faster-whisper openai-whisper synthetic clips=48 speakers=6
        lanser-bench compare asr faster-whisper openai-whisper librispeech dev --labeler lexicon
    """
    from ..reporting.labels import recogniser_views as views
    from ..reporting.labels.recognisers import REFERENCE, compare_recognisers
    from ._console import print_sheets
    from ._labeling import Labeling

    _check_suffix(picture)
    labeling = Labeling("", [], store, set_, plugins_dir)
    recognisers, dataset = plugins_and_dataset(words, "asr", labeling.plugins, "compare asr")
    read = labeling.transcribe(dataset, recognisers)
    quiet = None
    if silence:
        quiet = labeling.transcribe(dataset_ref(["silence"], labeling.plugins, ""), recognisers)
    labelled = None
    if labeler is not None:
        sources = {REFERENCE: {"name": REFERENCE}, **recognisers}
        one = [plugin_words(labeler)]
        labelled = {
            name: labeling.label(dataset, taxonomy, one, source)[0]
            for name, source in sources.items()
        }
    found = compare_recognisers(dataset.dataset, read, silence=quiet, labelled=labelled)
    if picture is not None:
        with writing(picture):
            views.picture(found, picture)
    print_sheets(
        views.sheets(found, recognisers, labeler or ""), form, found, "Recognisers", notes=notes
    )


def _check_suffix(picture: Path | None) -> None:
    if picture is not None and picture.suffix.lower() not in SUFFIXES:
        raise DataError(f"{picture}: a picture ends in {', '.join(SUFFIXES)}.")
