"""Finds plugins, keeps broken ones apart, and resolves names to classes."""

from __future__ import annotations

import importlib.util
import inspect
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

import pluggy

from ..errors import PluginError, did_you_mean, plugin_boundary
from . import hookspecs

if TYPE_CHECKING:
    from ..kinds.base import Plugin

GROUP = "lanser_bench"
OWN_DISTRIBUTION = "lanser-bench"
KINDS = {
    "asr": "register_asr",
    "labeler": "register_labelers",
    "encoder": "register_encoders",
    "dataset": "register_datasets",
    "segmenter": "register_segmenters",
    "probe": "register_probes",
    "taxonomy": "register_taxonomies",
    "tracker": "register_trackers",
    "executor": "register_executors",
}
"""Kind of plugin → the hook that registers it."""


@dataclass(frozen=True, slots=True)
class Registered:
    """One name of one kind, with where it comes from."""

    kind: str
    name: str
    reference: str
    """``module:Class``; for a taxonomy the path of its file."""
    distribution: str


@dataclass(frozen=True, slots=True)
class BrokenPlugin:
    """A plugin module that could not be imported or registered."""

    entry_point: str
    distribution: str
    error: str


@dataclass(slots=True)
class Registry:
    """All plugins of this process: what is registered, and what is broken."""

    entries: dict[tuple[str, str], Registered] = field(default_factory=dict)
    broken: list[BrokenPlugin] = field(default_factory=list)
    manager: pluggy.PluginManager = field(
        default_factory=lambda: pluggy.PluginManager("lanser_bench")
    )
    plugin_dirs: tuple[Path, ...] = ()

    def names(self, kind: str) -> list[str]:
        """Returns the registered names of a kind, sorted."""
        return sorted(name for k, name in self.entries if k == kind)

    def entry(self, kind: str, name: str) -> Registered:
        """Returns one entry; `PluginError` with a suggestion if there is none."""
        try:
            return self.entries[kind, name]
        except KeyError:
            hint = did_you_mean(name, self.names(kind))
            broken = "".join(
                f" Plugin '{b.entry_point}' of {b.distribution} is broken: {b.error}."
                for b in self.broken
            )
            loose = (
                "" if self.plugin_dirs else " A plugin file of your own is found by --plugins-dir."
            )
            raise PluginError(f"No {kind} named '{name}'.{hint}{broken}{loose}") from None

    def plugin_class(self, kind: str, name: str) -> type[Plugin[Any]]:
        """Imports the class behind a name and checks that it is of the right kind."""
        entry = self.entry(kind, name)
        module_name, _, attribute = entry.reference.partition(":")
        try:
            found = getattr(import_module(module_name), attribute)
        except (ImportError, AttributeError, SyntaxError) as error:
            raise PluginError(
                f"{kind} '{name}' of {entry.distribution} does not load from "
                f"'{entry.reference}': {error}. Install what it needs, or run "
                f"`lanser-bench doctor`."
            ) from error
        expected = _contract(kind)
        if not (inspect.isclass(found) and issubclass(found, expected)):
            wanted = " or ".join(c.__name__ for c in expected)
            raise PluginError(
                f"{kind} '{name}' of {entry.distribution}: '{entry.reference}' is not a "
                f"subclass of lanser_bench.{wanted}."
            )
        if not isinstance(getattr(found, "version", None), str):
            raise PluginError(
                f"{kind} '{name}' of {entry.distribution} declares no version: add "
                f'`version = "1"` to {attribute}, and change it whenever its numbers may.'
            )
        return cast("type[Plugin[Any]]", found)

    def create(self, kind: str, name: str, options: Mapping[str, Any] | None = None) -> Any:
        """Returns a plugin with validated options.

        Raises:
            PluginError: unknown name or a class that breaks the contract.
            SettingsError: an option that the plugin does not have or that has a wrong value.
        """
        from ..validation import validated

        cls = self.plugin_class(kind, name)
        checked = validated(cls.Options, dict(options or {}), f"{kind} '{name}'")
        # A plugin made of others finds them where it was found itself.
        outer = _making.set(self)
        whose = f"{kind} '{name}' of {self.entry(kind, name).distribution}"
        try:
            with plugin_boundary(f"{whose} cannot be made"):
                return cls(checked)
        finally:
            _making.reset(outer)


_making: ContextVar[Registry | None] = ContextVar("_making", default=None)


def current_registry() -> Registry:
    """Returns the registry whose plugin is being made; otherwise that of installed plugins."""
    return _making.get() or registry()


