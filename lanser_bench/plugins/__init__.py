"""Plugins: discovery, creation and identity.

`discovery` finds and registers plugins, `identity` computes their part of a key, `members` serves
plugins made of other plugins, and `taxonomies` finds taxonomies by name.
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
    from .members import known_taxonomy as known_taxonomy
    from .members import member_identity as member_identity
    from .taxonomies import check_maps as check_maps
    from .taxonomies import find_taxonomy as find_taxonomy

__getattr__, __dir__, __all__ = face(__name__)
