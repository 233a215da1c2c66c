"""`lanser-bench power`: what a design can find, before anything is run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ._shared import PluginsDirs


def power(
    dataset: Annotated[
        str | None,
        typer.Option(help="A dataset plugin: speakers, utterances and classes are counted in it."),
    ] = None,
    root: Annotated[Path | None, typer.Option(help="The dataset's folder.")] = None,
    option: Annotated[
        list[str] | None, typer.Option(help="KEY=VALUE: an option of the dataset.")
    ] = None,
    speakers: Annotated[int | None, typer.Option(min=1, help="Speakers tested.")] = None,
    utterances: Annotated[
        float | None, typer.Option(min=1, help="Utterances of each speaker.")
    ] = None,
    protocol: Annotated[
        str, typer.Option(help="Which speakers are tested: as `evaluate.protocol`.")
    ] = "k-speaker-folds",
    budget: Annotated[
        str | None, typer.Option(help="Label budget to read the spread at; default: the largest.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Training seeds of each cell.")] = 3,
    comparisons: Annotated[int, typer.Option(min=1, help="Comparisons in the family (Holm).")] = 1,
    spread: Annotated[
        float | None,
        typer.Option(min=0.01, help="Points by which the difference varies over speakers."),
    ] = None,
    seed_spread: Annotated[
        float | None, typer.Option(min=0, help="Points by which the score varies over seeds.")
    ] = None,
    pilot: Annotated[
        list[Path] | None,
        typer.Option(help="Two records or folders (give it twice): spreads are read from them."),
    ] = None,
    find: Annotated[float, typer.Option(min=0.5, max=0.999, help="Power.")] = 0.9,
    plugins_dir: PluginsDirs = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print the smallest difference in UAR that a comparison of two cells can find.

    A dataset is counted as its table lists it; recordings are not opened.
    """
    import json
    from dataclasses import asdict

    from ..reporting.comparing.power import plan_power

    found = plan_power(
        dataset=dataset,
        root=root,
        options=option or [],
        speakers=speakers,
        utterances=utterances,
        protocol=protocol,
        budget=budget,
        seeds=seeds,
        comparisons=comparisons,
        spread=spread,
        seed_spread=seed_spread,
        pilot=pilot or [],
        power=find,
        plugin_dirs=plugins_dir or [],
    )
    if json_output:
        typer.echo(json.dumps(asdict(found), ensure_ascii=False, indent=1))
        return
    for line in found.lines():
        typer.echo(line)
