"""What plugins made of other plugins need: members by name, and their identity for the key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from weakref import WeakKeyDictionary

from ..kinds.base import Plugin
from ..store import digest
from .discovery import Registry, current_registry, registry
from .identity import plugin_identity

_found_by: WeakKeyDictionary[Plugin[Any], Registry] = WeakKeyDictionary()


def create_plugin(kind: str, name: str, options: Mapping[str, Any] | None = None) -> Any:
    """Returns a plugin with validated options, for a plugin that is made of others.

    Call it while the plugin itself is made, in ``__init__``: then members are sought where it was
    found, also among the loose files of ``--plugins-dir``. Later only installed ones are found.

    Args:
        kind: such as ``labeler``.
        name: the member's registered name.
        options: its options.

    Raises:
        PluginError: there is no such plugin, or it does not load.
        SettingsError: an option is unknown or has a wrong value.
    """
    found = current_registry()
    plugin = found.create(kind, name, options)
    _found_by[plugin] = found
    return plugin


def member_identity(kind: str, name: str, plugin: Plugin[Any]) -> str:
    """Returns a digest of all of a member that can change its numbers.

    A plugin made of others puts the digests of its members into its own `fingerprint`: its source
    hash covers only its own package, and its options only their names.

    Args:
        kind: the member's kind.
        name: its registered name.
        plugin: the member, from `create_plugin`.

    Raises:
        MissingDependencyError: its weights are not at hand.
    """
    return digest(
        plugin_identity(_found_by.get(plugin) or registry(), kind, name, plugin).model_dump(
            mode="json"
        )
    )
