"""Finds plugins, sets broken ones aside, and resolves names to classes."""

from __future__ import annotations

import importlib.util
import inspect
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache, partial
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

import pluggy

from .._face import Tabled
from .._version import __version__
from ..errors import PluginError, did_you_mean, is_suggestion, place_in_plugin, plugin_boundary
from . import hookspecs
from .isolation import UNGUARDED, guard, isolated, own

if TYPE_CHECKING:
    from ..kinds.base import Plugin

GROUP = "lanser_bench"
OWN_DISTRIBUTION = "lanser-bench"
API = 1
"""Version of the contracts, of the hooks and of the public names; a plugin module may declare the
one that it is written for: ``lanser_bench_api = 1``."""
OLDEST_API = 1
"""Plugins for an older version are refused."""
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
CONTRACTS = {
    "encoder": "FeatureExtractor TrainableEncoder",
    "asr": "ASR",
    "labeler": "Labeler",
    "dataset": "Dataset",
    "segmenter": "Segmenter",
    "probe": "Probe",
    "tracker": "Tracker",
    "executor": "Executor",
}
"""Kind of plugin → its base classes in `kinds`."""


@dataclass(frozen=True, slots=True)
class Registered:
    """A registered name of a kind, with its origin."""

    kind: str
    name: str
    reference: str
    """``module:Class``; for a taxonomy the path of its file."""
    distribution: str
    memory_gib: float = 0.5
    """Of `Plugin.memory_gib`, unless the class has its own."""


@dataclass(frozen=True, slots=True)
class BrokenPlugin:
    """A plugin module that could not be imported or registered."""

    entry_point: str
    distribution: str
    error: str


@dataclass(slots=True)
class Registry(Tabled):
    """All plugins of this process, registered and broken."""

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
        """Returns one entry; raises `PluginError` with a suggestion if it is unknown."""
        if (kind, name) in self.entries:
            return self.entries[kind, name]
        broken = "".join(
            f" Plugin '{b.entry_point}' of {b.distribution} is broken: {b.error}."
            for b in self.broken
        )
        hint = did_you_mean(name, self.names(kind))
        loose = " To use your own plugin file, set --plugins-dir."
        if self.plugin_dirs or is_suggestion(hint):
            loose = ""
        raise PluginError(f"No {kind} named '{name}'.{hint}{broken}{loose}")

    def plugin_class(self, kind: str, name: str) -> type[Plugin[Any]]:
        """Imports the class of a name and checks that it is of the right kind."""
        entry = self.entry(kind, name)
        whose = f"{kind} '{name}' of {entry.distribution}"
        module_name, _, attribute = entry.reference.partition(":")
        try:
            with isolated(whose, "its import"):
                cls = getattr(import_module(module_name), attribute)
        except (ImportError, AttributeError, SyntaxError) as error:
            raise PluginError(
                f"{whose} does not load from '{entry.reference}': {error}. Install what it needs, "
                "or run `lanser-bench doctor`."
            ) from error
        expected = _contract(kind)
        if not (inspect.isclass(cls) and issubclass(cls, expected)):
            wanted = " or ".join(c.__name__ for c in expected)
            raise PluginError(
                f"{whose}: '{entry.reference}' is not a subclass of lanser_bench.{wanted}."
            )
        if not isinstance(getattr(cls, "version", None), str):
            raise PluginError(
                f'{whose} declares no version: add `version = "1"` to {attribute}, and change it '
                "whenever its numbers may change."
            )
        missing = [_written(cls, name) for name in abstract_names(cls)]
        if missing:
            raise PluginError(
                f"{whose}: {attribute} does not define {' or '.join(missing)}, which its contract "
                "asks for."
            )
        if kind not in UNGUARDED:
            for contract in expected:
                guard(cls, contract)
        return cast("type[Plugin[Any]]", cls)

    def create(self, kind: str, name: str, options: Mapping[str, Any] | None = None) -> Any:
        """Returns a plugin with validated options.

        Raises:
            PluginError: an unknown name, or a class that violates the contract.
            SettingsError: an unknown option, or an invalid value.
        """
        from ..validation import validated

        cls = self.plugin_class(kind, name)
        # Datasets, probes and trackers are entries of lists, whose axes have other names.
        axis = f"{kind}." if kind in ("segmenter", "asr", "labeler", "encoder") else None
        checked = validated(cls.Options, dict(options or {}), f"{kind} '{name}'", axis)
        # A plugin made of others looks them up in this registry.
        outer = _making.set(self)
        entry = self.entry(kind, name)
        whose = f"{kind} '{name}' of {entry.distribution}"
        try:
            with plugin_boundary(f"{whose} cannot be created"), isolated(whose, "__init__()"):
                plugin = cls(checked)
            own(plugin, whose)
            plugin.registered_gib = entry.memory_gib
            return plugin
        finally:
            _making.reset(outer)


def abstract_names(cls: type) -> list[str]:
    """Returns the methods and properties that a contract asks for and a class does not define."""
    return [n for n in dir(cls) if getattr(getattr(cls, n, None), "__isabstractmethod__", False)]


def _written(cls: type, name: str) -> str:
    """Returns a method as one writes it, or the name of a property."""
    member = getattr(cls, name)
    if not callable(member):
        return f"the property `{name}`"
    return f"`def {name}{inspect.signature(member)}`".replace("'", "")