def _contract(kind: str) -> tuple[type, ...]:
    from .. import kinds

    return {
        "asr": (kinds.ASR,),
        "labeler": (kinds.Labeler,),
        "encoder": (kinds.FeatureExtractor, kinds.TrainableEncoder),
        "dataset": (kinds.Dataset,),
        "segmenter": (kinds.Segmenter,),
        "probe": (kinds.Probe,),
        "tracker": (kinds.Tracker,),
        "executor": (kinds.Executor,),
    }[kind]


def load_plugins(plugin_dirs: Iterable[Path] = (), only: str | None = None) -> Registry:
    """Builds a registry from installed entry points and loose files.

    Args:
        plugin_dirs: folders whose ``*.py`` files are plugin modules.
        only: comma-separated distribution names; others are left out, built-ins always load.
            Defaults to the environment variable ``LANSER_LOAD_PLUGINS``.

    Raises:
        PluginError: two plugins register the same name of a kind, or a folder does not exist.
    """
    if only is None:
        only = os.environ.get("LANSER_LOAD_PLUGINS")
    registry = Registry(plugin_dirs=tuple(Path(d).resolve() for d in plugin_dirs))
    registry.manager.add_hookspecs(hookspecs)
    for point in entry_points(group=GROUP):
        distribution = point.dist.name if point.dist else "unknown"
        if _wanted(distribution, only):
            _register(registry, point.name, distribution, _loader(point))
    for folder in registry.plugin_dirs:
        if not folder.is_dir():
            raise PluginError(f"--plugins-dir {folder} is not a folder.")
        for path in sorted(folder.glob("*.py")):
            if not path.name.startswith("_"):
                _register(registry, path.stem, str(path), _file_loader(path))
    return registry


@lru_cache(maxsize=8)
def registry(plugin_dirs: tuple[Path, ...] = ()) -> Registry:
    """Returns this process's registry, loaded once per set of loose folders."""
    return load_plugins(plugin_dirs)


def _wanted(distribution: str, only: str | None) -> bool:
    if only is None or _normal(distribution) == OWN_DISTRIBUTION:
        return True
    return _normal(distribution) in {_normal(name) for name in only.split(",") if name.strip()}


def _normal(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution.strip()).lower()


def _loader(point: EntryPoint) -> Callable[[], ModuleType]:
    def load() -> ModuleType:
        module: ModuleType = point.load()
        return module

    return load


def _file_loader(path: Path) -> Callable[[], ModuleType]:
    def load() -> ModuleType:
        name = f"lanser_bench_loose_{path.stem}"
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise ImportError(f"cannot read {path}")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
        return module

    return load


def _register(
    registry: Registry, name: str, distribution: str, load: Callable[[], ModuleType]
) -> None:
    try:
        module = load()
        registry.manager.register(module, name=f"{distribution}:{name}")
        _check_hooks(module)
        found = _collect(registry, module, distribution)
    except PluginError:
        raise
    # A stranger's module may fail in any way; it must fail alone.
    except (Exception, SystemExit) as error:  # noqa: BLE001
        registry.manager.unregister(name=f"{distribution}:{name}")
        registry.broken.append(BrokenPlugin(name, distribution, f"{type(error).__name__}: {error}"))
        return
    for entry in found:
        _add(registry, entry)


def _check_hooks(module: ModuleType) -> None:
    """Refuses a hook that no specification knows: a misspelt one would never be called."""
    known = set(KINDS.values()) | {"register_commands"}
    for attribute, value in vars(module).items():
        if hasattr(value, "lanser_bench_impl") and attribute not in known:
            raise AttributeError(
                f"hook '{attribute}' does not exist.{did_you_mean(attribute, known)}"
            )


def _collect(registry: Registry, module: ModuleType, distribution: str) -> list[Registered]:
    found: list[Registered] = []
    for kind, hook in KINDS.items():
        function = getattr(module, hook, None)
        if function is None or not hasattr(function, "lanser_bench_impl"):
            continue

        def register(name: str, reference: object, kind: str = kind) -> None:
            text = str(reference)
            if kind != "taxonomy" and not re.fullmatch(r"[\w.]+:\w+", text):
                raise ValueError(f"{kind} '{name}': '{text}' is not of the form 'module:Class'")
            found.append(Registered(kind, name, text, distribution))

        function(register)
    return found


def _add(registry: Registry, entry: Registered) -> None:
    other = registry.entries.get((entry.kind, entry.name))
    if other is not None:
        raise PluginError(
            f"Both {other.distribution} and {entry.distribution} register the {entry.kind} "
            f"'{entry.name}'. Uninstall one, or name the ones to load in LANSER_LOAD_PLUGINS."
        )
    registry.entries[entry.kind, entry.name] = entry
