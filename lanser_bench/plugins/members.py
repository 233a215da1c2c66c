"""Plugins made of other plugins: members by name, and their identity for the key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from weakref import WeakKeyDictionary

from ..kinds.base import Plugin
from ..store import digest
from ..taxonomy import Taxonomy
from .discovery import Registry, current_registry, registry
from .identity import check_plugin, plugin_identity
from .taxonomies import find_taxonomy

_registries: WeakKeyDictionary[Plugin[Any], Registry] = WeakKeyDictionary()


def create_plugin(kind: str, name: str, options: Mapping[str, Any] | None = None) -> Any:
    """Returns a member with validated options, for a plugin that is made of others.

    Call it in the plugin's ``__init__``: members are then found in the plugin's own registry, with
    the files of ``--plugins-dir``. Later calls find installed plugins only.

    Args:
        kind: the member's kind, such as ``labeler``.
        name: its registered name.
        options: its options.

    Raises:
        PluginError: the plugin is unknown or does not load.
        SettingsError: an option is unknown or has an invalid value.
    """
    own = current_registry()
    plugin = own.create(kind, name, options)
    _registries[plugin] = own
    return plugin


def member_identity(kind: str, name: str, plugin: Plugin[Any]) -> str:
    """Returns a digest of everything about a member that can change its numbers.

    A plugin made of others includes the digests of its members in its own `fingerprint`, because
    its source hash covers only its own package, and its options only the members' names.

    Args:
        kind: the member's kind.
        name: its registered name.
        plugin: the member, from `create_plugin`.

    Raises:
        LanserError: it refuses its options or its model, or its weights are not available.
    """
    check_plugin(kind, name, plugin)
    identity = plugin_identity(_registries.get(plugin) or registry(), kind, name, plugin)
    return digest(identity.model_dump(mode="json"))


def known_taxonomy(name: str) -> Taxonomy:
    """Returns a taxonomy by name or path, for a plugin whose options name one.

    Call it in the plugin's ``__init__``, as `create_plugin`, and include the taxonomy's `hash` in
    the plugin's `fingerprint`.

    Raises:
        TaxonomyError: the name is unknown, or the file is invalid.
    """
    return find_taxonomy(current_registry(), name)
