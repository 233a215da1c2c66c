"""Turns the points of a grid into cells and distinct stages. Nothing heavy is imported or read."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ...kinds import FeatureExtractor
from ...plugins.discovery import Registry
from ...stages.pretrain.spec import LabelsControl
from ...store import Store
from ..settings.grid import Point
from ..settings.model import PluginRef
from .chain import Chain
from .comparisons import check_comparisons
from .corpus_steps import TEXT_FIELDS
from .idle_axes import check_axes
from .memo import Parts, Progress
from .merged_cells import merged
from .plan import Cell, Plan
from .stage_titles import told_apart

LINES = (None, "reads_gold")
"""Controls of the cells that an axis is about; the others stand beside them."""
LOGMEL_STATS = PluginRef(name="logmel-stats")
TEXT = PluginRef(name="text")


def make_plan(
    points: Sequence[Point],
    registry: Registry,
    store: Store,
    *,
    label: str = "settings",
    folder: Path | None = None,
    progress: Progress | None = None,
) -> Plan:
    """Plans a run: builds the manifests, then every cell's chain of keys.

    Args:
        points: the points of the grid.
        registry: the plugins.
        store: where manifests are kept; no other artifact is read.
        label: what messages call the experiment.
        folder: folder of the experiment file, where a taxonomy's path may start.
        progress: called while recordings are hashed and checked for the first time.

    Raises:
        LanserError: an unknown plugin, option or taxonomy, or a dataset that cannot be used.
    """
    with _no_collection():
        return _planned(points, Parts(registry, store, label, folder, progress))


@contextmanager
def _no_collection() -> Iterator[None]:
    """Holds the collector of cyclic garbage: a plan makes none, and it would look at all of it."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _planned(points: Sequence[Point], parts: Parts) -> Plan:
    for point in points:
        _look_up(parts, point)
    by_point = [list(_cells(parts, p, position == 0)) for position, p in enumerate(points)]
    results = [tuple(c.key for c in own if c.control in LINES) for own in by_point]
    check_axes(parts, points, results)
    cells = merged([cell for own in by_point for cell in own])
    check_comparisons(points[0].settings.comparisons, cells, parts.label)
    plan = Plan(
        experiment=points[0].settings,
        cells=cells,
        nodes=told_apart(parts.used_nodes(cells), cells),
        manifests=parts.manifests,
        plugin_dirs=parts.registry.plugin_dirs,
    )
    for cell in cells:
        for key in set(cell.stages.values()):
            plan.users.setdefault(key, []).append(cell)
    return plan


def _look_up(parts: Parts, point: Point) -> None:
    """Asks for the plugins and the taxonomy that a point uses before any recording is read.

    A first look at a large corpus takes long, and a misspelt option should not wait for its end.
    """
    settings = point.settings
    parts.plugin("segmenter", settings.segmenter)
    for ref in settings.probes:
        parts.plugin("probe", ref)
    encoder, _ = parts.plugin("encoder", settings.encoder)
    if isinstance(encoder, FeatureExtractor):
        return  # nothing is pre-trained, and no label is asked for
    parts.taxonomy(settings.taxonomy)
    labeler, _ = parts.plugin("labeler", settings.labeler)
    if labeler.reads & TEXT_FIELDS:
        parts.plugin("asr", settings.asr)


def _cells(parts: Parts, point: Point, first: bool) -> Iterator[Cell]:
    """Yields the main cells of a point and its controls, one per seed."""
    chain = Chain(parts, point)
    encoder, _ = parts.plugin("encoder", point.settings.encoder)
    controls, seeds = point.settings.controls, point.settings.pretrain.seeds
    if isinstance(encoder, FeatureExtractor):
        yield chain.frozen(point.settings.encoder, None)
    else:
        for seed in seeds:
            yield chain.pretrained("weak", seed, None)
        if controls.random_init:
            for seed in seeds:
                yield chain.random_init(seed)
        shuffles: tuple[tuple[LabelsControl, str], ...] = (
            ("shuffled", controls.shuffled),
            ("shuffled-within-speaker", controls.shuffled_within_speaker),
        )
        for name, scope in shuffles:
            if scope == "each" or (scope == "first" and first):
                for seed in seeds:
                    yield chain.pretrained(name, seed, name.replace("-", "_"))
        if controls.gold and chain.corpora_have_gold():
            for seed in seeds:
                yield chain.pretrained("gold", seed, "gold")
    if controls.logmel_stats and point.settings.encoder != LOGMEL_STATS:
        yield chain.frozen(LOGMEL_STATS, "logmel_stats")
    if controls.text and point.settings.encoder != TEXT:
        yield chain.frozen(TEXT, "text")