_making: ContextVar[Registry | None] = ContextVar("_making", default=None)


def current_registry() -> Registry:
    """Returns the registry that is creating a plugin, or that of installed plugins."""
    return _making.get() or registry()


def _contract(kind: str) -> tuple[type, ...]:
    from .. import kinds

    return tuple(getattr(kinds, name) for name in CONTRACTS[kind].split())


def load_plugins(plugin_dirs: Iterable[Path] = (), only: str | None = None) -> Registry:
    """Builds a registry from installed entry points and loose files.

    Args:
        plugin_dirs: folders whose ``*.py`` files are plugin modules.
        only: comma-separated names of the distributions to load, besides the built-ins. Defaults
            to the environment variable ``LANSER_LOAD_PLUGINS``.

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
            _register(registry, point.name, distribution, point.load)
    for folder in registry.plugin_dirs:
        if not folder.is_dir():
            raise PluginError(f"--plugins-dir {folder} is not a folder.")
        for path in sorted(folder.glob("*.py")):
            if not path.name.startswith("_"):
                _register(registry, path.stem, str(path), partial(_load_file, path))
    return registry


def registry(plugin_dirs: Iterable[Path | str] = ()) -> Registry:
    """Returns this process's registry, loaded once per set of plugin folders, however written."""
    return _loaded(tuple(Path(folder).resolve() for folder in plugin_dirs))


@lru_cache(maxsize=8)
def _loaded(plugin_dirs: tuple[Path, ...]) -> Registry:
    return load_plugins(plugin_dirs)


def _wanted(distribution: str, only: str | None) -> bool:
    if only is None or _normal(distribution) == OWN_DISTRIBUTION:
        return True
    return _normal(distribution) in {_normal(name) for name in only.split(",") if name.strip()}


def _normal(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution.strip()).lower()


def _load_file(path: Path) -> ModuleType:
    name = f"lanser_bench_loose_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"cannot read {path}")
    module = importlib.util.module_from_spec(spec)
    if (identity := sys.modules.get(f"{__package__}.identity")) is not None:
        identity.forget_sources()
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _register(
    registry: Registry, name: str, distribution: str, load: Callable[[], ModuleType]
) -> None:
    try:
        with isolated(f"plugin '{name}' of {distribution}", "its import"):
            module = load()
        _check_api(getattr(module, "lanser_bench_api", API))
        registry.manager.register(module, name=f"{distribution}:{name}")
        _check_hooks(module)
        entries = _collect(module, distribution)
    # A third-party module may raise anything; the other plugins must still work.
    except Exception as error:  # noqa: BLE001
        registry.manager.unregister(name=f"{distribution}:{name}")
        registry.broken.append(BrokenPlugin(name, distribution, _why(error)))
        return
    for entry in entries:
        _add(registry, entry)


def _check_api(wanted: object) -> None:
    """Refuses a plugin that is written for a version of the contracts that is not supported."""
    has = f"lanser-bench {__version__} supports {OLDEST_API} to {API}"
    if not isinstance(wanted, int) or wanted < OLDEST_API:
        raise PluginError(f"It is written for plugin API {wanted!r}; {has}. Upgrade the plugin.")
    if wanted > API:
        raise PluginError(f"It needs plugin API {wanted}; {has}. Upgrade lanser-bench.")


def _why(error: Exception) -> str:
    """Returns why a module is not registered, without a full stop."""
    if isinstance(error, PluginError):
        return str(error).rstrip(".")
    if isinstance(error, ImportError) and error.name == "lanser_bench":
        what = str(error).partition(" (")[0]
        return f"{what}: version {__version__} has no such name. Upgrade lanser-bench or the plugin"
    return f"{type(error).__name__}: {error}{place_in_plugin(error)}"


def _check_hooks(module: ModuleType) -> None:
    """Refuses a hook that is misspelt or not decorated, because it would never be called."""
    known = set(KINDS.values()) | {"register_commands"}
    for attribute, value in vars(module).items():
        if attribute in known and not hasattr(value, "lanser_bench_impl"):
            raise AttributeError(f"hook '{attribute}' lacks the decorator @hookimpl")
        if hasattr(value, "lanser_bench_impl") and attribute not in known:
            raise AttributeError(
                f"hook '{attribute}' does not exist.{did_you_mean(attribute, known)}"
            )


def _collect(module: ModuleType, distribution: str) -> list[Registered]:
    entries: list[Registered] = []
    for kind, hook in KINDS.items():
        function = getattr(module, hook, None)
        if function is None or not hasattr(function, "lanser_bench_impl"):
            continue

        def register(
            name: str, reference: object, memory_gib: float = 0.5, kind: str = kind
        ) -> None:
            text = str(reference)
            if kind != "taxonomy" and not re.fullmatch(r"[\w.]+:\w+", text):
                raise ValueError(f"{kind} '{name}': '{text}' is not of the form 'module:Class'")
            entries.append(Registered(kind, name, text, distribution, memory_gib))

        function(register)
    return entries


def _add(registry: Registry, entry: Registered) -> None:
    other = registry.entries.get((entry.kind, entry.name))
    if other is not None:
        raise PluginError(
            f"Both {other.distribution} and {entry.distribution} register the {entry.kind} "
            f"'{entry.name}'. Uninstall one, or list the ones to load in LANSER_LOAD_PLUGINS."
        )
    registry.entries[entry.kind, entry.name] = entry
