"""`lanser-bench track`: send finished results to a tracker afterwards."""

from __future__ import annotations

from pathlib import Path

import typer

from ..printing import echo
from . import _shared as shared
from ._shared import note


def track(
    folders: list[Path] = shared.FOLDERS,
    to: str = typer.Option("wandb", help="Tracker: wandb, tensorboard, jsonl …"),
    option: list[str] = typer.Option(
        [], metavar="KEY=VALUE", help="Option of the tracker; repeatable."
    ),
    again: bool = typer.Option(
        False, "--again", help="Also send cells that the tracker has received before."
    ),
    timeout: float = typer.Option(60.0, help="Longest time for one cell, in seconds."),
    store: Path = shared.STORE_OF_RUN,
    plugins_dir: list[Path] = shared.PLUGINS_DIRS,
) -> None:
    """Send to a tracker all finished cells that it has not received yet.

    Exit code 1: the tracker failed; run the same command again to continue.

    Examples:
        lanser-bench track --to tensorboard
        lanser-bench track results/study --to wandb --option project=study
    """
    from ..reporting.rerun.replay import track_results
    from ..store import Store
    from ._options import parsed_options

    replay = track_results(
        folders or [shared.RESULTS],
        to,
        parsed_options(option),
        store=Store(store),
        again=again,
        plugin_dirs=plugins_dir,
        timeout_s=timeout,
        report=note,
    )
    known = f", {replay.had} were sent before" if replay.had else ""
    echo(f"{replay.sent} cells sent to {to}{known}. Its files are in {replay.folder}.")
    if replay.view is not None:
        echo(f"Next: {replay.view}")
    if replay.failed:
        echo(f"{replay.failed} cells were not sent.", err=True)
        raise typer.Exit(1)
