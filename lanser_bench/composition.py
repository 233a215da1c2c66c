"""What plugins made of other plugins need: members by name, and their identity for the key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .kinds.base import Plugin
from .plugins import registry
from .store import digest, plugin_identity


def create_plugin(kind: str, name: str, options: Mapping[str, Any] | None = None) -> Any:
    """Returns a plugin with validated options, for a plugin that is made of others.

    Only installed plugins are found: loose files of ``--plugins-dir`` belong to one command, and a
    member must be found by every process that makes it.

    Args:
        kind: such as ``labeler``.
        name: the member's registered name.
        options: its options.

    Raises:
        PluginError: there is no such plugin, or it does not load.
        SettingsError: an option is unknown or has a wrong value.
    """
    return registry().create(kind, name, options)


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
    return digest(plugin_identity(registry(), kind, name, plugin).model_dump(mode="json"))
