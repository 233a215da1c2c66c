"""`lanser-bench taxonomy`: what label sets there are, and whether a file of one's own is valid."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ._shared import (
    STORE,
    AsJson,
    LabelerName,
    LabelerOptions,
    Overrides,
    PluginsDirs,
    Recogniser,
    StoreDir,
    TextColumn,
)

if TYPE_CHECKING:
    from ..reporting.labels.taxonomies import Comparison
    from ..taxonomy import Taxonomy

app = typer.Typer(help="List, show and check taxonomies.", no_args_is_help=True)


@app.command("list")
def list_taxonomies(as_json: AsJson = False, plugins_dir: PluginsDirs = None) -> None:
    """Lists all registered taxonomies."""
    from ..plugins.discovery import registry
    from ..plugins.taxonomies import find_taxonomy

    plugins = registry(tuple(plugins_dir or ()))
    rows: list[dict[str, Any]] = []
    for name in plugins.names("taxonomy"):
        found = find_taxonomy(plugins, name)
        rows.append(
            {
                "name": name,
                "version": found.version,
                "labels": len(found.labels),
                "neutral": found.neutral,
                "title": found.title,
                "maps": sorted({*found.maps, *(f"from {source}" for source in found.maps_from)}),
                "distribution": plugins.entry("taxonomy", name).distribution,
                "hash": found.hash,
            }
        )
    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False))
        return
    _print_table(
        ("name", "labels", "neutral", "title", "distribution"),
        [
            (r["name"], str(r["labels"]), r["neutral"] or "–", r["title"], r["distribution"])
            for r in rows
        ],
    )


@app.command()
def show(
    taxonomy: Annotated[str, typer.Argument(help="A name, or the path of a YAML file.")],
    as_json: AsJson = False,
    plugins_dir: PluginsDirs = None,
) -> None:
    """Shows a taxonomy: labels, wording, maps and what they leave unmapped."""
    from ..plugins.discovery import registry
    from ..plugins.taxonomies import find_taxonomy

    found = find_taxonomy(registry(tuple(plugins_dir or ())), taxonomy)
    if as_json:
        content: dict[str, Any] = found.model_dump(mode="json") | {"hash": found.hash}
        typer.echo(json.dumps(content, ensure_ascii=False))
    else:
        _show(found)


@app.command()
def validate(
    files: Annotated[list[Path], typer.Argument(help="Taxonomy files.")],
    plugins_dir: PluginsDirs = None,
) -> None:
    """Checks files, also their maps against the registered taxonomies they point to.

    All files are checked; the sentences of all faults are given at the end.
    """
    from ..errors import TaxonomyError
    from ..plugins.discovery import registry
    from ..plugins.taxonomies import check_maps

    plugins = registry(tuple(plugins_dir or ()))
    faults = []
    for path in files:
        try:
            checked, notes = check_maps(path, plugins)
        except TaxonomyError as error:
            faults.append(str(error))
            continue
        note = f"; maps not checked: {' '.join(notes)}" if notes else ""
        typer.echo(f"{path}: {checked.name}, {len(checked.labels)} labels, valid{note}")
    if faults:
        raise TaxonomyError("\n".join(faults))


@app.command()
def compare(
    a: Annotated[str, typer.Argument(help="A taxonomy's name, or the path of a YAML file.")],
    b: Annotated[str, typer.Argument(help="The other one.")],
    texts: Annotated[
        Path | None,
        typer.Option(help="Texts to label by both: one per line, or CSV, TSV or JSONL."),
    ] = None,
    column: TextColumn = "text",
    corpus: Annotated[
        str | None, typer.Option(help="A dataset to label by both, such as librispeech.")
    ] = None,
    root: Annotated[Path | None, typer.Option(help="The dataset's folder.")] = None,
    dataset_option: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="An option of the dataset; may be given again."),
    ] = None,
    asr: Recogniser = "reference",
    set_: Overrides = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Use only so many texts.")] = None,
    labeler: LabelerName = "entailment",
    option: LabelerOptions = None,
    picture: Annotated[
        Path | None, typer.Option(help="Write the heat map of both labels here, as PNG.")
    ] = None,
    store: StoreDir = STORE,
    as_json: AsJson = False,
    plugins_dir: PluginsDirs = None,
) -> None:
    """Compares two taxonomies: their files, and what a labeler makes of both.

    With --texts a file is labelled at once; with --corpus a dataset goes through the stages of an
    experiment, and what is in the store is not computed again.
    """
    from ..errors import SettingsError
    from ..plugins.discovery import registry
    from ..plugins.taxonomies import find_taxonomy
    from ..reporting.labels.taxonomies import compare as compared
    from ..reporting.labels.taxonomy_views import heat_map, summary_lines
    from ..reporting.tables.pictures import save_picture
    from ._options import parsed_options
    from ._texts import read_texts

    if texts is not None and corpus is not None:
        raise SettingsError("Give either --texts or --corpus.")
    without = texts is None and corpus is None
    if picture is not None and (without or picture.suffix.lower() != ".png"):
        raise SettingsError("--picture needs --texts or --corpus, and a file that ends in .png.")
    plugins = registry(tuple(plugins_dir or ()))
    first, second = find_taxonomy(plugins, a), find_taxonomy(plugins, b)
    options = parsed_options(option or [])
    if texts is not None:
        plugin = plugins.create("labeler", labeler, options)
        found = compared(first, second, read_texts(texts, column)[:limit], plugin, labeler)
    elif corpus is not None:
        own = parsed_options(dataset_option or [])
        limited = {} if limit is None else {"limit": limit}
        settings = [
            f"paths.store={json.dumps(str(store), ensure_ascii=False)}",
            f"asr={asr}",
            *(set_ or []),
        ]
        found = _on_corpus(
            (corpus, root, own | limited),
            {"name": labeler, "options": options},
            (a, b),
            settings,
            plugins_dir or [],
        )
    else:
        found = compared(first, second)
    if picture is not None and found.joint is not None:
        title = f"{labeler} on {found.report['behaviour']['texts']} texts"
        save_picture(heat_map(first, second, found.joint, title), picture)
    if as_json:
        typer.echo(json.dumps(found.report, ensure_ascii=False, allow_nan=False))
    else:
        typer.echo("\n".join(summary_lines(found.report)))


def _on_corpus(
    dataset: tuple[str, Path | None, dict[str, Any]],
    labeler: dict[str, Any],
    names: tuple[str, str],
    settings: list[str],
    plugins_dir: list[Path],
) -> Comparison:
    """Labels a corpus by both taxonomies through the store and compares the labels."""
    from ..data.utterances import read_utterances
    from ..experiment.labelling import dataset_ref, label_corpus
    from ..reporting.labels.taxonomies import compare_labels
    from ..stages.label.files import read_labels
    from ._display import Display

    with Display() as display:
        one, other = label_corpus(
            dataset_ref(*dataset),
            labeler,
            names,
            overrides=settings,
            listener=display,
            plugin_dirs=[folder.resolve() for folder in plugins_dir],
            progress=display.reading,
        )
    made = one.store.checked(one.labels).spec.plugins["labeler"]
    return compare_labels(
        one.taxonomy,
        other.taxonomy,
        read_labels(one.store.checked(one.labels)),
        read_labels(other.store.checked(other.labels)),
        {"name": made.name, "version": made.version, "options": made.options},
        read_utterances(one.store.checked(one.utterances)).speakers,
    )


def _show(taxonomy: Taxonomy) -> None:
    typer.echo(f"{taxonomy.name} (version {taxonomy.version})  {taxonomy.title}")
    typer.echo(f"Source: {taxonomy.citation}")
    if taxonomy.notes:
        typer.echo(f"Notes: {taxonomy.notes}")
    rule = taxonomy.neutral_rule
    threshold = f", min_confidence {rule.min_confidence:g}" if rule.min_confidence else ""
    typer.echo(f"Neutral: {taxonomy.neutral or f'no label; rule: {rule.kind}{threshold}'}")
    typer.echo(f"Templates: {' | '.join(taxonomy.templates)}")
    _print_table(
        ("label", "first hypothesis", "synonyms", "parent", "valence", "arousal"),
        [
            (
                label.name,
                hypothesis,
                ", ".join(label.synonyms),
                label.parent or "",
                "" if label.valence is None else f"{label.valence:+.1f}",
                "" if label.arousal is None else f"{label.arousal:+.1f}",
            )
            for label, hypothesis in zip(taxonomy.labels, taxonomy.hypotheses(), strict=True)
        ],
    )
    for target, written in taxonomy.maps.items():
        pairs = ", ".join(f"{name} → {_weights(weights)}" for name, weights in written.items())
        missing = [name for name in taxonomy.names if not written.get(name)]
        unmapped = f"  (unmapped: {', '.join(missing)})" if missing else ""
        typer.echo(f"Map to {target}: {pairs}{unmapped}")
    for source, written in taxonomy.maps_from.items():
        pairs = ", ".join(f"{name} → {_weights(weights)}" for name, weights in written.items())
        typer.echo(f"Map from {source}: {pairs}")


def _weights(weights: dict[str, float]) -> str:
    return " + ".join(name if w == 1 else f"{w:g} {name}" for name, w in weights.items())


def _print_table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(*header)
    for row in rows:
        table.add_row(*row)
    Console().print(table)
