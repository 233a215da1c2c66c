"""`lanser-bench track`: finished results to a tracker, afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ._shared import PluginsDirs, note


def track(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[DIR]...", help="Folders of result records; default: results."),
    ] = None,
    to: Annotated[
        str, typer.Option("--to", help="Which tracker: wandb, tensorboard, jsonl …")
    ] = "wandb",
    option: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="An option of the tracker; may be repeated."),
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Also cells that the tracker has received before.")
    ] = False,
    timeout: Annotated[float, typer.Option(help="Longest time for one cell, in seconds.")] = 60.0,
    store: Annotated[
        Path, typer.Option("--store", help="The store's folder.", envvar="LANSER_STORE")
    ] = Path(".lanser/store"),
    plugins_dir: PluginsDirs = None,
) -> None:
    """Sends finished cells to a tracker: those that it has not received yet.

    Exit code 1: the tracker failed; the same command again goes on.
    """
    from ..reporting.rerun.replay import track_results
    from ..store import Store
    from ._options import parsed_options

    found = track_results(
        folders or [Path("results")],
        to,
        parsed_options(option or []),
        store=Store(store),
        again=again,
        plugin_dirs=plugins_dir or (),
        timeout_s=timeout,
        report=note,
    )
    known = f", {found.had} were there before" if found.had else ""
    typer.echo(f"{found.sent} cells sent to {to}{known}. Its files are in {found.folder}.")
    if found.failed:
        typer.echo(f"{found.failed} cells were not sent.", err=True)
        raise typer.Exit(1)
