"""The parts of a plan, each made once."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any, TypeVar

from ...data.manifest import BuiltManifest, build_manifest
from ...data.utterances import utterance_languages
from ...errors import SettingsError, did_you_mean, is_suggestion
from ...kinds import Dataset, Labeler, Plugin
from ...plugins.discovery import Registry
from ...plugins.identity import check_plugin, plugin_identity
from ...plugins.taxonomies import find_taxonomy
from ...store import PluginIdentity, Spec, Store, canonical
from ...taxonomy import Taxonomy, load_taxonomy
from ..settings.model import DatasetRef, PluginRef
from .plan import Node

Progress = Callable[[int, int, str], None]
T = TypeVar("T")


class Parts:
    """Plugins, taxonomies, manifests and nodes of a plan."""

    def __init__(
        self,
        registry: Registry,
        store: Store,
        label: str,
        folder: Path | None,
        progress: Progress | None,
        axes: Collection[str] = (),
    ) -> None:
        """Starts empty; the arguments are those of `make_plan`, and the axes of its grid."""
        self.registry, self.store, self.label = registry, store, label
        self.folder, self.progress, self._axes = folder, progress, axes
        self.nodes: dict[str, Node] = {}
        self.manifests: dict[str, BuiltManifest] = {}
        self._plugins: dict[str, tuple[Any, PluginIdentity]] = {}
        self._datasets: dict[str, tuple[BuiltManifest, Dataset[Any]]] = {}
        self._taxonomies: dict[str, Taxonomy] = {}
        self._languages: dict[str, list[str]] = {}
        self._once: dict[tuple[object, ...], tuple[Any, dict[str, Any]]] = {}

    def plugin(self, kind: str, ref: PluginRef) -> tuple[Any, PluginIdentity]:
        """Returns a plugin and its identity."""
        return self.once(self._plugin, kind=kind, ref=ref)

    def once(self, make: Callable[..., T], /, **inputs: Any) -> T:
        """Returns ``make(**inputs)``, computed once for the same inputs.

        Texts, whole numbers and dataclasses are compared by value. Everything else, such as the
        sections that points of a grid share (`Sections`), is compared by identity and kept alive.
        """
        values = inputs.values()
        memo = (make, *[v if v.__class__ in _BY_VALUE else _identity(v) for v in values])
        if memo not in self._once:
            self._once[memo] = make(**inputs), inputs
        result: T = self._once[memo][0]
        return result

    def _plugin(self, kind: str, ref: PluginRef) -> tuple[Any, PluginIdentity]:
        memo = canonical([kind, ref.model_dump(mode="json")])
        if memo not in self._plugins:
            try:
                plugin: Plugin[Any] = self.registry.create(kind, ref.name, ref.options)
            except SettingsError as error:
                raise SettingsError(f"{self.label}: {self._of_axis(kind, ref) or error}") from None
            check_plugin(kind, ref.name, plugin)
            identity = plugin_identity(self.registry, kind, ref.name, plugin)
            self._plugins[memo] = plugin, identity
        return self._plugins[memo]

    def _of_axis(self, kind: str, ref: PluginRef) -> str:
        """Explains an axis of an option that a plugin lacks; empty if there is none."""
        own = self.registry.plugin_class(kind, ref.name).Options.model_fields
        for axis in self._axes:
            head, _, option = axis.partition(".")
            if head == kind and option in ref.options and option not in own:
                hint = did_you_mean(option, own)
                return (
                    f"axis '{axis}': {kind} '{ref.name}' has no option '{option}'."
                    f"{hint if is_suggestion(hint) else ''} If others have it, remove this axis "
                    f"and set the option of each plugin that has it: grid: {{{kind}: "
                    f"[{ref.name}, {{name: …, {option}: {ref.options[option]}}}, …]}}."
                )
        return ""

    def taxonomy(self, name: str) -> Taxonomy:
        """Returns a taxonomy by name or path, which may be relative to the experiment's folder."""
        if name not in self._taxonomies:
            path = None if self.folder is None else self.folder / name
            elsewhere = name.endswith((".yaml", ".yml")) and not Path(name).is_file()
            if elsewhere and path is not None and path.is_file():
                self._taxonomies[name] = load_taxonomy(path)
            else:
                self._taxonomies[name] = find_taxonomy(self.registry, name)
        return self._taxonomies[name]

    def languages(self, manifest: BuiltManifest) -> list[str]:
        """Returns the languages of a manifest's utterances; empty for those without one."""
        if manifest.key not in self._languages:
            self._languages[manifest.key] = utterance_languages(manifest.artifact)
        return self._languages[manifest.key]

    def wordings(
        self, taxonomy: Taxonomy, labeler: Labeler[Any], manifest: BuiltManifest
    ) -> tuple[str, ...]:
        """Returns the languages of a manifest in which a labeler gets the taxonomy's labels."""
        if not taxonomy.languages or "text" not in labeler.reads:
            return ()
        spoken = self.languages(manifest)
        return tuple(c for c in spoken if c in taxonomy.languages and labeler.worded_in(c))

    def manifest(self, ref: DatasetRef) -> tuple[BuiltManifest, Dataset[Any]]:
        """Builds a dataset's manifest."""
        return self.once(self._manifest, ref=ref)

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
                ref.part,
                self.progress,
            )
            dataset = self.registry.create("dataset", ref.dataset, ref.options)
            self._datasets[memo] = built, dataset
            self.manifests[built.key] = built
        return self._datasets[memo]

    def stage(
        self,
        make: Callable[..., Spec],
        title: str,
        threads: int,
        audio: tuple[str, ...] = (),
        /,
        **inputs: Any,
    ) -> str:
        """Adds the stage ``make(**inputs)`` unless it exists, and returns its key.

        Args:
            make: `spec` of the stage.
            title: short description for people.
            threads: CPU threads that it occupies.
            audio: files with the paths of recordings.
            inputs: arguments of `make`; all lists as tuples.
        """
        key, spec = self.once(_keyed, make=make, **inputs)
        if key not in self.nodes:
            parents = tuple(dict.fromkeys(k for k in spec.parents.values() if k in self.nodes))
            self.nodes[key] = Node(key, spec, title, threads, parents, audio)
        return key


def _keyed(make: Callable[..., Spec], **inputs: Any) -> tuple[str, Spec]:
    spec = make(**inputs)
    return spec.key, spec


_BY_VALUE = {str, int, bool, type(None)}


def _identity(value: Any) -> object:
    if isinstance(value, tuple):
        return tuple(map(_identity, value))
    return value if value.__class__ in _BY_VALUE or is_dataclass(value) else id(value)
