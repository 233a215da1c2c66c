"""Plugins: how they are found, named, made and identified.

`discovery` finds and registers them, `identity` says what of them goes into a key, `members` serves
plugins made of others, and `taxonomies` looks taxonomies up by name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._face import face

if TYPE_CHECKING:
    from .discovery import BrokenPlugin as BrokenPlugin
    from .discovery import Registered as Registered
    from .discovery import Registry as Registry
    from .discovery import load_plugins as load_plugins
    from .discovery import registry as registry
    from .hookspecs import hookimpl as hookimpl
    from .identity import library_versions as library_versions
    from .identity import plugin_identity as plugin_identity
    from .identity import source_hash as source_hash
    from .members import create_plugin as create_plugin
    from .members import member_identity as member_identity
    from .taxonomies import check_maps as check_maps
    from .taxonomies import find_taxonomy as find_taxonomy

__getattr__, __all__ = face(
    __name__,
    {
        "BrokenPlugin": "discovery",
        "Registered": "discovery",
        "Registry": "discovery",
        "check_maps": "taxonomies",
        "create_plugin": "members",
        "find_taxonomy": "taxonomies",
        "hookimpl": "hookspecs",
        "library_versions": "identity",
        "load_plugins": "discovery",
        "member_identity": "members",
        "plugin_identity": "identity",
        "registry": "discovery",
        "source_hash": "identity",
    },
)
