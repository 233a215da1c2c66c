"""The parts that a plan is made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from ...data.manifest import BuiltManifest, build_manifest
from ...errors import SettingsError
from ...kinds import Dataset, Plugin
from ...plugins.discovery import Registry
from ...plugins.identity import plugin_identity
from ...plugins.taxonomies import find_taxonomy
from ...store import PluginIdentity, Spec, Store, canonical
from ...taxonomy import Taxonomy, load_taxonomy
from ..settings.model import DatasetRef, PluginRef
from .plan import Cell, Node

Progress = Callable[[int, int, str], None]
T = TypeVar("T")


class Parts:
    """Plugins, taxonomies, manifests and nodes of a plan, each made once."""

    def __init__(
        self,
        registry: Registry,
        store: Store,
        label: str,
        folder: Path | None,
        progress: Progress | None,
    ) -> None:
        """Begins empty; the arguments are those of `make_plan`."""
        self.registry, self.store, self.label = registry, store, label
        self.folder, self.progress = folder, progress
        self.nodes: dict[str, Node] = {}
        self.manifests: dict[str, BuiltManifest] = {}
        self._plugins: dict[str, tuple[Any, PluginIdentity]] = {}
        self._datasets: dict[str, tuple[BuiltManifest, Dataset[Any]]] = {}
        self._taxonomies: dict[str, Taxonomy] = {}
        self._once: dict[tuple[object, ...], tuple[Any, tuple[object, ...]]] = {}

    def plugin(self, kind: str, ref: PluginRef) -> tuple[Any, PluginIdentity]:
        """Returns a plugin and its identity."""
        return self.once("plugin", lambda: self._plugin(kind, ref), kind, ref)

    def once(self, name: str, make: Callable[[], T], *inputs: object) -> T:
        """Returns what `make` gave when it was first called for these inputs.

        Text, numbers and tuples of them are told apart by value. All else, such as the sections
        that the points of a grid share (`Sections`), is by identity, and kept alive for that.
        """
        memo = (name, *(i if isinstance(i, str | int | tuple | None) else id(i) for i in inputs))
        if memo not in self._once:
            self._once[memo] = make(), inputs
        found: T = self._once[memo][0]
        return found

    def _plugin(self, kind: str, ref: PluginRef) -> tuple[Any, PluginIdentity]:
        memo = canonical([kind, ref.model_dump(mode="json")])
        if memo not in self._plugins:
            try:
                plugin: Plugin[Any] = self.registry.create(kind, ref.name, ref.options)
            except SettingsError as error:
                raise SettingsError(f"{self.label}: {error}") from None
            identity = plugin_identity(self.registry, kind, ref.name, plugin)
            self._plugins[memo] = plugin, identity
        return self._plugins[memo]

    def taxonomy(self, name: str) -> Taxonomy:
        """Returns a taxonomy by name or path; a path may start at the experiment's folder."""
        if name not in self._taxonomies:
            beside = self.folder / name if self.folder is not None else None
            by_path = name.endswith((".yaml", ".yml")) and not Path(name).is_file()
            if by_path and beside is not None and beside.is_file():
                self._taxonomies[name] = load_taxonomy(beside)
            else:
                self._taxonomies[name] = find_taxonomy(self.registry, name)
        return self._taxonomies[name]

    def manifest(self, ref: DatasetRef) -> tuple[BuiltManifest, Dataset[Any]]:
        """Builds a dataset's manifest."""
        return self.once("manifest", lambda: self._manifest(ref), ref)

    def _manifest(self, ref: DatasetRef) -> tuple[BuiltManifest, Dataset[Any]]:
        memo = canonical(ref.model_dump(mode="json"))
        if memo not in self._datasets:
            built = build_manifest(
                self.registry,
                self.store,
                ref.dataset,
                ref.options,
                ref.root,
                ref.on_bad_audio,
                ref.limit,
                self.progress,
            )
            dataset = self.registry.create("dataset", ref.dataset, ref.options)
            self._datasets[memo] = built, dataset
            self.manifests[built.key] = built
        return self._datasets[memo]

    def add(self, spec: Spec, title: str, threads: int, audio: tuple[str, ...] = ()) -> str:
        """Adds a stage, unless it is there, and returns its key."""
        key = spec.key
        if key not in self.nodes:
            parents = tuple(dict.fromkeys(k for k in spec.parents.values() if k in self.nodes))
            self.nodes[key] = Node(key, spec, title, threads, parents, audio)
        return key

    def used_nodes(self, cells: Sequence[Cell]) -> dict[str, Node]:
        """Returns the nodes that the cells need, parents before children."""
        used = {key for cell in cells for key in cell.stages.values()}
        return {key: node for key, node in self.nodes.items() if key in used}
