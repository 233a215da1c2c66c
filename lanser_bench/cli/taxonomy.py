"""`lanser-bench taxonomy`: what label sets there are, and whether a file of one's own is valid."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from ..taxonomy import Taxonomy

app = typer.Typer(help="List, show and check taxonomies.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
PluginsDirs = Annotated[list[Path] | None, typer.Option(help="A folder of loose plugin files.")]


@app.command("list")
def list_taxonomies(as_json: AsJson = False, plugins_dir: PluginsDirs = None) -> None:
    """Lists all registered taxonomies."""
    from ..plugins import registry
    from ..taxonomy import find_taxonomy

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
    from ..plugins import registry
    from ..taxonomy import find_taxonomy

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
    from ..plugins import registry
    from ..taxonomy import find_taxonomy, load_taxonomy

    plugins = registry(tuple(plugins_dir or ()))
    faults = []
    for path in files:
        try:
            checked = load_taxonomy(path)
            for other in sorted({*checked.maps} & {*plugins.names("taxonomy")}):
                checked.map_to(find_taxonomy(plugins, other))
            for other in sorted({*checked.maps_from} & {*plugins.names("taxonomy")}):
                find_taxonomy(plugins, other).map_to(checked)
        except TaxonomyError as error:
            faults.append(str(error) if str(path) in str(error) else f"{path}: {error}")
            continue
        unknown = sorted({*checked.maps, *checked.maps_from} - {*plugins.names("taxonomy")})
        note = f"; maps not checked, since unknown here: {', '.join(unknown)}" if unknown else ""
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
    column: Annotated[str, typer.Option(help="Column of a table's texts.")] = "text",
    limit: Annotated[int | None, typer.Option(min=1, help="Use only the first N texts.")] = None,
    labeler: Annotated[str, typer.Option(help="Which labeler.")] = "entailment",
    option: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="An option of the labeler; may be given again."),
    ] = None,
    picture: Annotated[
        Path | None, typer.Option(help="Write the heat map of both labels here, as PNG.")
    ] = None,
    as_json: AsJson = False,
    plugins_dir: PluginsDirs = None,
) -> None:
    """Compares two taxonomies: their files, and with --texts what a labeler makes of both."""
    from ..errors import SettingsError
    from ..plugins import registry
    from ..reporting.taxonomy_comparison import compare as compared
    from ..reporting.taxonomy_views import heat_map, save_picture, summary_lines
    from ..taxonomy import find_taxonomy
    from ._options import parsed_options
    from ._texts import read_texts

    if picture is not None and (texts is None or picture.suffix.lower() != ".png"):
        raise SettingsError("--picture needs --texts, and a file name that ends in .png.")
    plugins = registry(tuple(plugins_dir or ()))
    first, second = find_taxonomy(plugins, a), find_taxonomy(plugins, b)
    if texts is None:
        found = compared(first, second)
    else:
        said = read_texts(texts, column)[:limit]
        plugin = plugins.create("labeler", labeler, parsed_options(option or []))
        found = compared(first, second, said, plugin, labeler)
    if picture is not None and found.joint is not None:
        title = f"{labeler} on {found.report['behaviour']['texts']} texts"
        save_picture(heat_map(first, second, found.joint, title), picture)
    if as_json:
        typer.echo(json.dumps(found.report, ensure_ascii=False, allow_nan=False))
    else:
        typer.echo("\n".join(summary_lines(found.report)))


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
