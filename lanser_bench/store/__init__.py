"""Content-addressed artifacts: keys, identities and the store itself."""

from .identity import FileHashes, file_sha256, library_versions, plugin_identity, source_hash
from .keys import PluginIdentity, Spec, canonical, digest
from .store import Artifact, Draft, Store, sync, write_atomic

__all__ = [
    "Artifact",
    "Draft",
    "FileHashes",
    "PluginIdentity",
    "Spec",
    "Store",
    "canonical",
    "digest",
    "file_sha256",
    "library_versions",
    "plugin_identity",
    "source_hash",
    "sync",
    "write_atomic",
]
