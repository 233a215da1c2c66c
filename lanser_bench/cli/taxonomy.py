"""`lanser-bench taxonomy`: list, show, check and compare sets of labels."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ..errors import SettingsError, TaxonomyError
from ..printing import echo
from . import _shared as shared
from ._app import App
from ._complete import plugin_names
from ._shared import DATASET, dataset_words, echo_json, in_data, in_output

if TYPE_CHECKING:
    from ..experiment.settings.model import DatasetRef
    from ..plugins.discovery import Registry
    from ..reporting.labels.taxonomies import Comparison
    from ..taxonomy import Taxonomy
    from ._labeling import Labeling

app = App(help="List, show, check and compare taxonomies.")
NAMES = plugin_names("taxonomy")
B = typer.Argument(..., help="The taxonomy to compare it with.", autocompletion=NAMES)
A = typer.Argument(..., help="A taxonomy's name, or the path of a YAML file.", autocompletion=NAMES)


@app.command("list")
def list_taxonomies(
    as_json: bool = shared.AS_JSON, plugins_dir: list[Path] = shared.PLUGINS_DIRS
) -> None:
    """List all registered taxonomies.

    Examples:
        lanser-bench taxonomy list
    """
    from ..plugins.taxonomies import find_taxonomy

    plugins = shared.plugins_in(plugins_dir)
    rows: list[dict[str, Any]] = []
    for name in plugins.names("taxonomy"):
        taxonomy = find_taxonomy(plugins, name)
        maps = {*taxonomy.maps, *(f"from {source}" for source in taxonomy.maps_from)}
        rows.append(
            {
                "name": name,
                "version": taxonomy.version,
                "labels": len(taxonomy.labels),
                "neutral": taxonomy.neutral,
                "title": taxonomy.title,
                "maps": sorted(maps),
                "distribution": plugins.entry("taxonomy", name).distribution,
                "hash": taxonomy.hash,
            }
        )
    if as_json:
        echo_json(rows)
    else:
        header = ("name", "labels", "neutral", "title", "distribution")
        _print_table(header, [[str(row[column] or "–") for column in header] for row in rows])


@app.command()
def show(
    taxonomy: str = typer.Argument(
        ..., help="A name, or the path of a YAML file.", autocompletion=NAMES
    ),
    as_json: bool = shared.AS_JSON,
    plugins_dir: list[Path] = shared.PLUGINS_DIRS,
) -> None:
    """Show labels, their wording, maps and unmapped labels.

    Examples:
        lanser-bench taxonomy show ekman-6
        lanser-bench taxonomy show moods.yaml --json
    """
    from ..plugins.taxonomies import find_taxonomy

    found = find_taxonomy(shared.plugins_in(plugins_dir), taxonomy)
    if as_json:
        echo_json(found.model_dump(mode="json") | {"hash": found.hash})
    else:
        _show(found)


@app.command()
def validate(
    files: list[Path] = typer.Argument(..., metavar="FILE...", help="Taxonomy files."),
    plugins_dir: list[Path] = shared.PLUGINS_DIRS,
) -> None:
    """Check files, and their maps to registered taxonomies.

    All files are checked; all errors are printed at the end.

    Examples:
        lanser-bench taxonomy validate moods.yaml
    """
    from ..plugins.taxonomies import check_maps

    plugins = shared.plugins_in(plugins_dir)
    faults = []
    for path in files:
        try:
            checked, notes = check_maps(path, plugins)
        except TaxonomyError as error:
            faults.append(str(error))
            continue
        unchecked = f"; maps not checked: {' '.join(notes)}" if notes else ""
        echo(f"{path}: {checked.name}, {len(checked.labels)} labels, valid{unchecked}")
    if faults:
        raise TaxonomyError("\n".join(faults))


@app.command()
def compare(
    a: str = A,
    b: str = B,
    dataset: list[str] = dataset_words([], metavar=f"[{DATASET}]"),
    texts: Path | None = in_data(
        None, help="Texts to label by both: CSV, TSV, JSONL, or .txt with one per line."
    ),
    column: str = shared.TEXT_COLUMN,
    limit: int | None = in_data(None, min=1, help="Use at most so many texts."),
    labeler: str = shared.LABELER,
    option: list[str] = shared.LABELER_OPTIONS,
    asr: str = shared.RECOGNISER,
    set_: list[str] = shared.SETTINGS,
    picture: Path | None = in_output(
        None, help="Write a heat map of both labels to this PNG file."
    ),
    as_json: bool = shared.AS_JSON,
    store: Path = shared.STORE,
    plugins_dir: list[Path] = shared.PLUGINS_DIRS,
) -> None:
    """Compare two taxonomies, and the labels given by each.

    With --texts a file is labelled at once. A dataset goes through the stages of an experiment, and
    cached results are reused.

    Examples:
        lanser-bench taxonomy compare ekman-6 goemotions-28
        lanser-bench taxonomy compare ekman-6 plutchik-8 --texts diary.csv --labeler lexicon
        lanser-bench taxonomy compare ekman-6 plutchik-8 synthetic clips=24 --labeler lexicon
    """
    from ..reporting.labels.taxonomies import compare as compared
    from ..reporting.labels.taxonomy_views import heat_map, summary_lines
    from ..reporting.tables.pictures import save_picture
    from ._labeling import Labeling, read_texts
    from ._options import dataset_ref

    if texts and dataset:
        raise SettingsError("Give either --texts or a dataset.")
    if picture is not None and not ((texts or dataset) and picture.suffix.lower() == ".png"):
        raise SettingsError("--picture needs --texts or a dataset, and a file that ends in .png.")
    labeling = Labeling(labeler, option, store, set_, plugins_dir, asr)
    first, second = (_checked(labeling.plugins, name) for name in (a, b))
    if texts:
        plugin = labeling.plugins.create("labeler", labeler, labeling.options)
        found = compared(first, second, read_texts(texts, column)[:limit], plugin, labeler)
    elif dataset:
        ref = dataset_ref(dataset, labeling.plugins, f"taxonomy compare {a} {b}")
        limited = ref if limit is None else ref.model_copy(update={"limit": limit})
        found = _on_dataset(limited, labeling, (a, b))
    else:
        found = compared(first, second)
    if picture is not None and found.joint is not None:
        title = f"{labeler} on {found.report['behaviour']['texts']} texts"
        save_picture(heat_map(first, second, found.joint, title), picture)
    if as_json:
        echo_json(found.report)
    else:
        echo("\n".join(summary_lines(found.report)))


def _checked(plugins: Registry, name: str) -> Taxonomy:
    """Returns a taxonomy; checks the maps of a file, and notes those of unknown taxonomies."""
    from ..plugins.taxonomies import check_maps, find_taxonomy, taxonomy_file

    is_file = name.endswith((".yaml", ".yml"))
    for note in check_maps(taxonomy_file(name), plugins)[1] if is_file else ():
        echo(f"Note: {name}: the map's taxonomy {note}", err=True)
    return find_taxonomy(plugins, name)


def _on_dataset(dataset: DatasetRef, labeling: Labeling, names: tuple[str, str]) -> Comparison:
    """Labels a dataset by both taxonomies through the store and compares the labels."""
    from ..data.utterances import read_utterances
    from ..reporting.labels.taxonomies import compare_labels
    from ..stages.label.files import read_labels

    one, other = labeling.label(dataset, names)
    artifacts = [corpus.store.checked(corpus.labels) for corpus in (one, other)]
    made = artifacts[0].spec.plugins["labeler"]
    return compare_labels(
        one.taxonomy,
        other.taxonomy,
        read_labels(artifacts[0]),
        read_labels(artifacts[1]),
        {"name": made.name, "version": made.version, "options": made.options},
        read_utterances(one.store.checked(one.utterances)).speakers,
    )


def _show(taxonomy: Taxonomy) -> None:
    echo(f"{taxonomy.name} (version {taxonomy.version})  {taxonomy.title}")
    echo(f"Source: {taxonomy.citation}")
    if taxonomy.notes:
        echo(f"Notes: {taxonomy.notes}")
    rule = taxonomy.neutral_rule
    threshold = f", min_confidence {rule.min_confidence:g}" if rule.min_confidence else ""
    echo(f"Neutral: {taxonomy.neutral or f'no label; rule: {rule.kind}{threshold}'}")
    echo(f"Templates: {' | '.join(taxonomy.templates)}")
    rows = [
        [label.name, hypothesis, ", ".join(label.synonyms), label.parent or ""]
        + ["" if value is None else f"{value:+.1f}" for value in (label.valence, label.arousal)]
        for label, hypothesis in zip(taxonomy.labels, taxonomy.hypotheses(), strict=True)
    ]
    header = ("label", "first hypothesis", "synonyms", "parent", "valence", "arousal")
    _print_table(header, rows)
    for language, wording in taxonomy.languages.items():
        words = ", ".join(f"{name} → {'/'.join(words)}" for name, words in wording.labels.items())
        echo(f"In {language}: {' | '.join(wording.templates)}; {words}")
    for target, mapped in taxonomy.maps.items():
        missing = [name for name in taxonomy.names if not mapped.get(name)]
        unmapped = f"  (unmapped: {', '.join(missing)})" if missing else ""
        echo(f"Map to {target}: {_pairs(mapped)}{unmapped}")
    for source, mapped in taxonomy.maps_from.items():
        echo(f"Map from {source}: {_pairs(mapped)}")


def _pairs(mapped: Mapping[str, Mapping[str, float]]) -> str:
    def weights(targets: Mapping[str, float]) -> str:
        return " + ".join(name if w == 1 else f"{w:g} {name}" for name, w in targets.items())

    return ", ".join(f"{name} → {weights(targets)}" for name, targets in mapped.items())


def _print_table(header: tuple[str, ...], rows: list[list[str]]) -> None:
    from ..console import Console
    from ._console import plain_table

    Console().print(plain_table(header, rows))
