"""Scores predictions made elsewhere: the Python twin of `lanser-bench predictions import`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ..errors import SettingsError
from ..evaluation.official import check_official
from ..kinds import LabelTable
from ..plugins.discovery import registry
from ..stages import external
from ..stages.base import run_call
from ..stages.evaluate import spec as evaluate
from ..store import Store
from .planning.corpus_steps import Steps
from .planning.memo import Parts, Progress
from .planning.plan import Cell, Plan, TargetKeys, users_of
from .running.cell_record import publish_record
from .settings.files import read_experiment
from .settings.grid import Point, expand

PLACE = "targets.0"
KEPT = ("name", "seed", "targets", "evaluate", "paths")
"""Settings of an experiment that an import takes over."""
PERMUTED = "permuted_predictions"
"""Control: the predictions permuted within each speaker, with the same class frequencies."""


def import_predictions(
    table: str | Path,
    dataset: str | Mapping[str, Any] | None = None,
    *,
    name: str | None = None,
    like: str | Path | Mapping[str, Any] | None = None,
    options: Mapping[str, Any] = MappingProxyType({}),
    overrides: Sequence[str] = (),
    plugin_dirs: Iterable[Path] = (),
    progress: Progress | None = None,
) -> list[Path]:
    """Scores a table of predictions on a labelled set, and writes records marked as external.

    Args:
        table: CSV, TSV, JSON lines or Parquet; see the labeler `table`.
        dataset: the labelled set, as in an experiment; None: the target of `like`.
        name: what made the predictions; by default the table's name.
        like: an experiment whose folds, budgets and seeds are used; records are added to it.
        options: options of the labeler `table`.
        overrides: ``key=value`` of an experiment, such as ``evaluate.folds=4``.
        plugin_dirs: folders of loose plugin files.
        progress: called while recordings are hashed for the first time.

    Returns:
        For each seed of the table its record, and that of its control.

    Raises:
        LanserError: the table, the set or the settings cannot be used.
    """
    labeler = {"name": "table", "file": str(table), **options}
    [point] = expand(read_experiment(_settings(dataset, like, labeler), overrides))
    paths = point.settings.paths
    parts = Parts(
        registry(plugin_dirs),
        Store(paths.store, paths.shared),
        "lanser-bench predictions import",
        None,
        progress,
    )
    cells, folders = [*_cells(parts, point, name or Path(table).stem)], parts.registry.plugin_dirs
    plan = Plan(point.settings, cells, parts.nodes, parts.manifests, folders, users_of(cells))
    with plan.at_work(parts.store):
        for node in plan.nodes.values():
            run_call(node.call(parts.store, folders))
        records = [paths.results / cell.record_path for cell in cells]
        for cell, path in zip(cells, records, strict=True):
            publish_record(plan, cell, parts.store, path)
    return records


def _settings(dataset: Any, like: Any, labeler: Mapping[str, Any]) -> dict[str, Any]:
    written = {} if like is None else read_experiment(like).settings
    kept: dict[str, Any] = {name: written[name] for name in KEPT if name in written}
    targets = kept.get("targets", []) if dataset is None else [dataset]
    if len(targets) != 1:
        raise SettingsError(
            f"Name the dataset of the predictions: there are {len(targets)}, and a table is of one."
        )
    return {
        "name": "external",
        **kept,
        "targets": targets,
        "labeler": labeler,
        "taxonomy": "ekman-6",
        "encoder": "logmel-stats",  # required, and not used
        "trackers": [],
        "executor": {"name": "local", "inline": True},
    }


def _cells(parts: Parts, point: Point, name: str) -> Iterator[Cell]:
    """Yields a cell for each seed of the table, and one for its control."""
    settings, steps = point.settings, Steps(parts, point)
    plugin, labeler = parts.plugin("labeler", settings.labeler)
    assert isinstance(plugin, LabelTable)
    seeds = [values.get("seed") for values, _ in plugin.parts(("seed",))]
    if odd := [seed for seed in seeds if seed is not None and not re.fullmatch(r"\d{1,10}", seed)]:
        raise SettingsError(f"The table has the seed '{odd[0]}', which is no whole number.")
    target = settings.targets[0]
    prepared = steps.prepare(PLACE, target)
    wanted = steps.params(settings.evaluate, evaluate.Params)
    check_official(prepared.dataset, parts.label, wanted.protocol, target.part)
    gold = steps.gold_taxonomy(prepared, settings.evaluate)
    if gold is None:
        raise SettingsError(f"{parts.label}: '{prepared.name}' has ratings, but no labels.")
    evaluation = evaluate.spec(
        utterances=prepared.utterances,
        embeddings="",
        taxonomy=gold,
        params=wanted,
        seed=settings.seed_of("evaluate"),
        official=prepared.dataset.protocols,
    )
    note = (
        f"External: the predictions of '{name}' were made elsewhere. What it learned from is "
        f"unknown: it may include '{prepared.name}'."
    )
    for seed in seeds:
        for control in (None, PERMUTED):
            key = parts.stage(
                external.spec,
                f"{name} on {prepared.name}" + ", permuted" * (control is not None),
                1,
                prepared.audio,
                evaluation=evaluation,
                labeler=labeler,
                gold=gold,
                seed=seed,
                permuted=control is not None,
            )
            yield Cell(
                experiment=settings.name,
                axes={"encoder": f"external:{name}"},
                role="main" if control is None else "control",
                control=control,
                seed=None if seed is None else int(seed),
                show_seed=len(seeds) > 1,
                settings=settings,
                encoder=f"external:{name}",
                taxonomy=None,
                stages={**steps.stages, f"external {PLACE}": key},
                targets=[TargetKeys(prepared.name, key, {}, (note,))],
            )
