"""Turns the points of a grid into cells and distinct stages; loads no heavy library."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from ...kinds import FeatureExtractor
from ...plugins.discovery import Registry
from ...stages.pretrain.spec import LabelsControl
from ...store import Store
from ..settings.grid import Point
from ..settings.model import DatasetRef, PluginRef
from .chain import Chain
from .comparisons import check_comparisons
from .corpus_steps import look_up_labeler
from .idle_axes import check_axes
from .memo import Parts, Progress
from .merged_cells import merged
from .plan import Cell, Plan, users_of
from .stage_titles import distinct_titles

LINES = (None, "reads_gold")
"""Controls of cells whose results an axis must change."""
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
    """Plans a run: builds the manifests, then the keys of every cell's stages.

    Args:
        points: the points of the grid.
        registry: the plugins.
        store: where manifests are kept; no other artifact is read.
        label: name of the experiment in messages.
        folder: folder of the experiment file; paths of taxonomies may be relative to it.
        progress: called while recordings are hashed and checked for the first time.

    Raises:
        LanserError: an unknown plugin, option or taxonomy, or a dataset that cannot be used.
    """
    parts = Parts(registry, store, label, folder, progress, tuple(points[0].axes))
    for point in points:
        _look_up(parts, point)
    by_point = [list(_cells(parts, p, position == 0)) for position, p in enumerate(points)]
    results = [tuple(c.key for c in own if c.control in LINES) for own in by_point]
    check_axes(parts, points, results)
    cells = merged([cell for own in by_point for cell in own])
    check_comparisons(points[0].settings.comparisons, cells, parts.label)
    users = users_of(cells)
    nodes = {key: node for key, node in parts.nodes.items() if key in users}
    return Plan(
        experiment=points[0].settings,
        cells=cells,
        nodes=distinct_titles(nodes, cells),
        manifests=parts.manifests,
        plugin_dirs=parts.registry.plugin_dirs,
        users=users,
    )


def _look_up(parts: Parts, point: Point) -> None:
    """Creates the plugins and the taxonomy of a point before any recording is read.

    Reading a large corpus for the first time takes long; a misspelt option is reported before it.
    """
    settings = point.settings
    parts.plugin("segmenter", settings.segmenter)
    for ref in settings.probes:
        parts.plugin("probe", ref)
    encoder, _ = parts.plugin("encoder", settings.encoder)
    if isinstance(encoder, FeatureExtractor):
        return  # nothing is pre-trained, so no labels are needed
    parts.taxonomy(settings.taxonomy)
    look_up_labeler(parts, settings)


def _cells(parts: Parts, point: Point, first: bool) -> Iterator[Cell]:
    """Yields the main cells of a point and its controls, one per seed."""
    settings = point.settings
    encoder, _ = parts.plugin("encoder", settings.encoder)
    controls, seeds = settings.controls, settings.pretrain.seeds

    def pretrained(labels: LabelsControl, control: str | None) -> Iterator[Cell]:
        return (Chain(parts, point).pretrained(labels, seed, control) for seed in seeds)

    if isinstance(encoder, FeatureExtractor):
        yield Chain(parts, point).frozen(settings.encoder, None)
    else:
        yield from pretrained("weak", None)
        if controls.random_init:
            yield from (Chain(parts, point).random_init(seed) for seed in seeds)
        shuffles: tuple[tuple[LabelsControl, str], ...] = (
            ("shuffled", controls.shuffled),
            ("shuffled-within-speaker", controls.shuffled_within_speaker),
        )
        for name, scope in shuffles:
            if scope == "each" or (scope == "first" and first):
                yield from pretrained(name, name.replace("-", "_"))
        if controls.gold and _have_gold(parts, settings.corpora):
            yield from pretrained("gold", "gold")
    if controls.logmel_stats and settings.encoder != LOGMEL_STATS:
        yield Chain(parts, point).frozen(LOGMEL_STATS, "logmel_stats")
    if controls.text and settings.encoder != TEXT:
        yield Chain(parts, point).frozen(TEXT, "text")


def _have_gold(parts: Parts, corpora: Sequence[DatasetRef]) -> bool:
    """Whether every corpus has human labels."""
    cards = [parts.manifest(ref)[1].card for ref in corpora]
    return bool(cards) and all(card.taxonomy is not None for card in cards)
