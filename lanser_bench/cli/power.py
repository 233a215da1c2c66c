"""`lanser-bench power`: which difference a design can detect, before anything is run."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import typer

from ..printing import echo
from . import _shared as shared
from ._shared import DATASET, dataset_words, echo_json, in_data

MOST = 10_000
"""Largest number in a design."""


def power(
    dataset: list[str] = dataset_words([], metavar=f"[{DATASET}]"),
    protocol: str = in_data(
        "k-speaker-folds", help="Selects the speakers that are tested, as `evaluate.protocol` does."
    ),
    pilot: list[Path] = in_data(
        [], metavar="PATH", help="Record or folder to read spreads from; give it twice."
    ),
    metric: str = in_data("uar", help=f"Score of the pilot. {shared.METRICS}"),
    budget: str | None = shared.BUDGET,
    speakers: int | None = typer.Option(None, min=1, max=MOST, help="Speakers tested."),
    utterances: float | None = typer.Option(None, min=1, max=MOST, help="Utterances per speaker."),
    seeds: int = typer.Option(3, min=1, max=MOST, help="Training seeds of each cell."),
    comparisons: int = typer.Option(1, min=1, max=MOST, help="Comparisons in the family (Holm)."),
    spread: float | None = typer.Option(
        None, min=0.01, max=100, help="Points by which the difference varies between speakers."
    ),
    seed_spread: float | None = typer.Option(
        None, min=0, max=100, help="Points by which the score varies between seeds."
    ),
    find: float = typer.Option(0.9, min=0.5, max=0.999, help="Power."),
    as_json: bool = shared.AS_JSON,
    plugins_dir: list[Path] = shared.PLUGINS_DIRS,
) -> None:
    """Print the smallest difference that a comparison of two cells can detect.

    A dataset is counted from its list of utterances; recordings are not opened.

    Examples:
        lanser-bench power --speakers 18 --spread 7 --seeds 1 --seed-spread 0
        lanser-bench power ravdess data/ravdess --seeds 5 --comparisons 4
    """
    from ..plugins.discovery import registry
    from ..reporting.comparing.power import plan_power
    from ._options import dataset_ref

    folders = tuple(plugins_dir)
    plan = plan_power(
        dataset=dataset_ref(dataset, registry(folders), "power") if dataset else None,
        speakers=speakers,
        utterances=utterances,
        protocol=protocol,
        metric=metric,
        budget=budget,
        seeds=seeds,
        comparisons=comparisons,
        spread=spread,
        seed_spread=seed_spread,
        pilot=pilot,
        power=find,
        plugin_dirs=folders,
    )
    if as_json:
        echo_json(asdict(plan), indent=1)
    else:
        echo("\n".join(plan.lines()))
